"""What tests stand on: builders of real things, and other people's programs as witnesses."""
