"""The study file: read, parsed, checked against its own rules."""
