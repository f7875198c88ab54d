"""What a trial says of itself: whether it waits, and that its record keeps its decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.record import read_whole, write_record
from sweeps.trial.trial import Status, Trial


def trial(epochs: int, *decisions: dict[str, Any], status: Status = Status.RUNNING) -> Trial:
    return Trial(0, "search", status, {}, curve=dict.fromkeys(range(1, epochs + 1), 0.5), decisions=decisions)


@pytest.mark.parametrize(
    ("known", "paused"),
    [
        (trial(0), False),
        (trial(2), False),
        (trial(1, {"until": 2}), False),
        (trial(2, {"until": 2}), True),
        (trial(2, {"until": 2}, {"until": 4}), False),
        (trial(4, {"until": 2}, {"until": 4, "last": True}), False),  # killed before its end was recorded
        (trial(2, {"until": 2}, status=Status.PRUNED), False),
    ],
)
def test_a_running_trial_that_has_reached_its_last_until_is_paused(known: Trial, paused: bool) -> None:
    assert known.paused is paused


def test_record_keeps_the_decisions(tmp_path: Path) -> None:
    pruned = trial(2, {"order": 0, "until": 2, "predicted": [0.1, 0.2, 0.3]}, status=Status.PRUNED)
    write_record(tmp_path / "record.json", pruned)
    assert read_whole(tmp_path / "record.json") == pruned
