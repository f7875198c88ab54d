"""Return the results of a study as tidy data frames: one observation per row, one variable per column.

Unlike the tables of a report, these frames have typed columns and short names, to compute with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sweeps.evidence import Comparison, Effect
from sweeps.evidence.equivalence import Equivalence
from sweeps.evidence.findings import Findings
from sweeps.recipe.keys import value_at
from sweeps.report.tables.ablation import change, effect_name, means
from sweeps.report.tables.frames import (
    labelled_figures,
    last_value,
    setting_cell,
    setting_column,
    setting_keys,
    with_last_epochs,
)
from sweeps.storage.results import Results
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Trial

# The columns of a trial's facts, with the dtypes that keep empty cells.
FACTS = {
    "stage": "object",
    "trial": "int64",
    "status": "object",
    "arm": "object",
    "replicate": "Int64",
    "seed": "int64",
    "value": "float64",
    "last_value": "float64",
    "epochs": "int64",
    "seconds": "float64",
    "started": "datetime64[ns, UTC]",
    "finished": "datetime64[ns, UTC]",
    "reason": "object",
    "source": "object",
}
CURVE_FACTS = {"stage": "object", "trial": "int64", "arm": "object", "replicate": "Int64", "epoch": "int64"}
ABLATION = {
    **dict.fromkeys(("arm", "kind", "change", "reference"), "object"),
    "pairs": "int64",
    **dict.fromkeys(("reference_mean", "arm_mean", "estimate", "low", "high"), "float64"),
    **dict.fromkeys(("simultaneous_low", "simultaneous_high", "p", "p_holm", "sign_flip_p_holm"), "float64"),
    **dict.fromkeys(("detectable", "equivalence_p", "equivalence_p_holm"), "float64"),
    **dict.fromkeys(("equivalence_low", "equivalence_high", "equivalence_coverage"), "float64"),
    **dict.fromkeys(("diverged", "collapsed"), "Int64"),
    **dict.fromkeys(("verdict", "sentence"), "object"),
}


def trials_frame(findings: Findings) -> pd.DataFrame:
    """Return one row per trial of every stage, in the order of stages and numbers.

    Returns:
        The columns are, in this order:

        - stage, trial: Together they name the trial, as in the other frames.
        - status, reason: How it ended, and why if it did not complete; "paused" or "running" if it has not.
        - arm, replicate, seed: The arm and its replicate (from 0); empty in the search.
        - value: The metric of a completed trial; empty otherwise. In the stage final it is that of the test set.
        - last_value: The same, or the last metric that another trial recorded, which is after fewer epochs.
        - epochs, seconds: The epochs trained, and the time that it held its device.
        - started, finished: UTC.
        - source: The run (study/stage/number) from which the result cache took it.
        - one per searched setting, by dotted key. A run of an arm has the settings of the arm. Lists are JSON text. A
          key that is also the name of another column is marked "(setting)".
        - one per count of the workload, such as parameters and macs.
        - one per labelled set and metric of the stage final, such as test.accuracy.
        - one per metric beside the study's, as of the last epoch. One with the name of another column is marked
          "(metric)".
    """
    results, trials = findings.results, findings.results.everything
    # A re-tuned arm may have settings that the search does not.
    keys = list(dict.fromkeys([*setting_keys(results), *(key for trial in trials for key in trial.parameters)]))
    costs = list(dict.fromkeys(name for trial in trials for name in trial.cost))
    measured = list(dict.fromkeys(name for trial in trials for name in labelled_figures(trial)))
    settings = [setting_column(key, {*FACTS, *costs, *measured}) for key in keys]
    # By recipe: a run of an earlier incumbent has the name of an arm whose recipe has changed since.
    arms = {arm.recipe: arm for stage in results.stages.values() for arm in stage.arms}
    rows = [
        (
            *_facts(trial),
            *(setting_cell(_setting(trial, arms.get(trial.recipe), key)) for key in keys),
            *(trial.cost.get(name) for name in costs),
            *map(labelled_figures(trial).get, measured),
        )
        for trial in trials
    ]
    frame = _typed(rows, FACTS, (*settings, *costs, *measured), dict.fromkeys(costs, "Int64"))
    return with_last_epochs(frame, trials, findings.last_epochs).infer_objects()


def curves_frame(findings: Findings) -> pd.DataFrame:
    """Return one row per trial and epoch of every stage, with everything that the workload recorded.

    Returns:
        The columns stage, trial (the number), arm, replicate and epoch (from 1), then device_seconds and one per metric
        in the trials' `curves.csv`. A trial without that file has the study's metric alone. That metric is NaN in the
        epoch in which a trial diverged.
    """
    results = findings.results
    rows = [
        {**row, "stage": trial.stage, "trial": trial.number, "arm": trial.variant or None, "replicate": trial.replicate}
        for trial in results.everything
        for row in _curve(results, trial)
    ]
    metrics = list(dict.fromkeys(name for row in rows for name in row if name not in CURVE_FACTS))
    columns = [*CURVE_FACTS, *(metrics or [results.study.metric.name])]
    return _typed([[row.get(name) for name in columns] for row in rows], CURVE_FACTS, columns[len(CURVE_FACTS) :])


def ablation_frame(findings: Findings) -> pd.DataFrame:
    """Return the ablation: one row per arm or, for a factorial, per effect. Empty before the ablation has begun.

    Returns:
        The columns are, in this order:

        - arm: The arm, or the components of an effect: "relu × norm".
        - kind: "comparison", "re-tuned comparison", "main effect", "interaction" or "not applicable".
        - change, reference: How the arm differs, and the arm with which it is compared.
        - pairs: The number of pairs of runs; for an effect, of seeds.
        - reference_mean, arm_mean: The means over the runs in the pairs.
        - estimate, low, high: The difference (arm minus reference) or effect, with its 95 % interval.
        - simultaneous_low, simultaneous_high: The interval adjusted over the table (Bonferroni).
        - p, p_holm, sign_flip_p_holm: The p of the paired t test, the same adjusted over the table (Holm), and the
          adjusted p of the sign-flip test.
        - detectable: The difference found with 80 % power by the corrected test.
        - equivalence_p, equivalence_p_holm: The p of the test against the margin, and the same adjusted (Holm).
        - equivalence_low, equivalence_high, equivalence_coverage: The interval of its Holm step, and its coverage. It
          is empty where diverged or collapsed runs void the claim.
        - diverged, collapsed: The numbers of such runs of the arm.
        - verdict, sentence: The result in a few words and as a sentence; the reason of an arm that is not applicable.
    """
    ablation = findings.ablation
    if ablation is None:
        return _typed([], ABLATION)
    rows = [
        *map(_effect_row, ablation.effects),
        *(_comparison_row(one, "comparison", ablation.design) for one in ablation.comparisons),
        *(_comparison_row(one, "re-tuned comparison", ablation.design) for one in ablation.retuned),
        *(_not_applicable_row(arm, ablation.design) for arm in ablation.not_applicable),
    ]
    return _typed(rows, ABLATION)


def _typed(
    rows: Sequence[Sequence[Any]],
    facts: Mapping[str, str],
    others: Sequence[str] = (),
    dtypes: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A frame whose columns `facts` have these dtypes; those of the others are inferred unless named in `dtypes`."""
    columns = pd.Index([*facts, *others], dtype=object)
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    return frame.astype({**facts, **(dtypes or {})}).infer_objects()


