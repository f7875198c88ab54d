"""Kill a driver at random moments, start it again, look at what is left; and again, study after study."""

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
from tests.faults.aims import Aim
from tests.faults.audit import Audit, Tally
from tests.faults.studies import study_text
from tests.faults.unbroken import differences
from tests.faults.zygote import Forked, Zygote

REACH = (1 / 3, 1 / 3, 1 / 3, 1)  # of an unbroken driver's time, from which a moment is drawn evenly
REPORTS = 2
MOST_DRIVERS = 400  # of one study, which would not come to its end otherwise


class InlineStudy:
    """A study in a folder of its own, run by forked drivers."""

    def __init__(self, zygote: Zygote, folder: Path, seed: int, tally: Tally, **settings: Any) -> None:
        self.name = f"crash-{seed}"
        folder.mkdir(parents=True)
        (folder / "crash.yaml").write_text(study_text(name=self.name, seed=seed, **settings), encoding="utf-8")
        self.audit = Audit(folder, self.name, tally)
        self._zygote = zygote

    def start(self, aim: Aim | None = None) -> Forked:
        """A driver that runs the study or goes on with it."""
        words = ("run", "crash.yaml", "--runner", "inline", "--data-dir", "data")
        return self._zygote.start(self.audit.folder, *words, aim=aim)

    def finish(self) -> None:
        """Bring the study to its end, and judge it."""
        code = self.start().ended()
        assert code == 0, (code, self.audit.said())
        self.conclude()

    def conclude(self) -> None:
        """Judge the study that a driver has brought to its end."""
        self.audit.conclude()
        with tempfile.TemporaryDirectory(prefix="data-") as data:
            results = open_results(self.audit.folder / "runs", self.name)
            found = [*differences(results, "tests.toy", Path(data))]
            assert not found, found


def unbroken_s(zygote: Zygote, folder: Path) -> float:
    """The seconds that a driver takes which nobody kills."""
    study = InlineStudy(zygote, folder, 0, Tally())
    began = time.monotonic()
    code = study.start().ended()
    taken = time.monotonic() - began
    assert code == 0, study.audit.said()
    study.conclude()
    return taken


def crash_loop(
    zygote: Zygote,
    folder: Path,
    kills: int,
    span_s: float,
    seed: int = 0,
    seconds: float = math.inf,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Kill drivers `kills` times or, if that is less, for so many `seconds`.

    Each is killed within `span_s` of its start, most of them within a third of that. When a study is complete, the next
    one begins; one of which only the report was left at `REPORTS` kills is brought to its end, and so is the last one.
    What is not as promised is counted as broken, and leaves its study's folder; the others are deleted.
    """
    moments, tally, number, began = random.Random(seed), Tally(), 0, time.monotonic()
    while tally.kills < kills and time.monotonic() - began < seconds:
        number += 1
        study = InlineStudy(zygote, folder / f"{number:04d}", seed * 1_000_000 + number, tally)
        try:
            _kill_until_complete(study, kills, lambda: moments.uniform(0, span_s * moments.choice(REACH)))
            shutil.rmtree(study.audit.folder)
        except AssertionError as error:
            tally.broken.append(f"{study.audit.folder}: {error}")
        told(tally)
    return tally


def _kill_until_complete(study: InlineStudy, kills: int, moment: Callable[[], float]) -> None:
    reports = 0
    for _ in range(MOST_DRIVERS):
        if study.audit.tally.kills >= kills or reports == REPORTS:
            study.finish()
            return
        code = study.start().killed_after(moment())
        if code == 0:
            study.conclude()
            return
        assert code == -9, (code, study.audit.said())
        left = study.audit.look()
        reports += left is not None and bool(left.environment.get("complete"))
    raise AssertionError(f"it did not come to its end within {MOST_DRIVERS} drivers")
