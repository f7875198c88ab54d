"""Data sets: formats, splits, the cache of decoded images, evaluation sets, images without labels."""
