"""The figures of a study. `registry` lists them by name.

Each figure has a function that computes its data (in `*_data`), one that draws them (in `draw_*`), and an entry in
`*_panels`.

Text reaches a figure only through `plotly_text`, because plotly reads tags in any text, and never in a template, where
it reads `%{...}`.
"""

from sweeps.report.figures.base import Figure, bundle

__all__ = ["Figure", "bundle"]
