"""The static pictures of a report, by the names of their files."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.evidence.findings import Findings
from sweeps.report.figures import evidence_data as contrasts
from sweeps.report.static import svg as picture

FILES = ("forest.svg", "pairs.svg", "path.svg")


@dataclass(frozen=True)
class Picture:
    """A picture, what it is called, and the section of the report that shows it."""

    svg: str
    title: str
    section: str


def pictures(findings: Findings) -> dict[str, Picture]:
    """The pictures that the findings have data for."""
    words, asked = findings.words, findings.results.study.ablation
    margin = asked.margin if asked else None
    drawn = {}
    if len(data := contrasts.differences(findings)):
        title = f"Differences in {words.label}, each with its 95 % and its simultaneous interval"
        drawn["forest.svg"] = Picture(picture.forest(data, words, margin, title), title, "ablation")
    if len(data := contrasts.path(findings)):
        title = f"The path from the baseline to the incumbent in {words.label}"
        drawn["path.svg"] = Picture(picture.waterfall(data, words, title), title, "ablation")
    if len(data := contrasts.pairs(findings)):
        title = f"{words.label.capitalize()} of each seed, from the reference to each arm"
        drawn["pairs.svg"] = Picture(picture.paired_seeds(data, words, title), title, "ablation")
    return drawn
