"""Single lines of text about a study's results: its best trial, its trials by status, its stages."""

from __future__ import annotations

from sweeps.evidence.ending import How, last_ending, unfinished_search
from sweeps.evidence.search.size import search_so_far
from sweeps.formatting import count, metric_format, status_name
from sweeps.storage.results import Results
from sweeps.trial.trial import Status


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
    return lines


def state_name(state: str) -> str:
    """Return the name of a state; whether a driver runs the trial at present is not known here."""
    return "unfinished" if state == Status.RUNNING else status_name(state)


def state(results: Results) -> str:
    """Return how the last run ended, such as "aborted in the stage search"; empty if it is complete or not known."""
    ending = last_ending(results)
    if ending is None or ending.how is How.COMPLETE:
        return ""
    return f"{ending.how.value} in the stage {ending.stage}" if ending.stage else ending.how.value
