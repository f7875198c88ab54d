"""Run a study: settle where it runs, check that something fits its budget, reconcile, train, record."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from sweeps import site as sites
from sweeps.allowance import Allowance
from sweeps.cache import ResultCache
from sweeps.course import Course, Wish
from sweeps.drift import Drift
from sweeps.errors import UserError
from sweeps.files import write_atomic
from sweeps.gate import Gate, smallest
from sweeps.leg import Context, Observer
from sweeps.lock import driver_lock
from sweeps.recipe import BadRecipe
from sweeps.references import References, taught_by_the_same
from sweeps.results import SAME_DATA, Results
from sweeps.room import explained
from sweeps.runners.base import Runner
from sweeps.saved import STUDY_FILE
from sweeps.sharing import SHARING, settle_share, with_share
from sweeps.store import Store
from sweeps.study import Study, dump
from sweeps.trial import stream
from sweeps.workload import Site, Workload

DRAWS = 64  # random configurations tried before the smallest one is looked for


class Infeasible(UserError):
    """The constraints leave nothing to train."""


@dataclass(frozen=True)
class Finish:
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


@dataclass(frozen=True)
class Plan:
    """A study settled for this machine, before anything is written: as it was `written`, and as it will run.

    `notes` say how what was measured for it was found, a line each.
    """

    written: Study
    study: Study
    workload: Workload
    site: Site
    gate: Gate
    environment: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def settle(
    study: Study,
    workload: Workload,
    data_dir: Path,
    known: Mapping[str, Any],
    runs_dir: Path | None = None,
    *,
    measuring: bool = True,
) -> Plan:
    """Find device and data, and check the budget; `known` is the environment of an earlier run, empty at the first.

    `runs_dir` holds the studies whose models recipes may name; without it they are not looked for. What is settled for
    a study once stays as it is in `known`; without `measuring` it is not measured either. Raises Unavailable for
    missing data or models, Infeasible where nothing fits.
    """
    wanted = study.resources.gpu
    device = "cuda" if wanted != 0 and sites.gpu_count() else "cpu"
    share = min(1.0, study.resources.gpu_share) if device == "cuda" else 1.0
    place = Site(data_dir, device, runs_dir, tuple(study.evaluate), share, measuring)
    baseline = workload.schema.merge(study.settings(workload.schema), known.get("settled", {}))
    learned = References(workload, runs_dir).provenance(baseline) if runs_dir is not None else {}
    try:
        recipe = workload.schema.validate(baseline)
        prepared = workload.prepare(recipe, replace(place, measure=measuring and "settled" not in known))
    except (BadRecipe, ValueError) as error:
        raise Infeasible(f"the baseline cannot be trained on its data: {error}") from None
    settled = known.get("settled", dict(prepared.settings))
    gate = Gate(study, workload, settled)
    require_feasible(study, gate)
    machine = len(os.sched_getaffinity(0)), sites.gpu_count()
    sharing = settle_share(study, workload, workload.schema.validate(gate.baseline().settings), place, machine, known)
    notes = known.get("settled_notes", list(prepared.notes))
    same = taught_by_the_same(study, workload, runs_dir, prepared.provenance.get("fingerprint")) if runs_dir else []
    environment = {
        **sites.describe(),
        "workload": {"name": workload.name, "code_sha256": sites.code_hash(workload.target)},
        "device": device,
        "data": dict(prepared.provenance),
        "settled": settled,
        **({"settled_notes": notes} if notes else {}),
        **({SHARING: sharing} if sharing else {}),
        **({"references": learned} if learned else {}),
        **({SAME_DATA: same} if same else {}),
    }
    told = (*notes, *([sharing["note"]] if sharing else []))
    return Plan(study, with_share(study, environment), workload, place, gate, environment, told)


def run(
    plan: Plan,
    folder: Path,
    runner: Callable[[], Runner],
    observer: Observer,
    wish: Wish,
    cache: bool = True,
    accepted: Sequence[Drift] = (),
) -> Finish:
    """Run or continue the wanted stages of the study in `folder` to their end, or to a signal.

    `cache`: whether runs that the runs folder has already are taken from there. `accepted` is what differs from the
    study's last run and was accepted: every later run says so. Raises UserError where nothing of what is wanted can
    begin, Unwritable where the folder cannot be written.
    """
    with explained(folder), _locked(folder):
        file = folder / STUDY_FILE
        earlier = file.read_text(encoding="utf-8") if file.exists() else None
        store = Store.open(folder, plan.written)
        try:
            store.reconcile()
            if accepted:  # no run is half of one kind and half of another
                store.give_up_unfinished("begun before a change that was accepted")
            before = store.environment()
            environment = _provenance(before, plan.environment, accepted)
            store.write_environment(environment)
            store.stop_file.unlink(missing_ok=True)
            context = _context(plan, store, environment, observer, cache)
            finish = replace(_train(Course(context, wish, environment), store, runner), spent=context.allowance.spent)
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


def fingerprint(study: Study, wish: Wish) -> str:
    """What a run that came to its end had been asked for: a later one that asks for the same has nothing to do."""
    asked = [dump(study), *(stage.name for stage in wish.stages)]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def _context(plan: Plan, store: Store, environment: Mapping[str, Any], observer: Observer, cache: bool) -> Context:
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
        allowance=Allowance(plan.study, plan.site.device, store.results(), unfinished),
        observer=observer,
        drift=len(environment.get("drift", ())),
    )


def _train(course: Course, store: Store, runner: Callable[[], Runner]) -> Finish:
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
    return Finish(store.results(), received[0] if received else None, failure, course.exhausted, tuple(course.cut))


def require_feasible(study: Study, gate: Gate) -> None:
    """Raise Infeasible unless the baseline and some configuration of the space fit the constraints."""
    baseline = gate.baseline()
    if not baseline.accepted:
        raise Infeasible(f"the baseline does not fit: {baseline.reason}; change baseline or constraints")
    if not study.space.dimensions:
        return
    generator = random.Random(stream(study.seed, "feasible"))
    draws = [study.space.draw(generator) for _ in range(DRAWS)]
    weighed = [(sum(gate.assess(draw).violations.values()), index) for index, draw in enumerate(draws)]
    best = smallest(gate, study.space, draws[min(weighed)[1]])
    if not best.accepted:
        raise Infeasible(f"no configuration fits: the smallest one found has {best.reason}; widen parameters or limits")


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
def _signals(course: Course, runner: Runner, received: list[signal.Signals]) -> Iterator[None]:
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
