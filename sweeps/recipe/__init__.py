"""The schema of a workload's settings: validate, merge, address by dotted key."""
