"""Kill drivers of real training through Ray, and single processes of their Ray, at random moments."""

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
# Seven of ten kills are the driver's; the others take something away from it while it lives. By their command lines.
VICTIMS = {"worker": "ray::", "raylet": "raylet/raylet", "gcs_server": "gcs_server"}
TARGETS = (*[DRIVER] * 7, *VICTIMS)
LONGEST_S = 600.0  # a driver that has not ended by then hangs


@dataclass(frozen=True)
class Blow:
    """What became of a driver that a process was taken away from: the seconds to its end, and its exit code."""

    target: str
    seconds: float
    code: int
    traceback: bool
    last_line: str


@dataclass
class RayTally(Tally):
    """What the looks at all studies have counted, and how drivers took a loss."""

    drivers_killed: int = 0
    gone_s: list[float] = field(default_factory=list)  # until nothing was left of a killed driver
    blows: list[Blow] = field(default_factory=list)


def ray_loop(
    folder: Path,
    kills: int,
    span_s: float,
    seed: int = 0,
    seconds: float = math.inf,
    told: Callable[[RayTally], None] = lambda tally: None,
) -> RayTally:
    """Kill `kills` times or, if that is less, for so many `seconds`.

    One of four moments is drawn evenly from the first half of `span_s`, the seconds of an unbroken driver: Ray and the
    workers come up. The others are drawn from as many seconds after a trial has started. Studies follow each other as
    in `loop.crash_loop`, and what is not as promised is counted in the same way.
    """
    chance, tally, number, began = random.Random(seed), RayTally(), 0, time.monotonic()
    while tally.kills < kills and time.monotonic() - began < seconds:
        number += 1
        study = RayStudy(folder / f"{number:04d}", seed * 1_000_000 + number, tally)
        try:
            while not _struck(study, chance, span_s, spare=tally.kills >= kills):
                told(tally)
            shutil.rmtree(study.audit.folder)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            tally.broken.append(f"{study.audit.folder}: {error}")
        told(tally)
    return tally


def _struck(study: RayStudy, chance: random.Random, span_s: float, *, spare: bool) -> bool:
    """Start a driver, and strike it unless it is to be spared; whether the study is complete."""
    target, moment, early = chance.choice(TARGETS), chance.uniform(0, span_s / 2), chance.random() < 1 / 4
    with study.start() as driver:
        inside = 0
        if spare:
            driver.ended(LONGEST_S)
        elif early or driver.works():
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.ended(moment)
        else:
            driver.ended()
        if driver.process.poll() is None and target != DRIVER:
            inside = _take_away(study, driver, target, chance)
        killed = driver.process.poll() is None
        code = driver.kill() if killed else driver.ended()
        gone_s = driver.gone()
    tally = study.audit.tally
    assert isinstance(tally, RayTally)
    if killed:
        tally.drivers_killed += 1
        tally.gone_s.append(round(gone_s, 2))
    if code == 0:
        study.conclude(inside)
        return True
    assert killed or inside, f"the driver ended with {code}:\n{study.audit.said()}"
    study.audit.look(killed=killed, inside=inside)
    return False


def _take_away(study: RayStudy, driver: Driver, target: str, chance: random.Random) -> int:
    """Kill a process of the driver's Ray, and wait for the driver's end; how many were killed: none that is not up."""
    victims = driver.processes(VICTIMS[target])
    if not victims:
        return 0
    began, before = time.monotonic(), len(study.audit.said())
    with contextlib.suppress(psutil.NoSuchProcess):
        chance.choice(victims).kill()
    code = driver.ended(LONGEST_S)
    said = study.audit.said()[before:]
    study.audit.tracebacks = True
    last_line = ([line for line in said.splitlines() if line.strip()] or [""])[-1]
    blow = Blow(target, round(time.monotonic() - began, 1), code, "Traceback" in said, last_line[:200])
    tally = study.audit.tally
    assert isinstance(tally, RayTally)
    tally.blows.append(blow)
    return 1
