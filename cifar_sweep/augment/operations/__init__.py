"""Image operations on whole batches: one class each, listed in `registry`."""
