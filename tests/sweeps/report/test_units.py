"""A workload that says nothing of units is reported in plain numbers, with all of its metrics."""

from __future__ import annotations

import re

import pytest

from sweeps.cli.lines import best_line
from sweeps.evidence.findings import Findings
from sweeps.report import answer_sentences
from sweeps.report.data import ReportData
from sweeps.report.tables.catalogue import ablation_tables, best, data_frames
from sweeps.report.tables.tidy import trials_frame
from sweeps.storage.results import Results
from sweeps.study.document import from_text
from sweeps.validation.checks import accept
from tests.sweeps.support import run_inline, toy_text


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study of fractions, with a search and an ablation."""
    text = toy_text(
        workload="tests.sweeps.fractions",
        baseline={},
        parameters={"lr": {"values": [0.01, 0.02]}},
        method="grid",
        run_cap=2,
        ablation={"baseline": "given", "components": ["bonus"], "seeds": 3, "margin": 0.001},
    )
    return run_inline(accept(from_text(text, "s.yaml"))[0], tmp_path_factory.mktemp("fractions")).results


def test_fractions_have_neither_percent_nor_points(results: Results) -> None:
    data = ReportData(Findings.of(results))
    tables = [table.grid.markdown() for table in (*ablation_tables(data), best(data.findings))]
    text = "\n".join([*answer_sentences(results), best_line(results), *tables])
    assert "validation accuracy 0.9" in text
    assert "lowered validation accuracy by 0.01" in text
    without_coverages = text.replace("95 % CI", "").replace("| 90 % |", "|")
    assert re.search(r"\d (pp|%)", without_coverages) is None


def test_metrics_beside_the_studys_are_in_the_tables_with_their_digits(results: Results) -> None:
    data = ReportData(Findings.of(results))
    (others,) = [table for table in ablation_tables(data) if table.name == "others_validation"]
    row = r"\| baseline \| validation \| loss \| 0\.0001\d* \\\[0\.0001\d*, 0\.0001\d*\] \| 3 \|"
    assert re.search(row, others.grid.markdown())
    frames = data_frames(data)
    assert all(value == pytest.approx(1.2e-4, rel=0.5) for value in frames["trials"]["val_loss"])
    assert all(value == pytest.approx(1.2e-4, rel=0.5) for value in frames["replicates"]["val_loss"])
    assert trials_frame(data.findings)["val_loss"].notna().all()
