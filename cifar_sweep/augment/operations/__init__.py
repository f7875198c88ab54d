"""The operations on whole batches of images: one class each, listed in `registry`."""
