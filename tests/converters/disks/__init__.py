"""The disk engine's tests: QEMU's tools are the witnesses."""
