"""What is in a package's files: disks looked into, digests taken, each file read once."""
