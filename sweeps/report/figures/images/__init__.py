"""The figures of the per-image evidence."""
