"""A snapshot equals the results of reading everything, and is None wherever that reading is needed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.storage.integrity import Damaged
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results, open_snapshot
from sweeps.storage.snapshot import snapshot
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import ASHA, Interrupting, run_inline, toy_study

STAGES = {
    "baseline": {"epochs": 4, "net": {"depth": 2}},
    "early_terminate": ASHA,
    "confirm": {"top": 1, "seeds": 2},
    "ablation": {"baseline": "given", "components": {"depth": {"net.depth": 1}}, "seeds": 3},
    "final": {"seeds": 2},
}


def seen(results: Results) -> Results:
    """Return `results` as a snapshot has them: of running trials only what shows whether they are paused."""
    return replace(
        results,
        trials=tuple(map(_seen, results.trials)),
        stages={name: replace(each, trials=tuple(map(_seen, each.trials))) for name, each in results.stages.items()},
    )


def _seen(trial: Trial) -> Trial:
    if trial.status is not Status.RUNNING:
        return trial
    named = {"variant": trial.variant, "replicate": trial.replicate, "recipe": trial.recipe}
    curve = trial.curve if trial.decisions else {}
    return Trial(trial.number, trial.stage, Status.RUNNING, {}, curve=curve, decisions=trial.decisions, **named)


@pytest.mark.parametrize("after", [0, 3, 11, 17, 40, 60, 1000])
def test_glance_sees_what_the_whole_reading_finds(tmp_path: Path, after: int) -> None:
    study = toy_study(**STAGES)
    with suppress(KeyboardInterrupt):
        run_inline(study, tmp_path, Interrupting(after))
    summary = snapshot(tmp_path / "toy", study)
    assert summary is not None
    assert summary == seen(open_results(tmp_path, "toy"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run_inline(toy_study(**STAGES), folder)
    return folder


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trial_values SET value = value + 1 WHERE trial_id = 1",
        "UPDATE trials SET state = 'FAIL' WHERE trial_id = 1",
        "DELETE FROM trials WHERE trial_id = 1",
        "DELETE FROM trials",
        "UPDATE studies SET study_name = 'other' WHERE study_name = 'ablation'",
        "UPDATE study_user_attributes SET value_json = '[]' WHERE key = 'arms'",
    ],
)
def test_damage_to_what_is_shown_is_refused(whole: Path, tmp_path: Path, damage: str) -> None:
    folder = _copied(whole, tmp_path)
    with closing(sqlite3.connect(folder / "toy" / "study.db")) as database, database:
        database.execute(damage)
    with pytest.raises(Damaged):
        open_snapshot(folder, "toy")


@pytest.mark.parametrize("change", ["edited", "torn", "gone"])
def test_record_that_proves_nothing_is_refused_or_read_from_the_storage(
    whole: Path, tmp_path: Path, change: str
) -> None:
    folder = _copied(whole, tmp_path)
    record = folder / "toy" / "trials" / "0000" / "record.json"
    if change == "gone":
        record.unlink()
        assert snapshot(folder / "toy", toy_study(**STAGES)) is None
        assert open_snapshot(folder, "toy").trials[0].number == 0
        return
    text = record.read_text()
    record.write_text(text[:-9] if change == "torn" else text.replace('"number":0', '"number":1'))
    with pytest.raises(Damaged):
        open_snapshot(folder, "toy")


def test_record_of_an_earlier_version_with_its_own_spacing_is_read(whole: Path, tmp_path: Path) -> None:
    folder = _copied(whole, tmp_path)
    record = folder / "toy" / "trials" / "0000" / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()), indent=1))
    assert snapshot(folder / "toy", toy_study(**STAGES)) is not None


def _copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))
