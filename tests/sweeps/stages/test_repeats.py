"""Replicates that failed are run again by the same command, with the same seeds; until then the study is incomplete."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweeps import evidence
from sweeps.cli.lines import stage_lines
from sweeps.engine.execute import RunResult
from sweeps.evidence.caveats import caveats
from sweeps.evidence.ending import How, ending_sentences
from sweeps.storage.openings import Openings, SealedSet
from sweeps.trial.trial import Status
from sweeps.workload import Run
from tests.sweeps.support import Events, run_inline, toy_study


@dataclass(frozen=True)
class Recipe:
    """The recipe of a workload that fails as files in the data folder tell it to."""

    x: float = 0.5
    s: str = "a"
    epochs: int = 2


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Fail in a stage where the file `bad-STAGE` holds the value of `s`, the number of the run, or "any"."""
    bad = run.data_dir / f"bad-{run.folder.parent.name.split('-')[0]}"
    start = json.loads((run.restored / "state.json").read_text())["epoch"] if run.restored else 0
    for epoch in range(start, recipe.epochs):
        if bad.exists() and bad.read_text() in (recipe.s, "any", str(run.folder.name)):
            raise MemoryError("full") if (run.data_dir / "memory").exists() else OSError("disk went away")
        with (run.data_dir / "trained.txt").open("a") as file:
            file.write(f"{run.folder.parent.name} {run.folder.name}\n")
        yield {"loss": 1.0} if run.final else {"val_accuracy": 50 + recipe.x + run.seed % 1000 / 1000}
        with run.checkpoint() as folder:
            (folder / "state.json").write_text(json.dumps({"epoch": epoch + 1}))


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Fail where the file `unreadable` holds the number of the run (or "any")."""
    bad = run.data_dir / "unreadable"
    if bad.exists() and bad.read_text() in ("any", run.folder.name):
        raise FileNotFoundError("no test images")
    yield "test", {"accuracy": 40.0 + recipe.x}


STUDY: dict[str, Any] = {
    "workload": "tests.sweeps.stages.test_repeats",
    "baseline": {"epochs": 2},
    "parameters": {},
    "run_cap": 0,
}
ABLATION = {"baseline": "given", "components": {"x": {"x": 0.1}, "s": {"s": "b"}}, "seeds": 3}
FINAL = {"seeds": 2}


def go(folder: Path, events: Events | None = None, **settings: Any) -> RunResult:
    return run_inline(toy_study(**{**STUDY, **settings}), folder, events)


def fail(folder: Path, stage: str, which: str = "any") -> Path:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / stage).write_text(which)
    return folder / "data" / stage


def trained(folder: Path) -> list[str]:
    return (folder / "data" / "trained.txt").read_text().splitlines()


@pytest.mark.parametrize("kind", [Status.FAILED, Status.OUT_OF_MEMORY])
def test_failed_replicates_are_run_again_with_their_seeds_and_only_they(tmp_path: Path, kind: Status) -> None:
    bad = fail(tmp_path, "bad-ablation", "b")
    if kind is Status.OUT_OF_MEMORY:
        fail(tmp_path, "memory")
    first = go(tmp_path, ablation=ABLATION)
    lost = [trial for trial in first.results.stages["ablation"].trials if trial.status is kind]
    assert [trial.variant for trial in lost] == ["s"] * 3
    assert (first.complete, first.ending.how) == (False, How.INCOMPLETE)
    (clause,) = first.missing
    assert clause.startswith("the stage ablation lacks 3 of 9 runs, which failed (s, seed 1: ")
    bad.unlink()
    events = Events()
    second = go(tmp_path, events, ablation=ABLATION)
    assert second.complete
    stage = second.results.stages["ablation"]
    assert [(trial.number, trial.seed) for trial in events.ended] == [
        (9 + place, trial.seed) for place, trial in enumerate(lost)
    ]
    assert [trial.number for trial in stage.repeated] == [trial.number for trial in lost]
    assert stage.trials[:9] == first.results.stages["ablation"].trials  # nothing is deleted
    ablation = evidence.ablation(second.results)
    assert ablation is not None
    assert [(len(one.pairs), one.missing) for one in ablation.comparisons] == [(3, ()), (3, ())]
    assert caveats(second.results) == [
        "3 runs that failed were run again with the same seeds; 3 failed attempts stay on record among the outcomes."
    ]
    assert stage_lines(second.results) == ["ablation: 3 arms, 9 complete, 3 failed attempts run again"]
    assert not go(tmp_path, again := Events(), ablation=ABLATION).missing
    assert not again.ended


def test_broken_arm_is_tried_again_a_few_times_per_start_and_keeps_nothing_else_from_running(tmp_path: Path) -> None:
    fail(tmp_path, "bad-ablation", "b")
    settings = {"ablation": {**ABLATION, "seeds": 5}}
    go(tmp_path, **settings)
    events = Events()
    second = go(tmp_path, events, **settings, final=FINAL)
    assert [trial.variant for trial in events.ended] == ["s"] * 3 + ["baseline"] * 2  # the two of final
    assert events.notes == ["ablation: 3 runs of s in a row failed again; 2 more failed runs left for the next start"]
    assert (second.failure, second.complete) == ("", False)
    assert second.missing[0].startswith("the stage ablation lacks 5 of 15 runs, which failed")
    assert second.missing[0].endswith("; and 2 more)")


def test_failed_runs_of_confirm_are_run_again_and_count_in_its_mean(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "parameters": {"x": {"values": [0.1, 0.2]}},
        "run_cap": 2,
        "method": "grid",
        "confirm": {"top": 2, "seeds": 2},
    }
    bad = fail(tmp_path, "bad-confirm", "0002")
    assert go(tmp_path, **settings).missing == (
        "the stage confirm lacks 1 of 4 runs, which failed (trial 1, seed 2: OSError: disk went away)",
    )
    bad.unlink()
    confirmed = evidence.confirmation(go(tmp_path, **settings).results)
    assert confirmed is not None
    assert [len(level.values) for level in confirmed.levels] == [2, 2]


def test_failed_fresh_runs_of_the_incumbent_leave_the_study_incomplete_until_they_are_run_again(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "parameters": {"x": {"values": [0.1, 0.2]}},
        "run_cap": 2,
        "method": "grid",
        "confirm": {"top": 2, "seeds": 2},
    }
    bad = fail(tmp_path, "bad-incumbent", "0001")
    assert go(tmp_path, **settings).missing == (
        "the stage incumbent lacks 1 of 2 runs, which failed (trial 1, seed 2: OSError: disk went away)",
    )
    bad.unlink()
    second = go(tmp_path, events := Events(), **settings)
    assert second.complete
    assert [(trial.stage, trial.replicate) for trial in events.ended] == [("incumbent", 1)]
    confirmed = evidence.confirmation(second.results)
    assert confirmed is not None
    assert confirmed.fresh is not None
    assert len(confirmed.fresh.values) == 2


def test_failed_runs_of_the_race_for_a_path_are_run_again(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "parameters": {"x": {"values": [0.1, 5.0]}, "s": {"values": ["b", "a"]}},
        "baseline": {"epochs": 1, "x": 0.1, "s": "a"},
        "run_cap": 4,
        "method": "grid",
        "ablation": {"design": "path", "seeds": 2},
    }
    bad = fail(tmp_path, "bad-race", "0001")
    first = go(tmp_path, **settings)
    assert any(clause.startswith("the stage race lacks 1 of ") for clause in first.missing)
    bad.unlink()
    assert go(tmp_path, **settings).complete


def test_search_that_tunes_an_arm_again_and_gives_up_leaves_the_study_incomplete(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "parameters": {"x": {"min": 0.1, "max": 0.9}},
        "run_cap": 2,
        "ablation": {**ABLATION, "components": {"s": {"s": "b"}}, "retune": {"parameters": ["x"], "trials": 2}},
    }
    bad = fail(tmp_path, "bad-retune", "b")
    first = go(tmp_path, **settings)
    assert first.missing == (
        "tuning s again gave up: 3 trials in a row failed, the last one with: OSError: disk went away",
    )
    bad.unlink()
    assert go(tmp_path, **settings).complete


def test_failed_evaluation_is_repeated_with_the_saved_models_and_counts_as_one_opening(tmp_path: Path) -> None:
    bad = fail(tmp_path, "unreadable")
    first = go(tmp_path, final=FINAL)
    assert first.missing == (
        "no run of the stage final has finished (baseline, seed 1: FileNotFoundError: no test images; "
        "baseline, seed 2: FileNotFoundError: no test images)",
    )
    assert Openings(tmp_path).of(SealedSet("tests.sweeps.stages.test_repeats")) == []
    assert len(Openings(tmp_path).all()) == 1
    before = trained(tmp_path)
    bad.unlink()
    second = go(tmp_path, final=FINAL)
    assert second.complete
    assert trained(tmp_path) == before
    trials = second.results.stages["final"].trials
    assert [trial.status for trial in trials] == [Status.FAILED] * 2 + [Status.COMPLETE] * 2
    assert [trial.epochs for trial in trials] == [2] * 4
    assert [trial.seed for trial in trials[:2]] == [trial.seed for trial in trials[2:]]
    assert sum(trial.seconds for trial in trials[2:]) < sum(trial.seconds for trial in trials[:2])
    (opening,) = Openings(tmp_path).of(SealedSet("tests.sweeps.stages.test_repeats"))
    assert opening.runs == (2, 3)
    assert not go(tmp_path, events := Events(), final=FINAL).missing
    assert not events.ended


def test_evaluation_of_one_model_that_failed_is_repeated_without_consent(tmp_path: Path) -> None:
    bad = fail(tmp_path, "unreadable", "0001")
    first = go(tmp_path, final=FINAL)
    assert first.missing == (
        "the stage final lacks 1 of 2 runs, which failed (baseline, seed 2: FileNotFoundError: no test images)",
    )
    bad.unlink()
    second = go(tmp_path, final=FINAL)
    assert second.complete
    assert [opening.runs for opening in Openings(tmp_path).all()] == [(0, 1), (2,)]


def test_repeated_evaluation_that_a_kill_broke_off_goes_on_without_training(tmp_path: Path) -> None:
    bad = fail(tmp_path, "unreadable")
    go(tmp_path, final=FINAL)
    before = trained(tmp_path)
    bad.unlink()

    class Killed(Events):
        def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, Killed(), final=FINAL)
    assert go(tmp_path, final=FINAL).complete
    assert trained(tmp_path) == before


def test_failed_training_opens_no_test_set_and_is_repeated(tmp_path: Path) -> None:
    bad = fail(tmp_path, "bad-final")
    assert not go(tmp_path, final=FINAL).complete
    assert Openings(tmp_path).all() == []
    bad.unlink()
    assert go(tmp_path, final=FINAL).complete
    assert [opening.runs for opening in Openings(tmp_path).all()] == [(2, 3)]


def test_incomplete_study_says_so_in_its_answer_until_it_is_complete(tmp_path: Path) -> None:
    bad = fail(tmp_path, "bad-ablation", "0004")
    sentences = ending_sentences(go(tmp_path, ablation=ABLATION).results)
    assert sentences == [
        "Incomplete: the stage ablation lacks 1 of 9 runs, which failed (x, seed 2: OSError: disk went away).",
        "Mend the cause, then run the same command again: it runs what failed, with the same seeds.",
    ]
    bad.unlink()
    assert ending_sentences(go(tmp_path, ablation=ABLATION).results) == []
