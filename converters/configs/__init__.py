"""Machine configurations: the files hypervisors describe a machine in."""
