"""The figures of the ablation: the waterfall of a path, and the effects of a fraction."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest

from sweeps.evidence.findings import Findings
from sweeps.formatting import MetricFormat
from sweeps.report.data import ReportData
from sweeps.report.figures.evidence_data import waterfall_range
from sweeps.report.figures.panel import Plot
from sweeps.report.figures.registry import FIGURES
from sweeps.report.static import svg
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status

from .staged import arm_of, draws, factorial, findings_of, stage_of, stepped, without

ACCURACY = MetricFormat("validation accuracy", "%", "maximize")


def plot_of(name: str, findings: Findings) -> Plot:
    plot = FIGURES[name].plot(ReportData(findings))
    assert plot is not None
    return plot


def path_of(*steps: tuple[float, float]) -> pd.DataFrame:
    """The data of a path whose steps begin and end there, with an interval of ±4."""
    rows = [("lr", begin, end, end - begin, end - begin - 4, end - begin + 4) for begin, end in steps]
    return pd.DataFrame(rows, columns=["step", "from", "to", "difference", "low", "high"], dtype=object)


def test_a_path_has_bars_for_the_baseline_and_the_incumbent(tmp_path: Path) -> None:
    plot = plot_of("path", stepped(tmp_path))
    ends = plot.figure.data[0]
    assert [base + height for base, height in zip([ends.base] * 2, ends.y, strict=True)] == pytest.approx(
        [plot.data["from"].iloc[0], plot.data["to"].iloc[-1]]
    )
    assert plot.figure.layout.xaxis.ticktext[0] == BASELINE
    assert plot.figure.layout.xaxis.ticktext[-1] == "incumbent"
    assert list(ends.x) == [0, 4]


@pytest.mark.parametrize(("begin", "end"), [(37.0, 99.2), (1.0, 3.0), (99.0, 99.9)])
def test_a_path_of_accuracies_stays_within_0_and_100(begin: float, end: float) -> None:
    low, high = waterfall_range(path_of((begin, end)), ACCURACY)
    assert 0 <= low < begin
    assert end < high <= 100


def test_a_path_of_losses_has_room_for_its_whiskers() -> None:
    low, high = waterfall_range(path_of((2.0, -1.0)), MetricFormat("loss", "", "minimize"))
    assert low < 2.0 - 3.0 - 4
    assert high > 2.0 - 3.0 + 4


def test_a_path_without_intervals_has_a_range() -> None:
    rows = path_of((50.0, 60.0)).assign(low=None, high=None)
    assert waterfall_range(rows, ACCURACY) == (47.0, 61.5)


def test_the_picture_of_a_path_has_both_ends_and_no_shape_outside() -> None:
    text = svg.waterfall(path_of((37.0, 99.2)), ACCURACY, "path")
    assert ">37.00 %<" in text
    assert ">99.20 %<" in text
    heights = [float(line.attrib["y1"]) for line in ElementTree.fromstring(text) if line.tag.endswith("line")]
    assert all(0 <= height <= svg.HEIGHT for height in heights)


def fraction(folder: Path) -> Findings:
    """The half fraction d = abc of four components: ab = cd, ac = bd, ad = bc."""
    rows = []
    for index in range(8):
        lacks = [name for place, name in enumerate("abc") if index >> place & 1]
        lacks += ["d"] if len(lacks) % 2 else []
        facts = {"removed": tuple(lacks), "reference": BASELINE} if lacks else {}
        name = f"no {', '.join(lacks)}" if lacks else BASELINE
        rows.append((arm_of(name, **facts), draws(90.0 - 3 * ("a" in lacks) - index / 9)))
    section = {"components": {name: {"lr": 0.1} for name in "abcd"}, "seeds": 6, "design": "factorial"}
    stage = stage_of("ablation", rows, design="factorial")
    return findings_of(folder, [stage], ablation=section, confirm=None, final=None)


def test_every_cell_of_a_fraction_is_filled_and_says_with_what_it_is_aliased(tmp_path: Path) -> None:
    plot = plot_of("interactions", fraction(tmp_path))
    cells = {(row["row"], row["column"]): row for row in plot.data.to_dict("records")}
    assert len(cells) == 16
    assert cells["a", "b"]["aliased with"] == "c × d"
    assert cells["d", "c"]["aliased with"] == "a × b"
    assert abs(cells["a", "b"]["estimate"]) == abs(cells["c", "d"]["estimate"])
    assert cells["a", "a"]["aliased with"] is None
    heat_map = plot.figure.data[0]
    assert heat_map.text[0][1].endswith("aliased")
    assert "aliased with c × d" in heat_map.hovertext[0][1]
    assert heat_map.colorbar.title.text == "difference in validation accuracy (pp)"
    assert "Aliased:" in plot.caption


def test_a_whole_factorial_speaks_of_no_alias(tmp_path: Path) -> None:
    plot = plot_of("interactions", factorial(tmp_path))
    assert "lias" not in plot.caption
    assert plot.data["aliased with"].isna().all()


def test_a_pair_with_a_diverged_run_is_crossed_and_says_that_it_was_not_measured(tmp_path: Path) -> None:
    rows = [(arm_of(BASELINE), [90.0, 91.0, 92.0]), (without("relu"), [80.0, 81.0, Status.DIVERGED])]
    findings = findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")])
    plot = plot_of("paired_seeds", findings)
    assert plot.data["imputed"].tolist() == [None, None, "arm"]
    (lower,) = plot.figure.data
    assert list(lower.marker.symbol) == ["circle-open", "diamond", "circle"] * 2 + ["circle-open", "x-open", "circle"]
    assert "Crosses: runs that diverged" in plot.caption
    assert svg.paired_seeds(plot.data, ACCURACY, "pairs").count("×") == 1


def test_pairs_that_were_all_measured_speak_of_no_cross(tmp_path: Path) -> None:
    plot = plot_of("paired_seeds", stepped(tmp_path))
    assert "imputed" not in plot.data
    assert "Crosses" not in plot.caption
