"""The study file's grammar: YAML within limits, sections, parameters, and every mistake with its place."""
