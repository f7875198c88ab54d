"""The device of a run: its memory and errors, and what goes to it and comes back without making the host wait."""
