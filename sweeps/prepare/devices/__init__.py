"""The accelerators of this machine, as torch sees them, and the device that a study trains on."""
