"""Single lines of text about a study's results: its best trial, its trials by status, its stages."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, INCUMBENT_RUNS, RACE, REPEATS, RETUNE, SEARCH
from sweeps.evidence.ending import last_ending, unfinished_search
from sweeps.evidence.search.size import search_so_far
from sweeps.formatting import count, metric_format, status_name
from sweeps.io.lease import Holder
from sweeps.io.lock import HOLDER, holder
from sweeps.storage.results import Results
from sweeps.trial.trial import STATES, Status


def best_line(results: Results) -> str:
    """Return the best trial of the search so far: "Best of 4 trials: trial 2, validation accuracy 61.50 % after …"."""
    ranked, metric = results.ranked(), metric_format(results.study.metric, results.percentages)
    if not ranked:
        return f"No trial of {results.name} has finished: {tally(results)}."
    best = ranked[0]
    value = f"{metric.label} {metric.show(best.value)}"
    size = f", {best.cost['parameters']:,} parameters" if "parameters" in best.cost else ""
    trials = count(results.begun, "trial")
    if unfinished_search(results):
        trials = f"the first {search_so_far(results)}"
    moment = "at the best of" if results.study.metric.at == "best" else "after"
    return f"Best of {trials}: trial {best.number}, {value} {moment} {count(best.epochs, 'epoch')}{size} (one run)."


def tally(results: Results) -> str:
    """Return the number of search trials in each state: "2 paused, 3 complete, 2 pruned"."""
    counts = [f"{n} {state_name(state)}" for state, n in results.states().items() if n]
    return ", ".join(counts) or "no trial yet"


def stage_lines(results: Results) -> list[str]:
    """Return a line for each stage after the search that has begun: "ablation: 3 arms, 12 complete, 1 failed"."""
    lines = []
    for name, stage in results.stages.items():
        if not stage.arms:  # the small searches of a re-tuned ablation
            continue
        repeated = {trial.number for trial in stage.repeated}
        statuses = [trial.status for trial in stage.trials if trial.number not in repeated]
        again = f", {count(len(repeated), 'failed attempt')} run again" if repeated else ""
        counts = ", ".join(f"{n} {state_name(status)}" for status in Status if (n := statuses.count(status)))
        lines.append(
            f"{name}: {count(sum(arm.applicable for arm in stage.arms), 'arm')}, {counts or 'no run yet'}{again}"
        )
    return [*_retune_line(results), *lines]


def _retune_line(results: Results) -> list[str]:
    """A line for the small searches of a re-tuned ablation together: "retune: 2 arms, 10 complete"."""
    searches = [stage for name, stage in results.stages.items() if name.startswith(RETUNE)]
    states = [trial.state for stage in searches for trial in stage.trials]
    counts = ", ".join(f"{n} {state_name(each)}" for each in STATES if (n := states.count(each)))
    return [f"retune: {count(len(searches), 'arm')}, {counts or 'no trial yet'}"] if searches else []


def so_far(results: Results) -> str:
    """Return how far a study has come, in a clause: "9 of 10 trials (2 of them paused), confirm: 2 arms, …"."""
    paused = f" ({results.paused:,} of them paused)" if results.paused else ""
    searched = [f"{search_so_far(results)}{paused}"] if results.study.space.dimensions else []
    return ", ".join([*searched, *stage_lines(results)]) or "nothing has been trained yet"


def state_name(state: str) -> str:
    """Return the name of a state; whether a driver runs the trial at present is not known here."""
    return "unfinished" if state == Status.RUNNING else status_name(state)


def state(results: Results) -> str:
    """Return the state of a study: "running", or how its last run ended, such as "aborted"; "" where neither is known.

    A study of 0.1.0 has no record of its end.
    """
    if driver_of(results.folder):  # first: a driver that prepares the study has not yet replaced the ending on record
        return "running"
    ending = last_ending(results)
    return ending.how.value if ending is not None else ""


def stage_reached(results: Results) -> str:
    """Return the last stage of a study that has begun a trial, or that ended its last run; "" before the first one."""
    ending = last_ending(results)
    if ending is not None and ending.stage:
        return _stage_title(ending.stage)
    begun = {SEARCH: results.trials, **{name: stage.trials for name, stage in results.stages.items()}}
    titles = [_stage_title(name) for name, trials in begun.items() if trials]
    return max(titles, key=_ORDER.index, default="")


def age(results: Results, now: datetime) -> str:
    """Return how long ago a study was begun: "3 h"; "" where that is not on record."""
    try:
        seconds = (now - datetime.fromisoformat(results.environment["started"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def driver_of(folder: Path) -> dict[str, Any] | None:
    """Return the driver that runs the study in `folder` as plain data; None if none does."""
    try:
        return holder(folder)
    except OSError:  # a lock in a folder that may not be written cannot be tried: the file beside it must do
        named = Holder.read(folder / HOLDER)
        return named.plain() if named is not None and not named.gone() else None


def _stage_title(name: str) -> str:
    title = name.partition("-")[0]  # "retune-3f1c…" is "retune", whichever arm is tuned
    return {INCUMBENT_RUNS: CONFIRM, RACE: ABLATION}.get(title, title)


_ORDER = (SEARCH, CONFIRM, RETUNE.rstrip("-"), ABLATION, FINAL, REPEATS)
