"""What an audit found, as whole studies: corrected equivalence, detectable differences, changes, collapses, ties."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import sweeps
from benchmarks.calibration.engine import cheap, finished
from benchmarks.calibration.scenarios import study
from benchmarks.recompute import statistics
from sweeps.evidence.comparison import Comparison
from sweeps.report.tables.ablation import checks_table

PARTS = "abcdefghij"


def ablation(components: int, **section: Any) -> dict[str, Any]:
    return {"ablation": {"baseline": "given", "components": list(PARTS[:components]), "seeds": 6, **section}}


def compared(results: sweeps.StudyResults) -> tuple[Comparison, ...]:
    evidence = results.findings.ablation
    assert evidence is not None
    return evidence.comparisons


def mean_of(one: Comparison) -> statistics.Mean:
    return statistics.mean_of([pair.value - pair.reference for pair in one.pairs])


@pytest.mark.parametrize(("seed", "singly", "together"), [(2, 5, 2), (7, 6, 6)])
def test_equivalence_of_six_components_is_claimed_by_holm_and_shows_its_interval(
    seed: int, singly: int, together: int
) -> None:
    with finished(study(ablation(6, margin=1.6)), seed) as results:
        comparisons = compared(results)
    single = [statistics.equivalence(mean_of(one), 1.6) for one in comparisons]
    claimed = [p < 0.05 for p in statistics.holm(single)]
    assert (sum(p < 0.05 for p in single), sum(claimed)) == (singly, together), "the case is another one"
    assert ["smaller than" in one.short for one in comparisons] == claimed
    for one, holds in zip(comparisons, claimed, strict=True):
        assert ("% CI of its Holm step" in one.verdict) is holds
        low, high = mean_of(one).interval()
        assert ("reaches beyond the margin" in one.verdict) is (holds and max(-low, high) > 1.6)


@pytest.mark.parametrize("components", [1, 2, 6, 10])
def test_detectable_difference_is_that_of_the_corrected_test(components: int) -> None:
    with finished(study(ablation(components, seeds=5)), 1) as results:
        comparisons = compared(results)
    shown = checks_table(comparisons)["detectable difference"]
    expected = [statistics.detectable(mean_of(one), components) for one in comparisons]
    assert list(shown) == pytest.approx(expected, rel=1e-5)


@contextmanager
def continued(folder: Path, settings: dict[str, Any], *changes: dict[str, Any]) -> Iterator[sweeps.StudyResults]:
    """Run a study, then again with each change of its ablation."""
    folders = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder}
    with cheap():
        for change in ({}, *changes):
            settings = {**settings, "ablation": {**settings["ablation"], **change}}
            outcome = sweeps.run(settings, **folders, runner="inline", quiet=True, cache=False)
            assert outcome.complete
        yield outcome.results


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seeds": 16}, "seeds 6 -> 16"),
        ({"margin": 3.0}, "margin 1 -> 3"),
        ({"components": ["a", "b", "c"]}, "c added"),
        ({"components": ["a"]}, "b removed"),
    ],
)
def test_changes_after_looking_are_told_with_what_had_been_seen(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    with continued(tmp_path, study(ablation(2, margin=1.0)), change) as results:
        sentences = [sentence for sentence in results.answer if "Changed after looking" in sentence]
    assert len(sentences) == 1
    assert told in sentences[0]
    assert "6 of 6 pairs" in sentences[0]


def test_study_that_is_run_again_unchanged_tells_no_change(tmp_path: Path) -> None:
    with continued(tmp_path, study(ablation(2)), {}) as results:
        assert not any("Changed after looking" in sentence for sentence in results.answer)


def test_collapsed_run_is_counted_and_voids_the_claim_of_equivalence() -> None:
    settings = study(ablation(2, margin=60.0), collapse=0.2)
    with finished(settings, 4) as results:
        a, b = compared(results)
    collapsed = sum(pair.value == 10.0 for pair in a.pairs)
    assert 0 < collapsed < 3, "the case needs one or two collapsed runs"
    assert a.collapsed == collapsed
    assert f"{collapsed} of its 6 runs collapsed" in a.verdict
    assert f"Without the {collapsed} pair" in a.verdict
    assert "smaller than" not in a.short
    assert "smaller than" in b.short
    assert "0 of 6 collapsed" in b.verdict
    assert "39 %" in b.verdict


@pytest.mark.parametrize("pairs", [2, 3])
def test_equal_differences_have_no_interval_of_one_point(pairs: int) -> None:
    with finished(study(ablation(1, seeds=pairs), (0.25,), own=0.0), 0) as results:
        (one,) = compared(results)
        row = results.ablation.iloc[0]
    assert {round(pair.value - pair.reference, 9) for pair in one.pairs} == {0.25}
    assert "0.25 to 0.25" not in one.verdict
    assert row.low != row.high
    assert "inconclusive" in one.verdict


def test_mean_of_two_runs_has_no_interval() -> None:
    with finished(study(ablation(1, seeds=2)), 0) as results:
        evidence = results.findings.ablation
        assert evidence is not None
        assert [level.mean for level in evidence.levels] == [None, None]
