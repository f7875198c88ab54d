"""The decisions of the search: their data and their table."""
