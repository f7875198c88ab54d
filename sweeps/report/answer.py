"""Put the answer of a study into sentences and headline figures."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.artifacts.layout import CONFIRM, INCUMBENT_RUNS
from sweeps.evidence.ending import unfinished_search
from sweeps.evidence.findings import Findings
from sweeps.evidence.procedure.tuning import GIVEN, tuned_by
from sweeps.evidence.search.size import search_so_far, trainings_so_far
from sweeps.formatting import MetricFormat, count, device_amount, device_time, listed, percent, status_name
from sweeps.report.conclusion.ranked import Answer, ranked_answer
from sweeps.report.tables.cost import Cost
from sweeps.storage.results import Results, StageResults
from sweeps.trial.trial import PAUSED, Status, Trial

TILED = (Status.COMPLETE, Status.PRUNED, Status.DIVERGED, Status.REJECTED, Status.FAILED)
UNDER_WAY = {Status.RUNNING: "still running", PAUSED: "paused"}


@dataclass(frozen=True)
class Tile:
    """A headline figure with its label and a remark."""

    label: str
    value: str
    note: str = ""


def answer(findings: Findings) -> list[str]:
    """Return the answer of the search: the best trial and how far to trust it, or why there is none."""
    ranked, words = findings.ranked, findings.metric_format
    if not ranked:
        return [_no_answer(findings.results)]
    sentences = [_best(findings.results, ranked[0], words)]
    baseline = findings.baseline_trial
    if baseline is not None and baseline.value is not None:
        sentences.append(_against_baseline(ranked[0], baseline, baseline.value, words, findings.results.counted))
    return sentences


def concluded(findings: Findings) -> Answer:
    """Return the answer of a study, its strongest finding as the headline."""
    results = findings.results
    return ranked_answer(findings, answer(findings) if results.trials or not results.stages else ())


def whole_answer(findings: Findings) -> list[str]:
    """Return the sentences of the answer of a study, the most important first."""
    return concluded(findings).sentences


def tiles(results: Results, cost: Cost) -> tuple[list[Tile], list[Tile]]:
    """Return the headline figures: how the trials of the search ended; then limits, runs per stage, cost and savings.

    Args:
        results: The results of the study.
        cost: The cost of the study.
    """
    counts = results.states()
    others = [state for state in counts if state not in TILED and counts[state]]
    note = "in the search" if results.stages else ""
    ended = [Tile(status_name(state), f"{counts[state]:,}", note) for state in (*TILED, *others)]
    return ended if results.trials or not results.stages else [], _spent(results, cost)


def _spent(results: Results, cost: Cost) -> list[Tile]:
    shown = [Tile(f"limit on {limit.quantity}", f"{limit.limit:,}") for limit in results.study.constraints]
    per = f"{device_amount(cost.per_finished)} per completed trial" if cost.per_finished is not None else ""
    shown += [_stage_tile(stage) for stage in results.stages.values() if stage.arms]
    if used := trainings_so_far(results):
        shown.append(Tile("size of the search", used, "in full trainings of the baseline"))
    shown.append(Tile(cost.title, device_amount(cost.total), per))
    if results.study.early_terminate is not None and results.trials and cost.epochs_saved is not None:
        share = f"{percent(cost.epochs_saved, cost.epochs_full or 0)} of {cost.epochs_full or 0:,}"
        shown.append(Tile("epochs saved by early termination", f"{cost.epochs_saved:,}", share))
    return shown


def _stage_tile(stage: StageResults) -> Tile:
    arms = sum(arm.applicable for arm in stage.arms)
    finished = sum(trial.ended for trial in stage.trials) - len(stage.repeated)  # a run and its repeat are one
    note = "for its figure, after the choice" if stage.name == INCUMBENT_RUNS else count(arms, "arm")
    return Tile(f"{stage.name} runs", f"{finished:,}", note)


def cost_sentences(cost: Cost) -> list[str]:
    """Return the cost of the study and what it saved, in sentences."""
    per = f", {device_amount(cost.per_finished)} per completed trial" if cost.per_finished is not None else ""
    return [
        f"{device_time(cost.total, cost.device)} in all{per}.",
        _epochs(cost),
        *_never_trained(cost),
        *_cached(cost),
    ]


def _epochs(cost: Cost) -> str:
    if cost.epochs_full is None or not cost.epochs_saved:
        return f"{count(cost.epochs, 'epoch')} trained."
    full, share = count(cost.epochs_full, "epoch"), percent(cost.epochs_saved, cost.epochs_full)
    time = f"about {device_time(cost.stopped_hours, cost.device)}"
    saved = f"early termination saved {cost.epochs_saved:,} ({share}), {time}"
    return f"{cost.epochs:,} of {full} trained: {saved} (estimate: at each pruned trial's own pace per epoch)."


def _never_trained(cost: Cost) -> list[str]:
    number = cost.never_trained
    saved = ""
    if cost.gate_hours:
        basis = f"estimate: by MACs, at the pace per epoch of {count(cost.gate_runs, 'completed run')}"
        saved = f": about {device_time(cost.gate_hours, cost.device)} saved ({basis})"
    return [f"{count(number, 'configuration')} rejected by the constraints before training{saved}."] if number else []


def _cached(cost: Cost) -> list[str]:
    return [f"{count(cost.cached, 'run')} taken from the result cache, not trained again."] if cost.cached else []


def _best(results: Results, best: Trial, words: MetricFormat) -> str:
    among = "the only trial" if results.begun == 1 else count(results.begun, "trial")
    counts = results.states()
    going = [f"{counts[state]:,} {words}" for state, words in UNDER_WAY.items() if counts[state]]
    start = f"Best so far ({', '.join(going)}) of" if going else "Best of"
    if unfinished_search(results):
        among = f"the first {search_so_far(results)}"
    extreme = "minimum" if words.goal == "minimize" else "maximum"
    trust = "a single run" if results.begun == 1 else f"a single run selected as a {extreme}, so optimistic"
    trust += ": its figure over fresh seeds is above" if _confirmed(results) else ": confirm it over seeds"
    when = f"after {count(best.epochs, 'epoch')}"
    if results.study.metric.at == "best":
        when = f"at the best of {count(best.epochs, 'epoch')} (itself a {extreme} over epochs)"
    return (
        f"{start} {among}: trial {best.number}, {words.label} {words.show(best.value)} {when}"
        f"{_costs(results, best)}, {trust}."
    )


def _confirmed(results: Results) -> bool:
    return CONFIRM in results.stages and bool(results.stages[CONFIRM].trials)


def _costs(results: Results, best: Trial) -> str:
    """The counts of the best trial: " with 76,202 parameters (budget 100,000) and 1,204,224 MACs"."""
    limits = {limit.quantity: limit.limit for limit in results.study.constraints}
    named = {"parameters": "parameters", "macs": "MACs"}
    texts = []
    for quantity, name in named.items():
        if quantity in best.cost and (quantity == "parameters" or quantity in limits):
            budget = f" (budget {limits[quantity]:,})" if quantity in limits else ""
            texts.append(f"{best.cost[quantity]:,} {name}{budget}")
    return f" with {listed(texts)}" if texts else ""


def _against_baseline(best: Trial, baseline: Trial, value: float, words: MetricFormat, trials: int) -> str:
    if best is baseline:
        return "This is the baseline: no trial did better."
    difference = words.difference((best.value or 0.0) - value)
    return (
        f"The baseline (trial {baseline.number}, {GIVEN}) reached {words.show(value)}: "
        f"the best ({tuned_by(trials)}) differs from it by {difference}, a difference between single runs, not a test."
    )


def _no_answer(results: Results) -> str:
    counts = {state: number for state, number in results.states().items() if number}
    if not counts:
        return "No answer yet: no trial has been started."
    ends = [f"{number:,} {status_name(state)}" for state, number in counts.items()]
    return f"No answer yet: none of {count(len(results.trials), 'trial')} has finished ({listed(ends)})."
