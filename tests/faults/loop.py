"""Kill inline drivers at random moments, resume them and check the study, until enough kills have been made."""

from __future__ import annotations

import math
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeps.storage.runs import open_results
from tests.faults.audit import Audit, Tally
from tests.faults.fork_server import ForkedDriver, ForkServer
from tests.faults.kill_points import KillPoint
from tests.faults.paused import differences_from
from tests.faults.retraining import differences
from tests.faults.studies import FILES, SEARCHES, STUDY, WAYS, Saving, study_text

SPANS = (1 / 3, 1 / 3, 1 / 3, 1)  # fractions of an uninterrupted driver's time; a kill is uniform within one of them
REPORTS = 2  # kills of a driver that only has the report left, after which the study is finished without a kill
MOST_DRIVERS = 400  # per study; more mean that it makes no progress
_WORDS = ("run", "crash.yaml", "--runner", "inline", "--data-dir", "data")


class InlineStudy:
    """A study in its own folder, run by forked drivers."""

    def __init__(
        self, fork_server: ForkServer, folder: Path, seed: int, tally: Tally, saving: Saving = FILES, **settings: Any
    ) -> None:
        self.name = f"crash-{seed}"
        folder.mkdir(parents=True)
        baseline = {**settings.pop("baseline", STUDY["baseline"]), **saving.baseline}
        text = study_text(name=self.name, seed=seed, baseline=baseline, **saving.settings, **settings)
        (folder / "crash.yaml").write_text(text, encoding="utf-8")
        self.audit = Audit(folder, self.name, tally, repeats=saving.repeats)
        self._fork_server = fork_server

    def start(self, kill_point: KillPoint | None = None) -> ForkedDriver:
        """Start a driver that runs or resumes the study."""
        return self._fork_server.start(self.audit.folder, *_WORDS, kill_point=kill_point)

    def finish(self) -> None:
        """Run the study to its end and check it."""
        code = self.start().wait()
        assert code == 0, (code, self.audit.output())
        self.check_complete()

    def check_complete(self) -> None:
        """Check a completed study, and train all of its trials again for comparison."""
        self.audit.check_complete()
        with tempfile.TemporaryDirectory(prefix="data-") as data:
            results = open_results(self.audit.folder / "runs", self.name)
            mismatches = [*differences(results, "tests.toy", Path(data))]
            assert not mismatches, mismatches

    def check_unbroken(self) -> None:
        """Compare the search with that of a driver that nobody kills."""
        folder = self.audit.folder / "unbroken"
        folder.mkdir()
        shutil.copy(self.audit.folder / "crash.yaml", folder)
        driver = self._fork_server.start(folder, *_WORDS, "--stage", "search")
        assert driver.wait() == 0, (folder / "output.txt").read_text(encoding="utf-8")
        unbroken, results = (open_results(place / "runs", self.name) for place in (folder, self.audit.folder))
        others = differences_from(unbroken, results)
        assert not others, f"the search went another way than an unbroken one: {others}"


def uninterrupted_s(fork_server: ForkServer, folder: Path) -> float:
    """Return the seconds that an uninterrupted driver takes."""
    study = InlineStudy(fork_server, folder, 0, Tally())
    began = time.monotonic()
    code = study.start().wait()
    taken = time.monotonic() - began
    assert code == 0, study.audit.output()
    study.check_complete()
    return taken


def crash_loop(
    fork_server: ForkServer,
    folder: Path,
    kills: int,
    span_s: float,
    seed: int = 0,
    seconds: float = math.inf,
    report_progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Kill drivers until `kills` or `seconds` is reached.

    Each driver is killed within `span_s` seconds of its start, most of them within a third of that. When a study is
    complete, the next one begins, which saves its states in the next of the `WAYS` and decides as the next of the
    `SEARCHES`. The last study, and one that was killed `REPORTS` times with only its report left, are run to their end.
    Each must have searched as an unbroken driver does. A failed check is added to `broken` and its study's folder
    stays; other folders are deleted.
    """
    moments, tally, number, began = random.Random(seed), Tally(), 0, time.monotonic()
    while tally.kills < kills and time.monotonic() - began < seconds:
        number += 1
        saving = WAYS[number % len(WAYS)]
        place, settings = folder / f"{number:04d}", SEARCHES[number % len(SEARCHES)]
        study = InlineStudy(fork_server, place, seed * 1_000_000 + number, tally, saving, **settings)
        try:
            _kill_until_complete(study, kills, lambda: moments.uniform(0, span_s * moments.choice(SPANS)))
            study.check_unbroken()
            shutil.rmtree(study.audit.folder)
        except AssertionError as error:
            tally.broken.append(f"{study.audit.folder}: {error}")
        report_progress(tally)
    return tally


def _kill_until_complete(study: InlineStudy, kills: int, moment: Callable[[], float]) -> None:
    reports = 0
    for _ in range(MOST_DRIVERS):
        if study.audit.tally.kills >= kills or reports == REPORTS:
            study.finish()
            return
        code = study.start().kill_after(moment())
        if code == 0:
            study.check_complete()
            return
        assert code == -9, (code, study.audit.output())
        results = study.audit.check()
        reports += results is not None and bool(results.environment.get("complete"))
    raise AssertionError(f"the study did not complete within {MOST_DRIVERS} drivers")
