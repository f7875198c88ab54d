"""List the static pictures of a report by the names of their files."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.artifacts.layout import ABLATION
from sweeps.report.data import ReportData
from sweeps.report.static import svg

FILES = ("forest.svg", "pairs.svg", "path.svg")


@dataclass(frozen=True)
class Picture:
    """A picture as SVG, its title, and the section of the report that shows it."""

    svg: str
    title: str
    section: str


def pictures(data: ReportData) -> dict[str, Picture]:
    """Return the pictures for which the study has data, by the names of their files."""
    words, section = data.findings.metric_format, data.results.study.ablation
    margin = section.margin if section else None
    drawn = {}
    if len(data.differences):
        title = f"Differences in {words.label}, each with its 95 % and its simultaneous interval"
        drawn["forest.svg"] = Picture(svg.forest(data.differences, words, margin, title), title, ABLATION)
    if len(data.path):
        title = f"The path from the baseline to the incumbent in {words.label}"
        drawn["path.svg"] = Picture(svg.waterfall(data.path, words, title), title, ABLATION)
    if len(data.pairs):
        title = f"{words.label.capitalize()} of each seed, from the reference to each arm"
        drawn["pairs.svg"] = Picture(svg.paired_seeds(data.pairs, words, title), title, ABLATION)
    return drawn
