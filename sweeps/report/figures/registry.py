"""The figures of a study by name.

Example:
    figure = FIGURES["forest"](findings)
    figure.write_html("forest.html")
"""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.evidence.findings import Findings
from sweeps.io.errors import UserError, unknown
from sweeps.report.figures.base import Figure
from sweeps.report.figures.class_panels import CLASS_PANELS
from sweeps.report.figures.decisions.panels import DECISION_PANELS
from sweeps.report.figures.evidence_panels import ABLATION_PANELS, FINAL_PANELS
from sweeps.report.figures.images.panels import IMAGE_PANELS
from sweeps.report.figures.panel import Panel
from sweeps.report.figures.search_panels import SEARCH_PANELS

FIGURES: Mapping[str, Panel] = {
    panel.key: panel
    for panel in (
        *(*SEARCH_PANELS, *DECISION_PANELS),
        *(*ABLATION_PANELS, *FINAL_PANELS),
        *(*CLASS_PANELS, *IMAGE_PANELS),
    )
}
"""Every figure, in the order of the search, the stages after it, the classes and images. Call one with the findings."""


class NoFigure(UserError):
    """There is no figure of this name."""


def draw(name: str, findings: Findings) -> Figure:
    """Return a figure of a study.

    Args:
        name: A key of `FIGURES`, such as "forest".
        findings: The findings of the study.

    Raises:
        NoFigure: There is no figure of this name.
        FigureNotApplicable: The study has no data for the figure, such as no ablation.
    """
    return panel_of(name)(findings)


def panel_of(name: str) -> Panel:
    """Return the panel called `name`. Raises NoFigure if there is none."""
    if name not in FIGURES:
        raise NoFigure(unknown("figure", name, FIGURES))
    return FIGURES[name]


def applicable(findings: Findings) -> list[str]:
    """Return the names of the figures for which the study has data, in the order of `FIGURES`."""
    return [name for name, panel in FIGURES.items() if panel.applies(findings)]
