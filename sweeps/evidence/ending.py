"""How the last run of a study ended, and what keeps a study from being complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, INCUMBENT_RUNS, RACE, REPEATS, SEARCH
from sweeps.evidence.search.size import search_so_far
from sweeps.formatting import count, listed, status_name
from sweeps.io.errors import GO_ON
from sweeps.io.lock import holder
from sweeps.storage.results import ENDED, Results, StageResults
from sweeps.study.stages import fresh_runs, stage_of, stages_of
from sweeps.trial.trial import Status, Trial

NAMED = 3  # failed runs of a stage that a sentence names
KILLED = "its driver was killed, or the machine went down"


class How(StrEnum):
    """How a run of a study ended."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # all stages ran, but runs are missing
    ABORTED = "aborted"  # the study gave up, or a stage could not begin
    INTERRUPTED = "interrupted"  # by a signal
    OUT_OF_BUDGET = "out of budget"


@dataclass(frozen=True)
class Ending:
    """The record of how the last run of a study ended.

    Attributes:
        how: How it ended.
        why: Why, unless it is complete.
        stage: The stage under way, or the one that could not begin; empty if none was.
        at: When, as an ISO time in UTC.
    """

    how: How
    why: str = ""
    stage: str = ""
    at: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> Ending | None:
        """Return the ending in a study's provenance; None while it runs, after a kill, and in studies of 0.1.0."""
        content = environment.get(ENDED)
        return None if content is None else cls(**{**content, "how": How(content["how"])})

    def plain(self) -> dict[str, str]:
        """Return the ending as plain data for JSON."""
        return {**asdict(self), "how": self.how.value}


def last_ending(results: Results) -> Ending | None:
    """Return how the last run of a study ended; None while it runs, and where nothing is on record."""
    recorded = Ending.of(results.environment)
    if recorded is not None or ENDED not in results.environment:
        return recorded
    try:
        running = holder(results.folder) is not None
    except OSError:  # the folder cannot be written, so its lock cannot be tried
        running = True
    return None if running else Ending(How.INTERRUPTED, KILLED)


def ending_sentences(results: Results) -> list[str]:
    """Return how the last run of a study ended, why, which stages did not run, and what to do; empty if it is complete.

    Example: "Aborted in the search after 2 of 40 trials: 3 trials in a row failed, ...".
    """
    ending = last_ending(results)
    if ending is None or ending.how is How.COMPLETE:
        return []
    go_on = f"{GO_ON} with {count(results.paused, 'paused trial')}" if results.paused else GO_ON
    ways = {
        How.INCOMPLETE: "Mend the cause, then run the same command again: it runs what failed, with the same seeds.",
        How.ABORTED: f"Mend the cause, then {go_on}.",
        How.INTERRUPTED: f"{go_on.capitalize()}.",
        How.OUT_OF_BUDGET: f"Raise budget.gpu_hours, then {go_on}.",
    }
    name = ending.how.value.capitalize()
    where = f" {_place(results, ending.stage)}" if ending.stage and ending.how is not How.INCOMPLETE else ""
    sentences = [f"{name}{where}: {ending.why.rstrip('.')}."]
    if without := stages_without_runs(results):
        sentences.append(f"Not run: {listed(without)}.")
    if ending.how in (How.ABORTED, How.INCOMPLETE) and (way := after_a_search_in_vain(results)):
        sentences.append(f"{way[0].upper()}{way[1:]}.")
        if not _lost_replicates(results):
            return sentences
    return [*sentences, ways[ending.how]]


def _lost_replicates(results: Results) -> bool:
    """Whether a stage lacks runs that failed, which the same command runs again."""
    return any(clause for stage in stages_of(results.study) for clause in _lacking(results, stage.name))


def after_a_search_in_vain(results: Results) -> str:
    """Return what to do where all trials of the search have ended and none completed; empty otherwise.

    The same command runs nothing then: a trial that diverged is a result, and the search has had its `run_cap`.
    """
    if not results.trials or results.ranked() or not search_has_ended(results):
        return ""
    larger = "run_cap" if results.study.budget.trainings is None else "budget.trainings"
    more = "" if results.study.method == "grid" else f"raise {larger} for more trials, or "
    return f"no trial of the search runs again: mend the cause, then {more}start over with --fresh"


def unfinished_search(results: Results) -> bool:
    """Whether the last run ended inside the search, so that the best trial is the best of those made so far."""
    ending = last_ending(results)
    if ending is None or ending.how in (How.COMPLETE, How.INCOMPLETE) or ending.stage not in ("", SEARCH):
        return False
    return not search_has_ended(results)


