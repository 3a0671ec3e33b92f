"""VirtualBox's importer: its checks of hardware, and of disks, files and the rest."""
