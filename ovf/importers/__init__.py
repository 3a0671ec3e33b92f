"""What several importers have in common, for the profiles of each of them."""