def search_has_ended(results: Results) -> bool:
    """Return whether a search starts no more trials: it has had as many as it may have, or its budget is used.

    A search ends some way below `budget.trainings`, where one more trial would go over it. That it has is known from
    what came after it.
    """
    most = results.study.most_trials
    if most is not None and results.counted >= most:
        return True
    ending = last_ending(results)
    if results.study.budget.trainings is None or ending is None:
        return False
    ended_later = bool(results.stages) or ending.stage not in ("", SEARCH)
    return ended_later or ending.how in (How.COMPLETE, How.INCOMPLETE)


def stages_without_runs(results: Results) -> list[str]:
    """Return the stages of a study in which no run has ended or paused."""
    runs = [trial for trial in results.everything if trial.ended or trial.paused]
    begun = {stage_of(trial.stage) if trial.stage != SEARCH else SEARCH for trial in runs}
    return [stage.name for stage in stages_of(results.study) if stage.name not in begun]


def shortfalls(results: Results, stages: Sequence[str]) -> list[str]:
    """Return what keeps a study that has nothing left to run from being complete, a clause for each stage.

    Args:
        results: The results of the study.
        stages: The stages to look at.
    """
    return [*_search_shortfall(results, stages), *(clause for name in stages for clause in _lacking(results, name))]


def _search_shortfall(results: Results, stages: Sequence[str]) -> Iterator[str]:
    if SEARCH in stages and results.trials and not results.ranked():
        ends = [f"{number:,} {status_name(status)}" for status, number in results.states().items() if number]
        yield f"no trial of the search has completed ({listed(ends)})"


def _lacking(results: Results, name: str) -> Iterator[str]:
    """The runs that a stage lacks because they failed."""
    parts = {CONFIRM: (CONFIRM, INCUMBENT_RUNS), ABLATION: (RACE, ABLATION)}
    for part in parts.get(name, (name,)):
        stage = results.stages.get(part)
        if stage is None or part == SEARCH:
            continue
        runs = _needed(results, stage)
        lost = [run for run in runs if run.status.lost]
        if lost:
            all_lost = len(lost) == len(runs)
            which = f"no run of the stage {part} has finished" if all_lost else _part_lost(part, lost, runs)
            noun = "repeat" if part == REPEATS else "seed"
            shown = "; ".join(f"{run.variant}, {noun} {(run.replicate or 0) + 1}: {_why(run)}" for run in lost[:NAMED])
            more = f"; and {len(lost) - NAMED:,} more" if len(lost) > NAMED else ""
            yield f"{which} ({shown}{more})"


def _part_lost(part: str, lost: Sequence[Trial], runs: Sequence[Trial]) -> str:
    return f"the stage {part} lacks {len(lost):,} of {count(len(runs), 'run')}, which failed"


def _needed(results: Results, stage: StageResults) -> list[Trial]:
    """The latest attempts at the runs that a stage needs; arms of one recipe share their runs."""
    runs = {
        (arm.recipe, replicate): run
        for arm in stage.arms
        if arm.applicable
        for replicate, run in stage.replicates(arm).items()
        if replicate < _seeds(results, stage, arm.name)
    }
    return list(runs.values())


def _seeds(results: Results, stage: StageResults, arm: str) -> int:
    """Return the number of seeds that an arm of a stage needs, as far as it is known."""
    study = results.study
    if stage.name == CONFIRM and study.confirm is not None:
        return study.confirm.seeds
    if stage.name == INCUMBENT_RUNS:
        return fresh_runs(study, len(results.stages[CONFIRM].arms) if CONFIRM in results.stages else 0)
    if stage.name == FINAL and study.final is not None:
        return study.final.seeds
    if stage.name == RACE and study.ablation is not None:
        return study.ablation.min_seeds
    return int(stage.facts.get("wanted", {}).get(arm, 0))


def _why(run: Trial) -> str:
    return run.reason or status_name(run.status)


def _place(results: Results, name: str) -> str:
    """Where a run ended: "in the search after 2 of 40 trials", "before the first run of confirm"."""
    if name == SEARCH:
        return f"in the search after {search_so_far(results)}{_of_these(results)}"
    runs = [trial for trial in results.everything if trial.stage != SEARCH and stage_of(trial.stage) == name]
    failed = sum(run.status.lost for run in runs)
    ended = sum(run.ended and run.status is not Status.ABANDONED for run in runs) - failed
    if not ended and not failed:
        return f"before the first run of the stage {name}"
    return f"in the stage {name} after {count(ended, 'run')}{_failed(failed)}"


def _of_these(results: Results) -> str:
    """How many trials of the search are paused, and how many failed: " (7 of them paused) (and 3 that failed)"."""
    paused = f" ({results.paused:,} of them paused)" if results.paused else ""
    return f"{paused}{_failed(results.counts()[Status.FAILED])}"


def _failed(number: int) -> str:
    return f" (and {number:,} that failed)" if number else ""
