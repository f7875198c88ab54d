"""Early termination: one protocol and one file per rule, pure functions over recorded curves."""
