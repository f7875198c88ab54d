"""Pruners: rules of early termination, one per file, as pure functions of the recorded curves."""
