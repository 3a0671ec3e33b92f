"""The XML namespaces of descriptors, each written once.

Spec: DSP0243 clause 6, table 1; DSP0230 (WS-CIM) for those of CIM's classes.
"""

from __future__ import annotations

OVF_09 = "http://www.vmware.com/schema/ovf/1/envelope"
OVF_10 = "http://schemas.dmtf.org/ovf/envelope/1"
OVF_20 = "http://schemas.dmtf.org/ovf/envelope/2"
CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
"""What the namespaces of CIM's classes begin with."""
RASD = f"{CIM}ResourceAllocationSettingData"
SASD = f"{CIM}StorageAllocationSettingData"
EPASD = f"{CIM}EthernetPortAllocationSettingData"
VSSD = f"{CIM}VirtualSystemSettingData"
SETTING_PREFIXES = {RASD: "rasd", VSSD: "vssd", SASD: "sasd", EPASD: "epasd"}
"""What the namespaces of items and systems are usually bound to."""
VMW = "http://www.vmware.com/schema/ovf"
VBOX = "http://www.virtualbox.org/ovf/machine"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSI_TYPE = f"{{{XSI}}}type"
