"""A report computes each of its values once and reads each curve file once."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from sweeps.artifacts.curves import read_curves
from sweeps.evidence import ablation, confirmation, final
from sweeps.evidence.caveats import caveats
from sweeps.evidence.findings import Findings
from sweeps.evidence.selection import baseline_trial
from sweeps.report.figures import evidence_data, search_data
from sweeps.report.figures.base import hover_texts
from sweeps.report.tables.catalogue import best, cost_tables, provenance
from sweeps.report.tables.classes import classes_of
from sweeps.report.tables.cost import cost_of, stage_costs
from sweeps.report.tables.other_metrics import further_table
from sweeps.report.tables.outcomes import ends
from sweeps.report.write import write_report
from sweeps.storage.runs import open_results
from tests.sweeps.support import ROOT

STUDIES = ROOT / "tests" / "fixtures" / "studies_of_0_1_0" / "studies"
ONCE: tuple[Callable[..., Any], ...] = (
    *(ablation, confirmation, final, caveats, baseline_trial),
    *(cost_of, stage_costs, classes_of, ends, best, cost_tables, provenance, hover_texts),
    *(evidence_data.pairs, evidence_data.differences, evidence_data.path, evidence_data.mean_curves),
    *(search_data.groups, search_data.pareto_front, search_data.learning_curves, search_data.timeline),
)


@contextmanager
def calls() -> Iterator[tuple[Counter[CodeType], Counter[Path]]]:
    """Count the calls of every function, by whatever name it was imported, and the curve files that are read."""
    counts: Counter[CodeType] = Counter()
    files: Counter[Path] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counts[frame.f_code] += 1
            if frame.f_code is read_curves.__code__:
                files[frame.f_locals["path"]] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield counts, files
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("name", ["whole", "digits"])
def test_a_report_computes_each_value_once_and_reads_each_curve_file_once(name: str, tmp_path: Path) -> None:
    shutil.copytree(STUDIES, tmp_path / "studies")
    results = open_results(tmp_path / "studies", name)
    with calls() as (counts, files):
        write_report(Findings.of(results), (), tmp_path / "report")
    numbers = {function.__name__: counts[function.__code__] for function in ONCE}
    assert numbers == dict.fromkeys(numbers, 1)
    assert counts[further_table.__code__] == 2  # for the ablation and for final
    every = [results.trial_folder(trial.number, trial.stage) / "curves.csv" for trial in results.everything]
    assert sorted(files) == sorted(every)
    assert set(files.values()) == {1}
