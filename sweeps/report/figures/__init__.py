"""The figures, drawn: each function takes the data computed elsewhere and returns a plotly figure.

Text reaches a figure only through `plotly_text`, as plotly reads tags in any text, and never in a template, where it
reads `%{...}`. A new figure is a function that computes its data, one here that draws it, and an entry in the panels.
"""

from sweeps.report.figures.base import Figure, bundle

__all__ = ["Figure", "bundle"]
