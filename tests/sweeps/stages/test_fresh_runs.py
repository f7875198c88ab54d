"""Confirm runs the incumbent again once it is chosen, on seeds that had no part in the choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps import evidence
from sweeps.cli.lines import stage_lines
from sweeps.engine.provenance import fingerprint, is_complete
from sweeps.engine.repair import repair
from sweeps.evidence.findings import Findings
from sweeps.report.answer import whole_answer
from sweeps.stages.confirm.stage import Confirm
from sweeps.storage.results import Results
from sweeps.study.stages import RunRequest, fresh_runs, stage_of, stages_of
from tests.sweeps.support import Events, Interrupting, acknowledged, run_inline, toy_study

# Widths that are equal but for luck, so that the seeds decide.
SEARCHED: dict[str, Any] = {
    "method": "grid",
    "run_cap": 0,
    "baseline": {"epochs": 1, "lr": 0.1, "spread": 5.0},
    "parameters": {"unused": {"values": [1, 2]}},
    "confirm": {"top": 2, "seeds": 2},
}
PARTS = {"components": {"null": {"unused": 3}}, "seeds": 2}


def runs(results: Results, stage: str) -> list[tuple[str, int | None]]:
    return [(trial.variant, trial.replicate) for trial in results.stages[stage].trials]


def chosen(results: Results) -> str:
    confirmed = evidence.confirmation(results)
    assert confirmed is not None
    assert confirmed.chosen is not None
    return confirmed.chosen.arm.name


def test_incumbent_is_run_again_after_the_choice_on_seeds_of_its_own(tmp_path: Path) -> None:
    events = Events()
    result = run_inline(toy_study(**SEARCHED), tmp_path, events)
    results = result.results
    assert result.complete
    assert events.stages == [("search", 2), ("confirm", 4), ("incumbent", 2)]
    name = chosen(results)
    assert runs(results, "incumbent") == [(name, 0), (name, 1)]
    seeds = {trial.seed for stage in results.stages.values() for trial in stage.trials}
    assert len(seeds) == 2 + 2
    confirmed = evidence.confirmation(results)
    assert confirmed is not None
    assert confirmed.fresh is not None
    assert [*confirmed.fresh.values.values()] == [trial.value for trial in results.stages["incumbent"].trials]
    assert "from fresh runs, made after its choice" in whole_answer(Findings.of(results))[0]
    assert stage_lines(results)[1] == "incumbent: 1 arm, 2 complete"
    again = Events()
    assert run_inline(toy_study(**SEARCHED), tmp_path, again).complete
    assert not again.ended
    (tmp_path / "toy" / "study.db").unlink()
    repaired = repair(tmp_path, "toy")
    assert repaired is not None
    assert repaired.restored == {"search": 2, "confirm": 4, "incumbent": 2}
    assert run_inline(toy_study(**SEARCHED), tmp_path, again).complete
    assert not again.ended


@pytest.mark.parametrize(
    ("settings", "runs"),
    [
        ({}, 2),
        ({"confirm": {"top": 1, "seeds": 2}}, 0),  # nothing to choose from
        ({"ablation": {**PARTS, "baseline": "best"}}, 0),  # whose baseline runs are fresh runs of the incumbent
        ({"ablation": {**PARTS, "baseline": "given"}}, 2),
        ({"ablation": {"design": "path", "seeds": 2}}, 2),  # it starts at the given baseline
    ],
)
def test_runs_are_made_where_no_others_would_serve(settings: dict[str, Any], runs: int) -> None:
    study = toy_study(**{**SEARCHED, **settings})
    assert study.confirm is not None
    assert fresh_runs(study, study.confirm.top) == runs
    assert stage_of("incumbent") == "confirm"  # whose budget they have


def test_study_with_an_ablation_of_the_incumbent_makes_none(tmp_path: Path) -> None:
    results = run_inline(toy_study(**SEARCHED, ablation={**PARTS, "components": {"lr": {"lr": 0.2}}}), tmp_path).results
    assert list(results.stages) == ["confirm", "ablation"]
    confirmed, ablation = evidence.confirmation(results), evidence.ablation(results)
    assert confirmed is not None
    assert ablation is not None
    assert confirmed.fresh == ablation.levels[0]


def test_more_seeds_keep_the_runs_and_another_incumbent_gets_its_own(tmp_path: Path) -> None:
    made: list[tuple[str, int | None]] = []
    for seeds, name in ((3, "trial 1"), (4, "trial 1"), (5, "trial 0")):  # the fifth seed overturns the choice
        settings = {**SEARCHED, "seed": 2, "confirm": {"top": 2, "seeds": seeds}}
        result = run_inline(toy_study(**settings), tmp_path)
        assert result.complete
        assert chosen(result.results) == name
        stage = result.results.stages["incumbent"]
        assert [arm.name for arm in stage.arms] == [name]
        made += [(name, replicate) for replicate in range(seeds) if (name, replicate) not in made]
        assert runs(result.results, "incumbent") == made
        confirmed = evidence.confirmation(result.results)
        assert confirmed is not None
        assert confirmed.fresh is not None
        assert len(confirmed.fresh.values) == seeds


def test_study_broken_off_again_and_again_makes_the_same_runs(tmp_path: Path) -> None:
    whole = run_inline(toy_study(**SEARCHED), tmp_path / "whole").results
    broken_off = 0
    while True:
        try:
            parts = run_inline(toy_study(**SEARCHED), tmp_path / "parts", Interrupting(5)).results
            break
        except KeyboardInterrupt:
            broken_off += 1
    assert broken_off > 2
    for name, stage in whole.stages.items():
        made = [(trial.variant, trial.seed, trial.value) for trial in parts.stages[name].trials]
        assert made == [(trial.variant, trial.seed, trial.value) for trial in stage.trials]
    assert len(acknowledged(tmp_path / "parts")) - len(acknowledged(tmp_path / "whole")) <= broken_off


def test_study_that_had_confirmed_before_such_runs_stays_complete_until_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = toy_study(**SEARCHED)
    with monkeypatch.context() as before:
        before.setattr(Confirm, "_settle_fresh_runs", lambda stage: None)
        old = run_inline(study, tmp_path)
    assert list(old.results.stages) == ["confirm"]
    request = RunRequest(stages_of(study))
    environment = {**old.results.environment, "complete": fingerprint(study, request)}
    assert is_complete(Results(study, old.results.trials, environment, tmp_path, old.results.stages), study, request)
    events = Events()
    assert run_inline(study, tmp_path, events).complete
    assert not events.ended
    (answer,) = [text for text in whole_answer(Findings.of(old.results)) if text.startswith("The incumbent is")]
    assert "the best of 2, and so optimistic; raise confirm.seeds for runs that have no part in the choice" in answer
    grown = run_inline(toy_study(**{**SEARCHED, "confirm": {"top": 2, "seeds": 3}}), tmp_path)
    assert grown.complete
    assert [trial.replicate for trial in grown.results.stages["incumbent"].trials] == [0, 1, 2]
