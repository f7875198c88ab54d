"""Drivers that train through Ray, killed with SIGKILL."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.audit import Tally
from tests.faults.ray_study import RayStudy

pytestmark = pytest.mark.xdist_group("ray")  # one Ray at a time on a small machine


def test_driver_killed_in_search_and_ablation_loses_nothing_and_leaves_no_process(tmp_path: Path) -> None:
    study = RayStudy(tmp_path, 1, Tally())
    # After the first epoch, in the ablation, and while a driver resumes the ablation.
    for moment in ("after epoch", "ablation 1 complete", "ablation "):
        with study.start() as driver:
            driver.wait_for_line(moment)
            assert driver.kill() == -signal.SIGKILL
            driver.wait_for_all_processes()
        results = study.audit.check()
        assert results is not None
    with study.start() as driver:
        assert driver.wait() == 0, study.audit.output()
        driver.wait_for_all_processes()
    study.check_complete()
    assert study.audit.tally.repeated_epochs <= 3 * 2
