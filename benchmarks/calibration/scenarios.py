"""The studies of the calibration, what is observed in each, and what was promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sweeps
from benchmarks.calibration import observe
from benchmarks.known_truth import Truth
from sweeps.stats import ALPHA

NAMES = ("null", "margin", "mixed", "power", "stein", "confirm", "confirm and ablation", "anytime", "skewed")
PARTS, PAIRS, MARGIN = 6, 6, 2.0
METRIC = {"name": "val_accuracy", "goal": "maximize"}


@dataclass(frozen=True)
class Promise:
    """The range in which a measure lies, in words and as numbers."""

    text: str
    low: float
    high: float


UNBIASED = Promise("0", 0.0, 0.0)
COVERS = Promise("95 %", 1 - ALPHA, 1 - ALPHA)
COVERS_AT_LEAST = Promise("at least 95 %", 1 - ALPHA, 1.0)
SUCH_IMAGES = Promise("at least 94 %", 0.94, 1.0)
STEIN_COVERS = Promise("at least 94.5 %", 0.945, 1.0)
WRONG = Promise("at most 5 %", 0.0, ALPHA)
POWER = Promise("at least 80 %", 0.8, 1.0)

DIFFERENCES = {observe.BIAS: UNBIASED, observe.COVERAGE: COVERS, observe.TOGETHER: COVERS_AT_LEAST}
TESTED = {
    observe.TEST_BIAS: UNBIASED,
    observe.TEST_COVERAGE: COVERS,
    observe.IMAGES_BIAS: UNBIASED,
    observe.IMAGES_COVERAGE: SUCH_IMAGES,
}
LOOKS = {
    observe.LOOKS_COVERAGE: COVERS_AT_LEAST,
    observe.LOOKS_TOGETHER: COVERS_AT_LEAST,
    observe.LOOKS_DIFFERENCE: WRONG,
}


@dataclass(frozen=True)
class Scenario:
    """One kind of study.

    Attributes:
        name: One of `NAMES`.
        text: What is true and what is run, in words.
        study: The study file as data. Each study of the scenario has its own seed and its own test set.
        observe: Compares the results of one study with the truth.
        promises: What each measure is promised to be; others are only reported.
    """

    name: str
    text: str
    study: Mapping[str, Any]
    observe: Callable[[sweeps.StudyResults], observe.Observed]
    promises: Mapping[str, Promise] = field(default_factory=dict)


def scenarios(detectable_over_sd: float) -> Iterator[Scenario]:
    """Yield every scenario.

    Args:
        detectable_over_sd: The difference that the engine calls detectable for `PAIRS` pairs and `PARTS` components,
            over the deviation of the differences.
    """
    yield _ablation("null", "no effect", (), {observe.FALSE_DIFFERENCE: WRONG})
    at_margin = (MARGIN, -MARGIN) * 3
    yield _ablation("margin", "every effect is the margin", at_margin, {observe.FALSE_EQUIVALENCE: WRONG})
    mixed = (MARGIN, -MARGIN, 0.0, 0.0, 4.0, -1.0)
    both = {observe.FALSE_DIFFERENCE: WRONG, observe.FALSE_EQUIVALENCE: WRONG}
    yield _ablation("mixed", f"effects {', '.join(f'{effect:g}' for effect in mixed)}", mixed, both)
    one = detectable_over_sd * deviation()
    found = {observe.FOUND: POWER, observe.FALSE_DIFFERENCE: WRONG}
    yield _ablation("power", f"one effect of the detectable size, {one:.2f}", (one,), found)
    yield _stein()
    yield from _confirms()
    yield from _anytime()


def pilot() -> dict[str, Any]:
    """Return the study from which the detectable difference is read."""
    return dict(_ablation("null", "", (), {}).study)


def deviation() -> float:
    """Return the true standard deviation of the difference of two runs of one seed."""
    return float(Truth().own * 2**0.5)


def study(section: Mapping[str, Any], effects: tuple[float, ...] = (), **truth: Any) -> dict[str, Any]:
    """Return a study file of the known truth with these sections, as data."""
    return {
        "name": "known",
        "question": "Is what is said true?",
        "workload": "benchmarks.known_truth",
        "metric": METRIC,
        "baseline": {"truth": {"effects": list(effects), **truth}},
        **section,
    }


def _ablation(name: str, text: str, effects: tuple[float, ...], promises: Mapping[str, Promise]) -> Scenario:
    section = {"baseline": "given", "components": _parts(PARTS), "seeds": PAIRS, "margin": MARGIN}
    design = f"{PARTS} components, {PAIRS} pairs, margin {MARGIN:g}"
    settings = study({"ablation": section}, effects)
    return Scenario(name, f"{text}; {design}", settings, observe.ablation, {**DIFFERENCES, **promises})


def _stein() -> Scenario:
    seeds = {"min": 6, "max": 16, "precision": 0.8}
    section = {"baseline": "given", "components": _parts(3), "seeds": seeds}
    promises = {observe.BIAS: UNBIASED, observe.COVERAGE: STEIN_COVERS, observe.FALSE_DIFFERENCE: WRONG}
    text = "effects 0, 1, -1; 3 components, 6 to 16 pairs by Stein's procedure"
    return Scenario("stein", text, study({"ablation": section}, (0.0, 1.0, -1.0)), observe.ablation, promises)


def _confirms() -> Iterator[Scenario]:
    search = {
        "method": "random",
        "run_cap": 20,
        "parameters": {"x": {"min": 0.0, "max": 1.0}},
        "confirm": {"top": 5, "seeds": 3},
    }
    figure = {observe.BIAS: UNBIASED, observe.COVERAGE: COVERS}
    text = "20 equal configurations, the best 5 with 3 seeds each"
    tested = study({**search, "final": {"seeds": 5}})
    opened = f"{text}; final with 5 seeds on a test set of its own"
    yield Scenario("confirm", opened, tested, observe.incumbent, {**figure, **TESTED})
    ablated = study({**search, "ablation": {"baseline": "best", "components": ["a"], "seeds": 3}})
    both = f"{text}, then an ablation of the incumbent over 3 pairs"
    yield Scenario("confirm and ablation", both, ablated, observe.incumbent, figure)


def _anytime() -> Iterator[Scenario]:
    seeds = {"min": 4, "max": 12, "anytime": True}
    section = {"baseline": "given", "components": _parts(3), "seeds": seeds}
    effects, text = (0.0, 1.5, 0.0), "effects 0, 1.5, 0; 3 components, looked at after every pair up to 12"
    yield Scenario("anytime", text, study({"ablation": section}, effects), observe.anytime, LOOKS)
    skewed = study({"ablation": section}, effects, skewed=True)
    yield Scenario("skewed", f"{text}; exponential noise of the variants", skewed, observe.anytime)


def _parts(number: int) -> list[str]:
    return list("abcdefghij"[:number])
