"""The device of a run: what its errors mean, and giving back its memory."""
