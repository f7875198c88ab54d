"""Parameters in the words of W&B and Optuna that this grammar does not have, as the nearest that it has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

REASONS = {
    "log_uniform": "takes exponents in W&B",
    "q_log_uniform": "takes exponents in W&B",
    "inv_log_uniform": "takes exponents in W&B and has the same values as a log-uniform one",
    "inv_log_uniform_values": "has the same values as log_uniform_values",
    "normal": "has no bounds, so take two deviations to either side",
    "q_normal": "has no bounds, so take two deviations to either side",
    "log_normal": "has no bounds, so take two deviations to either side",
    "q_log_normal": "has no bounds, so take two deviations to either side",
    "beta": "is not offered: its bounds are 0 and 1",
    "q_beta": "is not offered: its bounds are 0 and 1",
    "categorical_w_probabilities": "is not offered: every value has the same chance",
}
"""The distributions of W&B that are not offered, each with the reason."""
OPTUNA = ("low", "high", "log", "step", "choices")
MOST_VALUES = 20  # a range whose steps do not start at a multiple of the step is written as values up to this many
LARGEST = 1e15  # beyond, floats are no longer exact in steps of 1

Words = Mapping[str, Any]


def instead(words: Words) -> str | None:
    """Return the rule against a parameter in words of W&B or Optuna: what to write instead. None for any other.

    Args:
        words: The parameter as in the study file.

    Example:
        >>> instead({"distribution": "log_uniform", "min": -4, "max": 0})
        'log_uniform takes exponents in W&B: write {distribution: log_uniform_values, min: 0.0183156, max: 1}'
    """
    name = words.get("distribution")
    if isinstance(name, str) and name in REASONS:
        return f"{name} {REASONS[name]}: write {_flow(_usable(words, _of_wandb) or _outline(name))}"
    if present := [word for word in OPTUNA if word in words]:
        verb = "is" if len(present) == 1 else "are"
        return f"{', '.join(present)} {verb} Optuna's: write {_flow(_usable(words, _of_optuna) or _outline('uniform'))}"
    return None


def _usable(words: Words, translate: Callable[[Words], Words]) -> Words | None:
    """The translation, unless its numbers are missing or make no range."""
    try:
        spec = translate(words)
        low, high = spec.get("min", 0), spec.get("max", 1)
        within = -LARGEST < low < high < LARGEST
        return spec if within and ("log" not in spec.get("distribution", "") or low > 0) else None
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def _of_wandb(words: Words) -> Words:
    name, q = words["distribution"], words.get("q", 1)
    if name == "categorical_w_probabilities":
        return _choice([*words["values"]])
    if "beta" in name:
        low, high = 0.0, 1.0
    elif "normal" in name:
        mean, deviation = words.get("mu", 0), words.get("sigma", 1)
        low, high = mean - 2 * deviation, mean + 2 * deviation
    else:
        low, high = words["min"], words["max"]
    if name == "inv_log_uniform":
        low, high = -high, -low
    logarithmic = "log" in name
    if logarithmic and not name.endswith("_values"):
        low, high = math.exp(low), math.exp(high)
    return _range(low, high, q if name.startswith("q_") else None, logarithmic)


def _of_optuna(words: Words) -> Words:
    if "choices" in words:
        return _choice([*words["choices"]])
    low, high = (words.get(name, words.get(other)) for name, other in (("low", "min"), ("high", "max")))
    step = words.get("step")
    if words.get("log"):
        whole = isinstance(low, int) and isinstance(high, int)
        return _range(low, high, 1 if whole else None, logarithmic=True)
    if step is None or (step == 1 and isinstance(low, int) and isinstance(high, int)):
        return {"min": low, "max": high}
    count = math.floor((high - low) / step + 1e-9) + 1
    if not math.isclose(low / step, round(low / step), abs_tol=1e-9) and count <= MOST_VALUES:
        return {"values": [_rounded(low + place * step) for place in range(count)]}
    return _range(low, high, step, logarithmic=False)


def _choice(values: list[Any]) -> Words:
    return {"values": values} if len(values) > 1 else {"value": values[0]}


def _range(low: float, high: float, q: float | None, logarithmic: bool) -> Words:
    kind = "log_uniform_values" if logarithmic else "uniform"
    if q is None:
        return {"distribution": kind, "min": _rounded(low), "max": _rounded(high)}
    first = max(math.ceil(low / q - 1e-9), 1) if logarithmic else math.ceil(low / q - 1e-9)
    last = math.floor(high / q + 1e-9)
    return {"distribution": f"q_{kind}", "min": _rounded(first * q), "max": _rounded(last * q), "q": q}


def _rounded(number: float) -> float:
    """Six digits of a number; a whole one as an integer."""
    rounded = float(f"{number:.6g}")
    return int(rounded) if rounded.is_integer() and isinstance(number, int) else rounded


def _outline(name: str) -> Words:
    """The words to write, where there are no numbers to translate."""
    if name.startswith("categorical"):
        return {"values": "[…]"}
    logarithmic = "log" in name
    kind = f"{'q_' if name.startswith('q_') else ''}{'log_uniform_values' if logarithmic else 'uniform'}"
    return {"distribution": kind, "min": "…", "max": "…", **({"q": "…"} if kind.startswith("q_") else {})}


def _flow(spec: Words) -> str:
    """A parameter on one line, as a study file may have it."""
    words = [f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in spec.items()]
    return f"{{{', '.join(words)}}}"
