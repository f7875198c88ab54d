"""Figures with a line for each arm: every arm can be told from every other, however many there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report.data import ReportData
from sweeps.report.figures.arms.facets import draw_arms
from sweeps.report.figures.panel import Plot
from sweeps.report.figures.registry import FIGURES
from sweeps.report.figures.theme import ARM_MARKS
from sweeps.trial.arm import BASELINE

from .staged import SETS, arm_of, draws, findings_of, stage_of

FIGURES_OF_ARMS = ("mean_learning_curves", "labelled_sets")
LONG = "a rather long name of a component, such as a normalisation after every convolution"


def study(folder: Path, arms: int) -> Findings:
    """A study with an ablation and a test set of so many arms."""
    names = [BASELINE, LONG, *(f"part {number}" for number in range(arms - 2))]
    listed = [
        arm_of(name, **({"removed": (name,), "reference": BASELINE} if name != BASELINE else {})) for name in names
    ]
    rows = [(arm, draws(95.0 - place / 3, 3)) for place, arm in enumerate(listed)]
    stages = [stage_of("ablation", rows, design="leave_one_out"), stage_of("final", rows, sets=list(SETS), openings=[])]
    section = {"components": {name: {"model.x": name} for name in names[1:]}, "seeds": 3}
    return findings_of(folder, stages, ablation=section, confirm=None)


def plot_of(name: str, folder: Path, arms: int) -> Plot:
    plot = FIGURES[name].plot(ReportData(study(folder, arms)))
    assert plot is not None
    return plot


def looks(plot: Plot) -> list[tuple[Any, ...]]:
    """The colour, the symbol and the panel of each line."""
    lines = [trace for trace in plot.figure.data if trace.mode == "lines+markers"]
    return [(trace.marker.color, trace.marker.symbol, trace.xaxis) for trace in lines]


@pytest.mark.parametrize("name", FIGURES_OF_ARMS)
def test_as_many_arms_as_looks_share_a_figure_with_whole_names(name: str, tmp_path: Path) -> None:
    plot = plot_of(name, tmp_path, len(ARM_MARKS))
    assert len(set(looks(plot))) == len(ARM_MARKS)
    legend = [trace.name for trace in plot.figure.data if trace.showlegend is not False]
    assert any(line.replace("<br>", " ") == f"without {LONG}" for line in legend)
    assert "A panel" not in plot.caption


@pytest.mark.parametrize("name", FIGURES_OF_ARMS)
def test_more_arms_have_a_panel_each_beside_the_baseline(name: str, tmp_path: Path) -> None:
    plot = plot_of(name, tmp_path, len(ARM_MARKS) + 3)
    assert len(set(looks(plot))) == len(looks(plot)) == 2 * (len(ARM_MARKS) + 2)
    assert len({panel for *_, panel in looks(plot)}) == len(ARM_MARKS) + 2
    assert "A panel for each arm. Grey, in every panel: baseline." in plot.caption
    titles = [note.text.replace("<br>", " ") for note in plot.figure.layout.annotations]
    assert f"without {LONG}" in titles
    assert [title for title in titles if "without part" in title] == [
        f"without part {n}" for n in range(len(ARM_MARKS) + 1)
    ]


def test_panels_do_not_overlap_and_share_their_axes() -> None:
    arms = [f"arm {number}" for number in range(12)]
    layout = json.loads(draw_arms(arms, lambda *_: [], 400, {"title": {"text": "x"}}, {}).to_json())["layout"]
    places = {
        (*layout[f"xaxis{number}"]["domain"], *layout[f"yaxis{number}"]["domain"]) for number in ["", *range(2, 12)]
    }
    assert len(places) == 11
    assert all(0 <= left < right <= 1.000001 and -1e-9 <= low < high <= 1 for left, right, low, high in places)
    assert {layout[f"yaxis{number}"]["matches"] for number in range(2, 12)} == {"y"}
