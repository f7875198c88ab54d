"""Drivers that train through Ray, killed with SIGKILL."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.audit import Tally
from tests.faults.driver import Driver
from tests.faults.ray_study import RayStudy
from tests.sweeps.support import acknowledged, toy_text

pytestmark = pytest.mark.xdist_group("ray")  # one Ray at a time on a small machine


def test_driver_killed_in_search_and_ablation_loses_nothing_and_leaves_no_process(tmp_path: Path) -> None:
    study = RayStudy(tmp_path, 2, Tally())
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
    assert study.audit.tally.repeated_epochs <= 3 * 2 * 2


@pytest.mark.parametrize("server", ["gcs_server", "raylet"])
def test_driver_that_loses_a_process_of_ray_ends_with_75_and_the_next_one_goes_on(tmp_path: Path, server: str) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(run_cap=2, baseline={"epochs": 2, "wait_for": "go"}))
    with Driver(tmp_path, "run", "toy.yaml", "--data-dir", "data", "--workers", "2") as driver:
        driver.wait_for_line("trial 1 starts")
        driver.processes(server)[0].kill()
        assert driver.wait() == 75
        driver.wait_for_all_processes()
    lines = (tmp_path / "output.txt").read_text().splitlines()  # nothing of Ray's own
    assert lines[-1] == (
        f"error: Ray's {server} has ended (killed, or out of host memory); nothing is lost; "
        "run the same command again to go on"
    )
    assert [line.partition(":")[0] for line in lines[:-1]] == ["search", "trial 0 starts", "trial 1 starts"]
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "go").touch()
    with Driver(tmp_path, "run", "toy.yaml", "--data-dir", "data", "--runner", "inline") as driver:
        assert driver.wait() == 0
    assert sorted(acknowledged(tmp_path)) == [(0, 1), (0, 2), (1, 1), (1, 2)]
