"""The GPU memory that a workload reports stands beside the other costs of a trial, and nowhere without a GPU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.evidence.findings import Findings
from sweeps.report.data import ReportData
from sweeps.report.tables.catalogue import best, data_frames
from sweeps.report.tables.tidy import trials_frame
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.study.document import from_text
from sweeps.study.study import parse
from sweeps.workload import GPU_MEMORY, Run
from tests.sweeps.support import run_inline


@dataclass(frozen=True)
class Large:
    """A recipe of a given width; `reports` says whether it reports its memory."""

    width: int = 1
    reports: bool = True
    epochs: int = 2


def train(recipe: Large, run: Run) -> Iterator[Mapping[str, float]]:
    """A workload of which width n takes 1000 * n MiB in its last epoch."""
    for epoch in range(1, recipe.epochs + 1):
        memory = {GPU_MEMORY: 500.25 * recipe.width * epoch} if recipe.reports else {}
        yield {"accuracy": float(recipe.width), **memory}


def results_of(folder: Path, **sections: Any) -> Results:
    settings = {
        "name": "memory",
        "question": "Which width fits?",
        "workload": "tests.sweeps.report.test_gpu_memory",
        "baseline": {"width": 1},
        "method": "grid",
        "metric": {"name": "accuracy", "goal": "maximize"},
        "parameters": {"width": {"values": [1, 2]}},
        **sections,
    }
    run_inline(parse(from_text(json.dumps(settings), "memory.yaml")), folder)
    return open_results(folder, "memory")


def test_peak_of_the_last_epoch_stands_once_beside_the_other_costs(tmp_path: Path) -> None:
    findings = Findings.of(results_of(tmp_path))
    table = best(findings)
    columns = list(table.frame.columns)
    assert columns[columns.index("seconds") + 1] == GPU_MEMORY
    assert list(table.frame[GPU_MEMORY]) == [2001.0, 1000.5]
    assert "| GPU memory (MiB) |" in table.grid.markdown()
    assert "| 2,001 |" in table.grid.markdown()
    for frame in (data_frames(ReportData(findings))["trials"], trials_frame(findings)):
        assert [name for name in frame.columns if "memory" in str(name)] == [GPU_MEMORY]


def test_search_may_minimise_it(tmp_path: Path) -> None:
    findings = Findings.of(results_of(tmp_path, metric={"name": GPU_MEMORY, "goal": "minimize"}))
    frame = best(findings).frame
    assert list(frame["width"]) == [1, 2]
    assert list(frame[GPU_MEMORY]) == [1000.5, 2001.0]


def test_no_column_without_a_gpu(tmp_path: Path) -> None:
    findings = Findings.of(results_of(tmp_path, baseline={"width": 1, "reports": False}))
    assert not [name for name in data_frames(ReportData(findings))["trials"].columns if "memory" in str(name)]
