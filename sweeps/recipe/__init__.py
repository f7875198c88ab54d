"""The schema of a workload's recipe: its dotted keys, their types, and the validation of settings."""
