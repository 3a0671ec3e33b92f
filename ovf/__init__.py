"""The standard: OVF packages (DMTF DSP0243), read, judged and written."""
