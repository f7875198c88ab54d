"""The result cache: which runs count as the same, and which are trained again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.inline import InlineRunner
from sweeps.storage.result_cache import FOLDER, ResultCache
from sweeps.storage.results import Results
from sweeps.study.stages import RunRequest, stages_of
from sweeps.trial.trial import Status
from sweeps.workload import load
from tests.sweeps.support import Events, acknowledged, run_inline, toy_study

GIVEN: dict[str, Any] = {
    "parameters": {},
    "run_cap": 0,
    "baseline": {"epochs": 2, "spread": 1.0},
    "ablation": {"baseline": "given", "components": {"handicap": {"handicap": 4.0}}, "seeds": 2},
}
WHOLE: dict[str, Any] = {
    "run_cap": 2,
    "baseline": {"epochs": 2, "spread": 1.0},
    "confirm": {"top": 2, "seeds": 2},
    "ablation": {"components": {"handicap": {"handicap": 4.0}}, "seeds": 2},
    "final": {"seeds": 2},
    "evaluate": ["shifted"],
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with the study "toy": two arms with two seeds."""
    folder = tmp_path_factory.mktemp("known")
    run_inline(toy_study(**GIVEN), folder)
    return folder


@pytest.fixture
def runs(known: Path, tmp_path: Path) -> Path:
    """A copy of that runs folder, which a test may change."""
    return Path(shutil.copytree(known, tmp_path / "runs"))


def sources(results: Results) -> list[str]:
    """Return the source of each run of the ablation."""
    return [trial.source for trial in results.stages["ablation"].trials]


def other(runs: Path, events: Events | None = None, *, cache: bool = True, **settings: Any) -> Results:
    """Run the study "other" in the same runs folder: as "toy", but with `settings`."""
    return run_inline(toy_study(**{**GIVEN, "name": "other", **settings}), runs, events, cache=cache).results


def test_study_of_equal_recipes_and_seeds_takes_every_run_of_every_stage(tmp_path: Path) -> None:
    first = run_inline(toy_study(**WHOLE), tmp_path, cache=True).results
    trained, opened = acknowledged(tmp_path), (tmp_path / "data" / "opened.txt").read_text()
    again = run_inline(toy_study(**{**WHOLE, "name": "again"}), tmp_path, cache=True).results
    assert acknowledged(tmp_path) == trained
    assert (tmp_path / "data" / "opened.txt").read_text() == opened
    assert [trial.source for trial in again.everything] == [
        f"toy/{trial.stage}/{trial.number}" for trial in first.everything
    ]
    figures = [(trial.value, trial.curve, trial.metrics, trial.seed) for trial in first.everything]
    assert [(trial.value, trial.curve, trial.metrics, trial.seed) for trial in again.everything] == figures


def test_taken_run_holds_no_device_and_has_every_row(runs: Path) -> None:
    events = Events()
    results = other(runs, events)
    assert sources(results) == [f"toy/ablation/{number}" for number in range(4)]
    for trial in results.stages["ablation"].trials:
        rows = results.rows(trial.number, "ablation")
        assert trial.seconds == sum(row["device_seconds"] for row in rows) == 0.0
        assert [(row["epoch"], row["val_accuracy"]) for row in rows] == list(trial.curve.items())
        assert all(row["train_loss"] > 0 for row in rows)
    assert [trial.source for trial in events.ended] == sources(results)


def test_cached_final_opens_no_test_set_and_counts_the_opening_as_the_other_studys(tmp_path: Path) -> None:
    settings = {**GIVEN, "final": {"seeds": 2, "arms": "all"}}
    run_inline(toy_study(**settings), tmp_path, cache=True)
    before = (tmp_path / ".openings.json").read_text()
    events = Events()
    results = other(tmp_path, events, final=settings["final"])
    assert all(trial.source for trial in results.stages["final"].trials)
    assert (tmp_path / ".openings.json").read_text() == before
    assert results.stages["final"].facts["openings"] == []
    assert results.stages["final"].facts["earlier_openings"] == 1
    assert events.notes == []


def test_run_that_was_taken_is_named_after_where_it_was_trained(runs: Path) -> None:
    other(runs)
    third = run_inline(toy_study(**{**GIVEN, "name": "third"}), runs, cache=True).results
    assert sources(third) == [f"toy/ablation/{number}" for number in range(4)]


def test_only_the_arms_of_another_recipe_are_trained(runs: Path) -> None:
    trained = len(acknowledged(runs))
    rule = {**GIVEN["ablation"], "components": {"handicap": {"handicap": 5.0}}}
    assert sources(other(runs, ablation=rule)) == ["toy/ablation/0", "", "toy/ablation/2", ""]
    assert len(acknowledged(runs)) - trained == 2 * 2


@pytest.mark.parametrize(
    "settings",
    [{"seed": 1}, {"baseline": {"epochs": 2, "spread": 1.0, "unused": 1}}, {"baseline": {"epochs": 3, "spread": 1.0}}],
)
def test_other_seed_or_recipe_is_another_run(runs: Path, settings: dict[str, Any]) -> None:
    assert sources(other(runs, **settings)) == [""] * 4


def test_cache_that_is_off_takes_nothing(runs: Path) -> None:
    trained = len(acknowledged(runs))
    assert sources(other(runs, cache=False)) == [""] * 4
    assert len(acknowledged(runs)) == 2 * trained


