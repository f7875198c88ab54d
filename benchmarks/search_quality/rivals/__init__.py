"""Searches of other tools, which decide by their own code. They need not be installed beside this project."""
