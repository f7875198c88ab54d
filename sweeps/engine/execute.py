"""Run a study: settle where it runs, check that something fits its budget, reconcile, train, record."""

from __future__ import annotations

import hashlib
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from sweeps.artifacts.layout import STUDY_FILE
from sweeps.io.disk import explained
from sweeps.io.errors import UserError
from sweeps.io.files import write_atomic
from sweeps.io.lock import driver_lock
from sweeps.prepare import environment as sites
from sweeps.prepare.prepared import PreparedStudy
from sweeps.runners.protocol import Runner
from sweeps.stages.budget import DeviceBudget
from sweeps.stages.context import Context, Observer
from sweeps.stages.schedule import RunRequest, StudyScheduler
from sweeps.storage.drift import Drift
from sweeps.storage.result_cache import ResultCache
from sweeps.storage.results import Results
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.study import Study, dump
from sweeps.workload.references import References


@dataclass(frozen=True)
class StudyOutcome:
    """How a run of a study ended: its results, the signal that ended it early, and why it gave up, if it did.

    `exhausted` names the stage at which the budget was spent; `cut` the stages that ended at their share of it.
    """

    results: Results
    signal: signal.Signals | None = None
    failure: str = ""
    exhausted: str = ""
    cut: tuple[str, ...] = ()
    spent: float = 0.0  # device-hours of the whole study

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.signal is None and not self.failure and not self.exhausted


def run(
    plan: PreparedStudy,
    folder: Path,
    runner: Callable[[], Runner],
    observer: Observer,
    wish: RunRequest,
    cache: bool = True,
    accepted: Sequence[Drift] = (),
) -> StudyOutcome:
    """Run or continue the wanted stages of the study in `folder` to their end, or to a signal.

    `cache`: whether runs that the runs folder has already are taken from there. `accepted` is what differs from the
    study's last run and was accepted: every later run says so. Raises UserError where nothing of what is wanted can
    begin, Unwritable where the folder cannot be written.
    """
    with explained(folder), _locked(folder):
        file = folder / STUDY_FILE
        earlier = file.read_text(encoding="utf-8") if file.exists() else None
        store = StudyStorage.open(folder, plan.written)
        try:
            store.reconcile()
            if accepted:  # no run is half of one kind and half of another
                store.give_up_unfinished("begun before a change that was accepted")
            before = store.environment()
            environment = _provenance(before, plan.environment, accepted)
            store.write_environment(environment)
            store.stop_file.unlink(missing_ok=True)
            context = _context(plan, store, environment, observer, cache)
            finish = replace(
                _train(StudyScheduler(context, wish, environment), store, runner), spent=context.allowance.spent
            )
            if finish.complete:
                store.write_environment({**environment, "complete": fingerprint(plan.written, wish)})
            return finish
        except UserError:
            if earlier is not None:  # what was refused is not what the study has become
                write_atomic(file, earlier)
            raise
        finally:
            store.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with driver_lock(folder):
        yield


def fingerprint(study: Study, wish: RunRequest) -> str:
    """What a run that came to its end had been asked for: a later one that asks for the same has nothing to do."""
    asked = [dump(study), *(stage.name for stage in wish.stages)]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def _context(
    plan: PreparedStudy, store: StudyStorage, environment: Mapping[str, Any], observer: Observer, cache: bool
) -> Context:
    ledgers = [store.search, *(store.ledger(stage) for stage in store.begun())]
    unfinished = {
        ledger.stage: sum(ledger.device_seconds(number) for number, _ in ledger.unfinished()) for ledger in ledgers
    }
    references = References(plan.workload, store.folder.parent)
    return Context(
        study=plan.study,
        workload=plan.workload,
        site=plan.site,
        gate=plan.gate,
        store=store,
        cache=ResultCache(store.folder.parent, environment, cache, references),
        references=references,
        allowance=DeviceBudget(plan.study, plan.site.device, store.results(), unfinished),
        observer=observer,
        drift=len(environment.get("drift", ())),
    )


def _train(course: StudyScheduler, store: StudyStorage, runner: Callable[[], Runner]) -> StudyOutcome:
    received: list[signal.Signals] = []
    done = course.done
    if course.refusal:  # nothing has been spent by this start
        raise course.refusal
    if not done and not course.failure:
        ready = runner()
        with _signals(course, ready, received):  # after Ray is up: it sets a handler of its own, which aborts
            ready.run(course)
    failure = course.failure
    if not (failure or received or course.exhausted or course.done):
        failure = "the runner ended before the study was done; run the same command again to go on"
    return StudyOutcome(
        store.results(), received[0] if received else None, failure, course.exhausted, tuple(course.cut)
    )


def _provenance(before: Mapping[str, Any], now: Mapping[str, Any], accepted: Sequence[Drift]) -> dict[str, Any]:
    moment = datetime.now(UTC).isoformat("T", "seconds")
    started = before.get("started", moment)
    commands = [*before.get("commands", []), {"at": moment, "command": now["command"]}]
    drift = list(before.get("drift", []))
    if accepted:
        drift.append({"at": moment, "changes": [each.plain() for each in accepted]})
    kept = {"id": before.get("id") or uuid.uuid4().hex, **({"drift": drift} if drift else {})}
    return {**now, **kept, "started": started, "updated": moment, "commands": commands}


@contextmanager
def _signals(course: StudyScheduler, runner: Runner, received: list[signal.Signals]) -> Iterator[None]:
    """The first signal asks the study to stop within its grace; a second one ends at once."""
    grace_s = sites.grace_s()

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number))
        course.interrupt(received[0].name, grace_s)
        runner.interrupt(grace_s)

    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, handle) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
