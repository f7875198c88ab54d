"""The commands of `sweep`, by subject."""
