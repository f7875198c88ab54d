"""Drivers that are asked to stop at chosen points: each ends in good order with 75, and the next one goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.audit import Tally
from tests.faults.fork_server import ForkServer
from tests.faults.kill_points import KillPoint
from tests.faults.loop import InlineStudy
from tests.faults.test_kills import SMALL
from tests.sweeps.terminal import stopped_lines

pytestmark = pytest.mark.xdist_group("faults")  # one fork server for all

# In the order in which a study reaches them, so that each driver gets further than the one before.
POINTS = [
    ("call before sweeps.validation.loading.load_study", 1, signal.SIGTERM),
    ("call before sweeps.engine.launch.require_writable", 1, signal.SIGINT),
    ("call before sweeps.prepare.prepared.settle", 1, signal.SIGHUP),
    ("call before sweeps.io.lock.driver_lock", 1, signal.SIGUSR1),
    ("statement CREATE TABLE", 3, signal.SIGTERM),
    ("file before environment.json", 1, signal.SIGHUP),
    ("call before optuna.trial.Trial.suggest_float", 1, signal.SIGINT),
    ("call after sweeps.artifacts.curves.CurveFile.append", 1, signal.SIGUSR1),
    ("folder before sealed", 1, signal.SIGTERM),
    ("call before optuna.study.Study.tell", 1, signal.SIGHUP),
    ("call before sweeps.artifacts.record.write_record", 1, signal.SIGINT),
    ("commit", 9, signal.SIGTERM),
    ("call before sweeps.storage.openings.Openings.record", 1, signal.SIGUSR1),
    ("call before sweeps.report.save_report", 1, signal.SIGTERM),
    ("file before index.html", 1, signal.SIGINT),
    ("call before sweeps.cli.exit.show_best", 1, signal.SIGHUP),
]


def test_signal_at_any_point_ends_with_75_without_a_traceback_and_loses_nothing(
    tmp_path: Path, fork_server: ForkServer
) -> None:
    study = InlineStudy(fork_server, tmp_path / "study", 7, Tally(), **SMALL)
    for point, call, number in POINTS:
        code = study.start(KillPoint(point, call, number)).wait()
        assert code == 75, (point, code, study.audit.output())
        assert stopped_lines(number.name).search(study.audit.output())
        study.audit.check(killed=False)
    study.finish()
