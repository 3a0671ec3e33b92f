"""What the schemas say of a descriptor, in words people can use."""
