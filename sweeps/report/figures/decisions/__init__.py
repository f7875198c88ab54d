"""The figures of the decisions of the search."""
