"""An ablation that may be looked at after every pair: it trains until each comparison is decided."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweeps import evidence
from sweeps.evidence.findings import Findings
from sweeps.report.data import ReportData
from sweeps.report.sections import evidence_sections
from sweeps.report.tables.ablation import checks_table
from sweeps.report.tables.catalogue import ablation_tables
from sweeps.storage.results import Results
from tests.sweeps.support import Events, Interrupting, run_inline, toy_study

SEEDS = {"min": 4, "max": 6, "anytime": True}
BASE: dict[str, Any] = {"parameters": {}, "run_cap": 0, "baseline": {"epochs": 1, "spread": 1.0}}
PARTS: dict[str, Any] = {"handicap": {"handicap": 4.0}, "null": {"unused": 3}}


def study(**settings: Any) -> Any:
    """An anytime ablation of a part with a large effect and one without any."""
    return toy_study(**BASE, ablation={"baseline": "given", "components": PARTS, "seeds": SEEDS, **settings})


def seeds_of(results: Results) -> dict[str, int]:
    """The replicates of each arm."""
    return dict(Counter(trial.variant for trial in results.stages["ablation"].trials))


def test_decided_arm_stops_and_undecided_one_goes_on_to_the_most(tmp_path: Path) -> None:
    result = run_inline(study(), tmp_path)
    assert result.complete
    assert seeds_of(result.results) == {"baseline": 6, "handicap": 4, "null": 6}
    facts = result.results.stages["ablation"].facts
    assert facts["anytime"] == [4, 6]
    assert facts["wanted"] == {"baseline": 6, "handicap": 4, "null": 6}
    again = Events()
    run_inline(study(), tmp_path, again)
    assert again.ended == []
    findings = Findings.of(result.results)
    assert findings.ablation is not None
    large, none = findings.ablation.comparisons
    assert "lowered validation accuracy" in large.verdict
    assert "(anytime 95 % CI " in large.verdict
    assert ", n = 4 of at most 6 pairs, Holm p " in large.verdict
    assert "the interval includes 0" in none.verdict
    assert "anytime 95 % CI " in none.verdict
    assert "n = 6 of at most 6 pairs" in none.verdict
    checks = checks_table(findings.ablation.comparisons)
    assert list(checks["sign-flip p"]) == [None, None]
    low, high = large.simultaneous or (0.0, 0.0)
    assert large.paired is not None
    assert low < large.paired.low < large.paired.high < high
    data = ReportData(findings, [])
    assert any("anytime" in table.note for table in ablation_tables(data))
    sentences = next(evidence_sections(data, [])).sentences
    assert "Looks after every pair from 4 to at most 6 (anytime)." in sentences[0]
    assert sentences[0].endswith("Seeds so far: baseline 6, handicap 4, null 6; in all: 16 runs.")


def test_equivalence_within_the_margin_decides_too(tmp_path: Path) -> None:
    results = run_inline(study(margin=1.0), tmp_path).results
    assert seeds_of(results) == {"baseline": 4, "handicap": 4, "null": 4}
    ablation = evidence.ablation(results)
    assert ablation is not None
    assert "smaller than ±1" in ablation.comparisons[1].short


def test_interrupted_ablation_ends_as_the_uninterrupted_one(tmp_path: Path) -> None:
    whole = run_inline(study(), tmp_path / "whole").results
    with pytest.raises(KeyboardInterrupt):
        run_inline(study(), tmp_path / "parts", Interrupting(27))  # after the first look
    parts = run_inline(study(), tmp_path / "parts").results
    assert seeds_of(parts) == seeds_of(whole)
    assert evidence.ablation(parts) == evidence.ablation(whole)


def test_before_the_first_look_there_is_no_interval(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_inline(study(), tmp_path, Interrupting(21))  # seven runs: two whole pairs
    from sweeps.storage.runs import open_results

    ablation = evidence.ablation(open_results(tmp_path, "toy"))
    assert ablation is not None
    assert [one.short for one in ablation.comparisons] == ["2 pairs of runs so far"] * 2
    assert "2 pairs of runs so far; the anytime interval begins at 4 pairs" in ablation.comparisons[0].verdict
    assert ablation.comparisons[0].paired is None


def test_factorial_is_looked_at_effect_by_effect(tmp_path: Path) -> None:
    results = run_inline(study(design="factorial"), tmp_path).results
    assert set(seeds_of(results).values()) == {6}  # the null effects need all seeds of every arm
    ablation = evidence.ablation(results)
    assert ablation is not None
    assert "anytime 95 % CI" in ablation.effects[0].verdict
    assert "n = 6 of at most 6 seeds" in ablation.effects[0].verdict


def test_raised_maximum_goes_on_and_is_told(tmp_path: Path) -> None:
    run_inline(study(), tmp_path)
    results = run_inline(study(seeds={**SEEDS, "max": 7}), tmp_path).results
    assert seeds_of(results)["null"] == 7
    told = [sentence for sentence in Findings.of(results).caveats if "Changed after looking" in sentence]
    assert len(told) == 1
    assert "seeds.max 6 -> 7 on" in told[0]
    assert "the interval is that of the new plan and does not account for the look" in told[0]
