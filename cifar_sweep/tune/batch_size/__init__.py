"""The batch size: what fits the device, and the setting `batch_size: auto`."""
