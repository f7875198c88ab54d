"""A rehearsal of training on a GPU, on a machine without one (`pretended`), and what it must show."""
