"""Settle a study before it runs: device, data, GPU share, smoke sizes."""
