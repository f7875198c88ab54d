"""Training techniques beyond one network and its labels."""
