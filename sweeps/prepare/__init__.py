"""Prepare a study for this machine before it runs: device, data, GPU share, smoke sizes."""
