"""Draft a new study file from a few choices: every section is there, with a comment, and the file validates."""
