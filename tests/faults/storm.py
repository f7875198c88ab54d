"""Send drivers signals at random moments, and check after each that nothing was lost and the exit code is right."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.engine.signals import SAME_REQUEST_S
from tests.faults.audit import Audit, Tally
from tests.faults.driver import Driver
from tests.faults.loop import SPANS, InlineStudy
from tests.faults.ray_study import RayStudy
from tests.faults.studies import STUDY, WAYS, study_text

LONGEST_S = 600.0  # a driver that runs longer hangs
POLL_S = 0.01
PAUSE_S = 0.3  # a stopped driver sleeps for so long


@dataclass(frozen=True)
class Delivery:
    """How a driver is sent signals.

    Attributes:
        name: What the table calls it.
        numbers: The signals, sent without a pause.
        codes: The exit codes that are right besides 0, with which a driver ends that was done before or goes on.
        group: Whether they go to the whole process group.
        later: A signal that is sent `later_s` seconds after them.
        later_s: The seconds.
        closes_output: Whether the reader of the driver's output ends as well.
    """

    name: str
    numbers: tuple[signal.Signals, ...] = ()
    codes: frozenset[int] = frozenset()
    group: bool = False
    later: signal.Signals | None = None
    later_s: float = PAUSE_S
    closes_output: bool = False

    def to(self, driver: Driver) -> None:
        """Send the signals."""
        with suppress(ProcessLookupError):  # it has ended by itself
            for number in self.numbers:
                if self.group:
                    os.killpg(driver.process.pid, number)
                else:
                    driver.process.send_signal(number)
            if self.closes_output:
                driver.close_output()
            if self.later is not None:
                with suppress(subprocess.TimeoutExpired):
                    driver.process.wait(self.later_s)
                driver.process.send_signal(self.later)


def _ends(number: signal.Signals) -> Delivery:
    """A signal that Python leaves to the system, which ends the process at once."""
    return Delivery(number.name, (number,), frozenset({-number}))


INT, TERM, HUP, USR1 = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1
GRACEFUL = frozenset({75})
DELIVERIES = (
    *(Delivery(number.name, (number,), GRACEFUL) for number in (INT, TERM, HUP, USR1)),
    Delivery("SIGTERM to the process group", (TERM,), GRACEFUL, group=True),
    Delivery("SIGTERM twice at once", (TERM, TERM), GRACEFUL),
    Delivery("SIGTERM and SIGHUP at once", (TERM, HUP), GRACEFUL),
    Delivery("SIGINT, again later", (INT,), frozenset({75, 130}), later=INT, later_s=1.5 * SAME_REQUEST_S),
    Delivery("SIGSTOP, then SIGCONT", (signal.SIGSTOP,), later=signal.SIGCONT),
    Delivery("SIGPIPE, output closed", (signal.SIGPIPE,), closes_output=True),
    Delivery("SIGWINCH", (signal.SIGWINCH,)),
    *map(_ends, (signal.SIGALRM, signal.SIGUSR2, signal.SIGQUIT, signal.SIGKILL)),
)


@dataclass(frozen=True)
class Answer:
    """How a driver ended: the exit code, and the seconds from the first signal until nothing of it was left."""

    delivery: str
    code: int
    seconds: float


@dataclass
class StormTally(Tally):
    """Counts over the checks of all studies, and how each driver ended."""

    answers: list[Answer] = field(default_factory=list)
    handlers_s: list[float] = field(default_factory=list)  # from a driver's start until its handlers stood


class InlineProcessStudy(InlineStudy):
    """A study that drivers of their own run inline: each starts a new interpreter. The seed gives its way of saving."""

    def __init__(self, folder: Path, seed: int, tally: Tally, **settings: Any) -> None:
        self.name = f"storm-{seed}"
        folder.mkdir(parents=True)
        saving = WAYS[seed % len(WAYS)]
        baseline = {**settings.pop("baseline", STUDY["baseline"]), **saving.baseline}
        text = study_text(name=self.name, seed=seed, baseline=baseline, **saving.settings, **settings)
        (folder / "storm.yaml").write_text(text, encoding="utf-8")
        self.audit = Audit(folder, self.name, tally, repeats=saving.repeats)

    def start(self) -> Driver:  # type: ignore[override]
        """Start a driver that runs or resumes the study."""
        return Driver(self.audit.folder, "run", "storm.yaml", "--runner", "inline", "--data-dir", "data")


STUDIES: dict[str, Callable[[Path, int, Tally], InlineProcessStudy | RayStudy]] = {
    "inline": InlineProcessStudy,
    "ray": RayStudy,
}


def uninterrupted_s(runner: str, folder: Path) -> float:
    """Return the seconds that an uninterrupted driver takes."""
    study, began = STUDIES[runner](folder, 0, Tally()), time.monotonic()
    with study.start() as driver:
        assert driver.wait(LONGEST_S) == 0, study.audit.output()
        taken = time.monotonic() - began
    study.check_complete()
    return taken


def heed_signals() -> None:
    """Undo what a shell does to a job in the background, or `nohup` to any: the drivers would inherit deaf ears."""
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def storm(
    runner: str,
    folder: Path,
    signals: int,
    span_s: float,
    seed: int = 0,
    report_progress: Callable[[StormTally], None] = lambda tally: None,
) -> StormTally:
    """Send `signals` drivers a delivery each, in an order and at moments that `seed` gives.

    A moment counts from when the driver's handlers stand. It is uniform within `span_s` seconds or within a third of
    them. When a study is complete, the next one begins; the last one is run to its end. A failed check is added to
    `broken` and its study's folder stays; other folders are deleted.
    """
    chance, tally, number = random.Random(seed), StormTally(), 0
    order = [DELIVERIES[place % len(DELIVERIES)] for place in range(signals)]
    chance.shuffle(order)
    while order or not number:
        number += 1
        study = STUDIES[runner](folder / f"{number:04d}", seed * 1_000_000 + number, tally)
        try:
            while not _weather(study, order, lambda: chance.uniform(0, span_s * chance.choice(SPANS))):
                report_progress(tally)
            shutil.rmtree(study.audit.folder)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            tally.broken.append(f"{study.audit.folder}: {error}")
        report_progress(tally)
    return tally


def _weather(study: InlineProcessStudy | RayStudy, order: list[Delivery], moment: Callable[[], float]) -> bool:
    """Start a driver and make it the next delivery, if one is left; return whether the study is complete."""
    tally = study.audit.tally
    assert isinstance(tally, StormTally)
    delivery = order.pop() if order else None
    with study.start() as driver:
        if delivery is not None:
            tally.handlers_s.append(round(_wait_for_handlers(driver), 3))
            with suppress(subprocess.TimeoutExpired):
                driver.process.wait(moment())
        began = time.monotonic()
        if delivery is not None:
            delivery.to(driver)
        code = driver.wait(LONGEST_S)
        driver.wait_for_all_processes()
        seconds = round(time.monotonic() - began, 1)
    if delivery is not None:
        tally.answers.append(Answer(delivery.name, code, seconds))
    assert code in {0, *(delivery.codes if delivery else ())}, (delivery, code, study.audit.output())
    if code == 0:
        study.check_complete()
        return True
    study.audit.check(killed=code != 75)
    return False


def _wait_for_handlers(driver: Driver) -> float:
    """Wait until a driver handles signals, or has ended; return the seconds since this call."""
    began, bit = time.monotonic(), 1 << (USR1 - 1)
    while driver.process.poll() is None:
        status = Path(f"/proc/{driver.process.pid}/status").read_text(encoding="utf-8")
        if int(status.partition("SigCgt:")[2].split()[0], 16) & bit:
            break
        with suppress(subprocess.TimeoutExpired):  # nothing tells when a handler stands, only when the driver ends
            driver.process.wait(POLL_S)
    return time.monotonic() - began
