"""Drivers killed by force, at random and at the delicate moments: nothing acknowledged is lost, changed or made twice.

What is compared after every kill stands in `audit.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.aims import Aim
from tests.faults.audit import Tally
from tests.faults.loop import InlineStudy, crash_loop
from tests.faults.zygote import Zygote

pytestmark = pytest.mark.xdist_group("faults")  # one forking process for all

SPAN_S = 2.0  # of a driver's life, from which the moments are drawn: most fall into its training
SMALL: dict[str, Any] = {
    "run_cap": 3,
    "baseline": {"epochs": 2, "spread": 1.0, "saves": 2},
    "confirm": {"top": 1, "seeds": 2},
    "ablation": {"components": {"handicap": {"handicap": 4.0}}, "seeds": 2},
}
# Each driver of a group is killed at its point, and the next one goes on from there to the next point.
AIMS = {
    "the storage comes into being": [
        Aim("statement CREATE TABLE", 1),
        Aim("statement CREATE TABLE", 2),
        Aim("statement CREATE UNIQUE INDEX", 1),
        Aim("statement CREATE INDEX", 1),
        Aim("statement INSERT INTO version_info"),
        Aim("statement INSERT INTO alembic_version"),
        Aim("statement INSERT INTO studies"),
        Aim("file before study.yaml"),
        Aim("file after study.yaml"),
        Aim("file before environment.json"),
        Aim("file after environment.json"),
        Aim("file before lock.json"),
    ],
    "a trial is asked for": [
        Aim("call after optuna.study.Study.enqueue_trial"),
        Aim("call before optuna.trial.Trial.suggest_float"),
        Aim("call before optuna.trial.Trial.suggest_categorical"),
        Aim("file before recipe.yaml"),
        Aim("file after recipe.yaml"),
        Aim("call before optuna.trial.Trial.suggest_categorical", 2),
        Aim("statement INSERT INTO trial_user_attributes", 3),
    ],
    "an epoch is recorded": [
        Aim("file before curves.csv"),
        Aim("call after sweeps.artifacts.curves.CurveFile.append", 1),
        Aim("line", 1),
        Aim("call after sweeps.artifacts.curves.CurveFile.append", 2),
        Aim("folder before sealed", 1),
        Aim("folder after displaced", 1),
        Aim("folder after sealed", 1),
        Aim("folder before sealed", 2),
        Aim("folder after sealed", 2),
    ],
    "a trial ends": [
        Aim("call before optuna.study.Study.tell", 1),
        Aim("call before sweeps.artifacts.record.write_record", 1),
        Aim("file before record.json", 1),
        Aim("call after sweeps.artifacts.record.write_record", 1),
        Aim("call before optuna.study.Study.tell", 3),
        Aim("call before sweeps.artifacts.record.write_record", 3),
    ],
    "the test set is opened": [
        Aim("call before sweeps.storage.openings.Openings.record"),
        Aim("call after sweeps.storage.openings.Openings.record"),
        Aim("call before tests.faults.witnessed.toy.evaluate", 2),
        Aim("file before environment.json", 2),
        Aim("file before README.md"),
        Aim("file before index.html"),
    ],
    "the storage commits": [Aim("commit", call) for call in (2, 5, 9, 14, 20, 27, 35, 44, 54, 65)],
}


def test_drivers_killed_at_random_lose_and_repeat_nothing(tmp_path: Path, zygote: Zygote) -> None:
    tally = crash_loop(zygote, tmp_path, kills=40, span_s=SPAN_S)
    assert tally.kills == 40
    assert not tally.broken


@pytest.mark.parametrize("moment", AIMS)
def test_driver_killed_while(moment: str, tmp_path: Path, zygote: Zygote) -> None:
    study = InlineStudy(zygote, tmp_path / "study", 1, Tally(), **SMALL)
    for aim in AIMS[moment]:
        code = study.start(aim=aim).ended()
        assert code == -9, f"{aim} was not met: {code}\n{study.audit.said()}"
        study.audit.look()
    study.finish()
