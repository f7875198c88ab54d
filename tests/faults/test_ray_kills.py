"""Drivers of real training through Ray, killed by force."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.audit import Tally
from tests.faults.ray_study import RayStudy

pytestmark = pytest.mark.xdist_group("ray")  # one Ray at a time on a small machine


def test_driver_killed_in_search_and_ablation_loses_nothing_and_leaves_no_process(tmp_path: Path) -> None:
    study = RayStudy(tmp_path, 1, Tally())
    # When a first trial has ended and another one trains, in the ablation, and while a restart takes up what was left.
    for moment in ("after epoch", "ablation 1 complete", "ablation "):
        with study.start() as driver:
            driver.heard(moment)
            assert driver.kill() == -signal.SIGKILL
            driver.gone()
        results = study.audit.look()
        assert results is not None
    with study.start() as driver:
        assert driver.ended() == 0, study.audit.said()
        driver.gone()
    study.conclude()
    assert study.audit.tally.repeated_epochs <= 3 * 2