Change = Callable[[dict[str, Any]], None]
# What makes another run of the same recipe and seeds; the engine's own libraries do not.
CHANGES: list[tuple[str, Change, bool]] = [
    ("data", lambda facts: facts["data"].update(fingerprint="others"), False),
    ("code", lambda facts: facts["workload"].update(code_sha256="0" * 64), False),
    ("device", lambda facts: facts.update(device="cuda"), False),
    ("torch", lambda facts: facts["versions"].update(torch="0.1"), False),
    ("python", lambda facts: facts["versions"].update(python="3.0"), False),
    ("ray", lambda facts: facts["versions"].update(ray="0.1"), True),
    ("command", lambda facts: facts.update(command="sweep run otherwise"), True),
]


@pytest.mark.parametrize(("change", "taken"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_run_on_other_data_code_device_or_versions_is_trained_anew(runs: Path, change: Change, taken: bool) -> None:
    study = toy_study(**{**GIVEN, "name": "other"})
    prepared = settle(study, load(study.workload), runs / "data", {})
    facts = json.loads(json.dumps(prepared.environment))
    change(facts)
    request = RunRequest(stages_of(study))
    result = engine.run(replace(prepared, environment=facts), runs / "other", InlineRunner, Events(), request)
    assert [bool(source) for source in sources(result.results)] == [taken] * 4


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def point_elsewhere(runs: Path) -> None:
    """Let the entries point out of the runs folder, to records that would match."""
    shutil.move(runs / "toy", runs.parent / "toy")
    for entry in (runs / FOLDER).iterdir():
        entry.write_text(json.dumps({**json.loads(entry.read_text()), "study": "../toy"}))


def each(pattern: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a change of every file of the runs folder that matches."""

    def changed(runs: Path) -> None:
        paths = list(runs.glob(pattern))
        assert len(paths) == 4
        for path in paths:
            change(path)

    return changed


TRIALS = "toy/ablation/[0-9]*"
DAMAGES: dict[str, Callable[[Path], None]] = {
    "study deleted": lambda runs: shutil.rmtree(runs / "toy"),
    "record gone": each(f"{TRIALS}/record.json", Path.unlink),
    "record edited": each(f"{TRIALS}/record.json", lambda path: edit(path, '"value":', '"value":1')),
    "curve gone": each(f"{TRIALS}/curves.csv", Path.unlink),
    "curve torn": each(f"{TRIALS}/curves.csv", lambda path: path.write_text(path.read_text()[:-3])),
    "curve with one more epoch": each(f"{TRIALS}/curves.csv", lambda path: edit(path, "\n2,", "\n2,0.5,1.0,0.5\n3,")),
    "entry torn": each(f"{FOLDER}/*.json", lambda path: path.write_text(path.read_text()[:9])),
    "entry of another kind": each(f"{FOLDER}/*.json", lambda path: path.write_text("[]")),
    "entry of another run": each(f"{FOLDER}/*.json", lambda path: edit(path, '"number": ', '"number": 9')),
    "entry that leads out": point_elsewhere,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_run_whose_figures_cannot_be_relied_on_is_trained_anew(runs: Path, damage: Callable[[Path], None]) -> None:
    expected = other(Path(shutil.copytree(runs, runs.parent / "intact")), cache=False)
    damage(runs)
    results = other(runs)
    assert sources(results) == [""] * 4
    assert [trial.value for trial in results.stages["ablation"].trials] == [
        trial.value for trial in expected.stages["ablation"].trials
    ]


def test_run_that_did_not_complete_is_trained_anew(tmp_path: Path) -> None:
    settings = {**GIVEN, "baseline": {"epochs": 2, "fault": "nan"}}
    run_inline(toy_study(**settings), tmp_path, cache=True)
    results = other(tmp_path, baseline=settings["baseline"])
    assert sources(results) == [""] * 4
    assert {trial.status for trial in results.stages["ablation"].trials} == {Status.DIVERGED}


FACTS: Mapping[str, Any] = {"data": {"fingerprint": "toy"}, "workload": {"code_sha256": "1"}, "device": "cpu"}
KEY: Mapping[str, Any] = {"stage": "final", "settings": {"lr": 0.1}, "seed": 1, "split_seed": 2, "entries": ("test",)}


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "confirm"},
        {"settings": {"lr": 0.2}},
        {"seed": 2},
        {"split_seed": 1},
        {"seed": 2, "split_seed": 1},
        {"entries": ("test", "shifted")},
    ],
)
def test_key_tells_runs_apart_by_stage_recipe_seeds_and_sets(tmp_path: Path, change: Mapping[str, Any]) -> None:
    cache = ResultCache(tmp_path, FACTS)
    assert cache.key(**KEY) == cache.key(**KEY)
    assert cache.key(**KEY) != cache.key(**{**KEY, **change})


def test_key_is_that_of_before_where_the_code_has_the_hash_of_before(tmp_path: Path) -> None:
    code = {"name": "hill", "code_sha256": "1"}
    of_now = {**code, "code_version": 2, "folder_sha256": "1", "files": {"hill.py": "1"}}
    before, now = (ResultCache(tmp_path, {**FACTS, "workload": facts}).key(**KEY) for facts in (code, of_now))
    imported = ResultCache(tmp_path, {**FACTS, "workload": {**of_now, "code_sha256": "2"}}).key(**KEY)
    assert before == now != imported
