"""What VMware's importers have in common: ovftool, vCenter, ESXi, Workstation and Fusion."""