def _facts(trial: Trial) -> tuple[Any, ...]:
    return (
        *(trial.stage, trial.number, trial.state, trial.variant or None, trial.replicate, trial.seed),
        *(trial.value, last_value(trial), trial.epochs, trial.seconds, trial.started, trial.finished),
        *(trial.reason or None, trial.source or None),
    )


def _setting(trial: Trial, arm: Arm | None, key: str) -> Any:
    """A searched setting of a trial: its own or, for a run of an arm, that of the arm's recipe."""
    if key in trial.parameters or arm is None:
        return trial.parameters.get(key)
    return value_at(arm.settings, key)


def _curve(results: Results, trial: Trial) -> list[dict[str, float]]:
    """The recorded rows of a trial; the metric of an epoch in which it diverged is NaN, not the chance level."""
    metric = results.study.metric.name
    rows = results.rows(trial.number, trial.stage)
    rows = rows or [{"epoch": epoch, metric: value} for epoch, value in sorted(trial.curve.items())]
    if not trial.imputed:
        return rows
    last = max(trial.curve)
    return [{**row, metric: math.nan} if row["epoch"] == last else row for row in rows]


def _comparison_row(one: Comparison, kind: str, design: str) -> tuple[Any, ...]:
    paired = one.paired
    spread = (paired.mean, paired.low, paired.high) if paired else (None,) * 3
    p, detectable = (paired.p, paired.detectable or None) if paired else (None, None)
    tested = (p, one.p_holm, one.sign_flip_holm, detectable)
    about = (one.arm.name, kind, change(one.arm, design) or None, one.reference.name, len(one.pairs))
    adjusted = one.simultaneous or (None, None)
    failed = (one.diverged, one.collapsed)
    figures = (*means(one), *spread, *adjusted, *tested, *_equivalence(one.equivalence), *failed)
    return (*about, *figures, one.short, one.verdict)


def _equivalence(equivalence: Equivalence | None) -> tuple[float | None, ...]:
    if equivalence is None:
        return (None,) * 5
    ends = equivalence.interval or (None, None)
    return (equivalence.p, equivalence.p_holm, *ends, equivalence.coverage if equivalence.interval else None)


def _effect_row(one: Effect) -> tuple[Any, ...]:
    kind = "main effect" if len(one.components) == 1 else "interaction"
    estimate = one.estimate
    about = (effect_name(one), kind, None, None, estimate.n, None, None)
    spread = (estimate.mean, estimate.low, estimate.high, *(one.simultaneous or (None, None)))
    tested = (one.p, one.p_holm, one.sign_flip_holm, one.detectable or None)
    return (*about, *spread, *tested, *_equivalence(one.equivalence), None, None, one.short, one.verdict)


def _not_applicable_row(arm: Arm, design: str) -> tuple[Any, ...]:
    about = (arm.name, "not applicable", change(arm, design) or None, arm.reference or None, 0)
    return (*about, *(None,) * 18, "not applicable", arm.reason)
