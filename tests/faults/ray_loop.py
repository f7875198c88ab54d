"""Kill drivers that train through Ray, or single processes of their Ray, at random moments."""

from __future__ import annotations

import contextlib
import math
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.faults.audit import Tally
from tests.faults.driver import Driver
from tests.faults.ray_study import RayStudy

DRIVER = "driver"
# Seven of ten kills hit the driver, the others a process of its Ray, recognised by its command line.
VICTIMS = {"worker": "ray::", "raylet": "raylet/raylet", "gcs_server": "gcs_server"}
TARGETS = (*[DRIVER] * 7, *VICTIMS)
LONGEST_S = 600.0  # a driver that runs longer hangs


@dataclass(frozen=True)
class LostProcess:
    """How a driver ended after a process of its Ray was killed; `seconds` is the time from the kill to its end."""

    target: str
    seconds: float
    code: int
    traceback: bool
    last_line: str


@dataclass
class RayTally(Tally):
    """Counts over the checks of all studies, and how drivers ended after the loss of a process."""

    drivers_killed: int = 0
    gone_s: list[float] = field(default_factory=list)  # seconds until all processes of a killed driver had ended
    blows: list[LostProcess] = field(default_factory=list)


def ray_loop(
    folder: Path,
    kills: int,
    span_s: float,
    seed: int = 0,
    seconds: float = math.inf,
    report_progress: Callable[[RayTally], None] = lambda tally: None,
) -> RayTally:
    """Kill processes until `kills` or `seconds` is reached.

    One of four moments is uniform in the first half of `span_s`, the seconds of an uninterrupted driver: Ray and the
    workers start then. The others are uniform in as many seconds after a trial has started. Studies follow each other
    and failed checks are counted as in `loop.crash_loop`.
    """
    chance, tally, number, began = random.Random(seed), RayTally(), 0, time.monotonic()
    while tally.kills < kills and time.monotonic() - began < seconds:
        number += 1
        study = RayStudy(folder / f"{number:04d}", seed * 1_000_000 + number, tally)
        try:
            while not _kill_once(study, chance, span_s, spare=tally.kills >= kills):
                report_progress(tally)
            shutil.rmtree(study.audit.folder)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            tally.broken.append(f"{study.audit.folder}: {error}")
        report_progress(tally)
    return tally


def _kill_once(study: RayStudy, chance: random.Random, span_s: float, *, spare: bool) -> bool:
    """Start a driver and kill it or a process of its Ray, unless `spare`; return whether the study is complete."""
    target, moment, early = chance.choice(TARGETS), chance.uniform(0, span_s / 2), chance.random() < 1 / 4
    with study.start() as driver:
        other_kills = 0
        if spare:
            driver.wait(LONGEST_S)
        elif early or driver.wait_for_trial():
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(moment)
        else:
            driver.wait()
        if driver.process.poll() is None and target != DRIVER:
            other_kills = _kill_ray_process(study, driver, target, chance)
        killed = driver.process.poll() is None
        code = driver.kill() if killed else driver.wait()
        gone_s = driver.wait_for_all_processes()
    tally = study.audit.tally
    assert isinstance(tally, RayTally)
    if killed:
        tally.drivers_killed += 1
        tally.gone_s.append(round(gone_s, 2))
    if code == 0:
        study.check_complete(other_kills)
        return True
    assert killed or other_kills, f"the driver ended with {code}:\n{study.audit.output()}"
    study.audit.check(killed=killed, other_kills=other_kills)
    return False


def _kill_ray_process(study: RayStudy, driver: Driver, target: str, chance: random.Random) -> int:
    """Kill a process of the driver's Ray and wait for the driver's end; return 1, or 0 if no such process runs."""
    victims = driver.processes(VICTIMS[target])
    if not victims:
        return 0
    began, before = time.monotonic(), len(study.audit.output())
    with contextlib.suppress(psutil.NoSuchProcess):
        chance.choice(victims).kill()
    code = driver.wait(LONGEST_S)
    output = study.audit.output()[before:]
    study.audit.tracebacks = True
    last_line = ([line for line in output.splitlines() if line.strip()] or [""])[-1]
    lost_process = LostProcess(target, round(time.monotonic() - began, 1), code, "Traceback" in output, last_line[:200])
    tally = study.audit.tally
    assert isinstance(tally, RayTally)
    tally.blows.append(lost_process)
    return 1
