"""Compare what the engine says about one study of `benchmarks.known_truth` with the truth.

Each function returns one number per measure: an error in percentage points, or the share of the statements that hold.
Nothing is recomputed: the numbers are those of the public data frames, the answer and the report's tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

import pandas as pd

import sweeps
from benchmarks.known_truth import Images, Truth
from sweeps.evidence.findings import Findings
from sweeps.report.tables.ablation import checks_table

Observed = Mapping[str, float]
# The measures.
BIAS, COVERAGE, TOGETHER = "bias", "95 % intervals that hold the truth", "all simultaneous intervals hold the truth"
FALSE_DIFFERENCE, FALSE_EQUIVALENCE = "any false difference", "any false equivalence"
FOUND, EQUIVALENT = "real differences that are found", "true equivalences that are claimed"
TEST_BIAS, TEST_COVERAGE = "test: bias", "test: 95 % intervals over seeds that hold this test set's accuracy"
IMAGES_BIAS, IMAGES_COVERAGE = "test: bias for such images", "test: intervals for such images that hold the truth"
LOOKS_COVERAGE, LOOKS_TOGETHER = "95 % intervals that hold it at every look", "all simultaneous ones at every look"
LOOKS_DIFFERENCE, PAIRS = "any false difference at any look", "pairs at the end"

_INCUMBENT = re.compile(
    r"incumbent\b.*?(?P<value>-?[\d.]+)(?: %)? \(95 % CI (?P<low>-?[\d.]+) to (?P<high>-?[\d.]+)", re.S
)
_SUCH_IMAGES = re.compile(r"on such images (?P<low>[\d.]+) to (?P<high>[\d.]+)")


def ablation(results: sweeps.StudyResults) -> Observed:
    """Compare the differences, intervals and verdicts of an ablation with the true effects."""
    return _ablation(results.ablation, _truth(results), results.records.study.ablation.margin)


def incumbent(results: sweeps.StudyResults) -> Observed:
    """Compare the figure that the answer gives for the incumbent with the true one, and the test figures too.

    All configurations of the search have the same true figure.
    """
    truth = _truth(results).base
    match = next(filter(None, map(_INCUMBENT.search, results.answer)), None)
    if match is None:
        raise ValueError(f"the answer has no figure of the incumbent with an interval: {results.answer}")
    value, low, high = (float(match[name]) for name in ("value", "low", "high"))
    return {BIAS: value - truth, COVERAGE: float(low <= truth <= high), **final(results)}


def final(results: sweeps.StudyResults) -> Observed:
    """Compare the test figure with the accuracy in expectation over seeds, and over seeds and images."""
    evidence = results.findings.final
    if evidence is None:
        return {}
    images = Images(**results.best.recipe["images"])
    mean, here, everywhere = evidence.sets[0].levels[0].mean, images.accuracy(), images.population_accuracy()
    assert mean is not None
    observed = {TEST_BIAS: mean.mean - here, TEST_COVERAGE: float(mean.low <= here <= mean.high)}
    return {**observed, IMAGES_BIAS: mean.mean - everywhere, **_such_images(results, everywhere)}


def _such_images(results: sweeps.StudyResults, truth: float) -> Observed:
    """Whether the answer's interval for accuracy on such images holds the truth; nothing without such an interval."""
    match = next(filter(None, map(_SUCH_IMAGES.search, results.answer)), None)
    return {IMAGES_COVERAGE: float(float(match["low"]) <= truth <= float(match["high"]))} if match else {}


def anytime(results: sweeps.StudyResults) -> Observed:
    """Look at the ablation after every pair, as a report in between would, and count what is wrong at any look."""
    stage = results.records.stages["ablation"]
    most = 1 + max(trial.replicate or 0 for trial in stage.trials)
    frames = []
    for pairs in range(2, most + 1):
        seen = replace(stage, trials=tuple(trial for trial in stage.trials if (trial.replicate or 0) < pairs))
        records = replace(results.records, stages={**results.records.stages, "ablation": seen})
        frames.append(_comparisons(sweeps.StudyResults(records).ablation, _truth(results)))
    looks = pd.concat(frames)
    return {
        PAIRS: float(looks.pairs.max()),
        LOOKS_COVERAGE: fmean(_held(looks).groupby(looks.arm).all()),
        LOOKS_TOGETHER: float(_held(looks, "simultaneous_").all()),
        LOOKS_DIFFERENCE: float((_different(looks) & (looks.effect == 0)).any()),
    }


def detectable_over_sd(findings: Findings) -> float:
    """Return the difference that the report calls detectable, over the deviation of the differences."""
    ablation = findings.ablation
    assert ablation is not None
    one = ablation.comparisons[0]
    deviation = pd.Series([pair.value - pair.reference for pair in one.pairs]).std()
    return float(checks_table([one])["detectable difference"][0]) / float(deviation)


def _ablation(frame: pd.DataFrame, truth: Truth, margin: float | None) -> Observed:
    rows = _comparisons(frame, truth)
    different, within = _different(rows), rows.verdict.str.contains("smaller than")
    observed = {
        BIAS: fmean(rows.estimate - rows.effect),
        COVERAGE: fmean(_held(rows)),
        TOGETHER: float(_held(rows, "simultaneous_").all()),
        FALSE_DIFFERENCE: float((different & (rows.effect == 0)).any()),
    }
    if (rows.effect != 0).any():
        observed[FOUND] = fmean(different[rows.effect != 0])
    if margin is not None:
        inside = rows.effect.abs() < margin - 1e-9
        observed[FALSE_EQUIVALENCE] = float((within & ~inside).any())
        observed |= {EQUIVALENT: fmean(within[inside])} if inside.any() else {}
    return observed


def _comparisons(frame: pd.DataFrame, truth: Truth) -> pd.DataFrame:
    """The comparisons that have an estimate, with the true effect of each."""
    rows = frame[(frame.kind == "comparison") & frame.estimate.notna()]
    return rows.assign(effect=rows.arm.map(truth.effect))


def _held(rows: pd.DataFrame, prefix: str = "") -> pd.Series[bool]:
    return (rows[f"{prefix}low"] <= rows.effect) & (rows.effect <= rows[f"{prefix}high"])


def _different(rows: pd.DataFrame) -> pd.Series[bool]:
    return rows.verdict.str.match("lower|higher")


def _truth(results: sweeps.StudyResults) -> Truth:
    baseline = results.records.study.baseline["truth"]
    return Truth(**{**baseline, "effects": tuple(baseline.get("effects", ()))})
