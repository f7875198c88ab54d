"""Say what a study does not show, from what it did and did not do."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.artifacts.layout import CONFIRM
from sweeps.evidence.findings import Findings
from sweeps.formatting import count
from sweeps.recipe.keys import value_at
from sweeps.stats import share_bound

MANY_SEEDS = 20  # from here on few seeds are no limit worth a line
REMOVAL = "leave_one_out"


def limits(findings: Findings) -> list[str]:
    """Return a sentence for each thing that a reader could take from the study and that it does not show."""
    results = findings.results
    if not any(trial.ended for trial in results.everything):
        return []
    return [*_data(findings), *_search(findings), *_seeds(findings), *_ablation(findings), *_length(findings)]


def _data(findings: Findings) -> Iterator[str]:
    data = findings.results.environment.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    yield f"Other data: every run is on one data set{f' ({name})' if name else ''}."
    if findings.final is None or not findings.final.sets:
        yield "Unseen images: all figures are on validation data, by which recipes were chosen; no test set was opened."


def _search(findings: Findings) -> Iterator[str]:
    results = findings.results
    if not results.study.space.dimensions or not results.trials:
        return
    trials = count(results.counted, "trial")
    yield f"Settings that were not tried: the search had {trials}, all within the ranges of its space."
    yield "Another search: it ran once, with one seed; a second one may find another recipe."
    if CONFIRM not in results.stages:
        yield "The order of the trials: each is a single run, and the next run of the same recipe has another figure."


def _seeds(findings: Findings) -> Iterator[str]:
    levels = [*(findings.ablation.levels if findings.ablation else ())]
    levels += findings.confirmation.levels if findings.confirmation else ()
    runs = [len(level.values) for level in levels if level.values]
    if not runs or max(runs) >= MANY_SEEDS:
        return
    rate = 100 * share_bound(0, max(runs))
    seeds = count(max(runs), "seed") if min(runs) == max(runs) else f"{min(runs)} to {count(max(runs), 'seed')}"
    yield (
        f"Rare failures: with {seeds} per arm, a recipe of which no run failed may still fail in up to {rate:.0f} % "
        "of its runs."
    )


def _ablation(findings: Findings) -> Iterator[str]:
    ablation = findings.ablation
    if ablation is None:
        return
    if any(effect.aliases for effect in ablation.effects):
        yield "Effects apart: in a fraction of the factorial some effects share one estimate."
    if ablation.design == REMOVAL and len(ablation.comparisons) > 1:
        yield "Parts together: each was removed alone, so what two of them do together was not measured."
    if ablation.comparisons and not ablation.retuned and ablation.design == REMOVAL:
        yield "Tuned variants: the arms have the settings of their reference, not those that would suit them best."


def _length(findings: Findings) -> Iterator[str]:
    epochs = value_at(findings.results.study.baseline, "epochs")
    if isinstance(epochs, int) and "epochs" not in {one.key for one in findings.results.study.space.dimensions}:
        yield f"Other lengths of training: every run was planned for {count(epochs, 'epoch')}."
