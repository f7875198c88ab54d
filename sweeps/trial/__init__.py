"""The nouns of a run: trials, arms, seeds."""
