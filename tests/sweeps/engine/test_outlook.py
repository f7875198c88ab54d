"""The stages to come: their runs, and how long they will take at the pace of what has been trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.engine.outlook import Outlook, ahead_line, outlook_of, seconds_ahead
from sweeps.prepare.prepared import settle
from sweeps.study.stages import RunRequest, requested_stages
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load
from tests.sweeps.support import toy_study

STAGES = {
    "confirm": {"top": 2, "seeds": 3},
    "ablation": {"components": {"handicap": {"handicap": 1.0}}, "seeds": 6},
    "final": {"seeds": 3},
}
# Four epochs in 8 seconds.
TRAINED = [Trial(0, "search", Status.COMPLETE, {}, 61.5, {1: 1.0, 2: 2.0, 3: 3.0, 4: 61.5}, seconds=8.0)]


@pytest.fixture
def outlook(tmp_path: Path) -> Outlook:
    """The outlook of a study with all stages that trains one trial at once."""
    study = toy_study(**STAGES)
    prepared = settle(study, load("tests.toy"), tmp_path, {}, tmp_path)
    return outlook_of(prepared, RunRequest(requested_stages(study, None)), workers=1)


def test_stages_to_come_are_listed_with_their_runs(outlook: Outlook) -> None:
    assert ahead_line(outlook, "search", []) == "then confirm: 6 runs · ablation: 12 runs · final: 3 runs"
    assert ahead_line(outlook, "", []) == ahead_line(outlook, "search", [])
    assert ahead_line(outlook, "final", []) == ""


def test_time_follows_the_pace_of_the_trials(outlook: Outlook) -> None:
    assert outlook.pace(TRAINED) == 2.0
    assert "confirm: 6 runs, about 48 s · ablation: 12 runs, about 1 min 36 s" in ahead_line(outlook, "search", TRAINED)
    assert seconds_ahead(outlook, "search", TRAINED) == 2.0 * 4 * (6 + 12 + 3)
    assert seconds_ahead(replace(outlook, at_once=2), "ablation", TRAINED) == 2.0 * 4 * 2  # three runs in two rounds


def test_parts_of_a_stage_belong_to_it(outlook: Outlook) -> None:
    assert list(outlook.ahead("incumbent")) == ["ablation", "final"]
    assert list(outlook.ahead("race")) == ["final"]


def test_time_is_not_made_up_where_nothing_has_been_measured(outlook: Outlook) -> None:
    cached = [replace(TRAINED[0], source="other/trial 0")]
    assert seconds_ahead(outlook, "search", []) is seconds_ahead(outlook, "search", cached) is None
    assert seconds_ahead(replace(outlook, epoch_s=0.5), "search", []) == 0.5 * 4 * 21


def test_only_the_requested_stages_are_ahead(tmp_path: Path) -> None:
    study = toy_study(**STAGES)
    prepared = settle(study, load("tests.toy"), tmp_path, {}, tmp_path)
    assert not outlook_of(prepared, RunRequest(requested_stages(study, "search")), workers=1).stages
