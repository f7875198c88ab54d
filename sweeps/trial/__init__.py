"""Data classes of a run: trials, arms and seeds."""
