"""The study file: its grammar, its rules, and what differs between two versions."""
