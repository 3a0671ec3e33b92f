"""From virtual hardware to neutral machines: items, controllers, drives, adapters."""
