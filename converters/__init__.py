"""The translation: disks, machine configurations, and the places a machine can go."""
