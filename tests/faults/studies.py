"""A small study with every stage, for the fault tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

STUDY: dict[str, Any] = {
    "name": "crash",
    "question": "Is anything lost?",
    "workload": "tests.faults.logged_workloads.toy",
    "baseline": {"epochs": 3, "spread": 1.0},
    "constraints": ["parameters <= 500"],
    "method": "tpe",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "run_cap": 5,
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 0.001, "max": 3.0},
        "net.width": {"values": [8, 12, 64]},
        "momentum": {"min": 0.0, "max": 0.9},
    },
    "early_terminate": {"type": "asha", "mode": "stop", "min_iter": 1, "eta": 2},
    "confirm": {"top": 2, "seeds": 2},
    "ablation": {"components": {"handicap": {"handicap": 4.0}}, "seeds": 2},
    "final": {"seeds": 2},
    "evaluate": ["shifted"],
}


@dataclass(frozen=True)
class Saving:
    """A way to save states, and what a kill may repeat with it.

    Attributes:
        settings: Sections of the study file.
        baseline: Settings of the toy's recipe.
        repeats: Epochs of a trial that a kill may repeat; None: all that it has trained.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    baseline: dict[str, Any] = field(default_factory=dict)
    repeats: int | None = 1


# The trials of these studies are shorter than the default's 30 s: without the pauses and ends, nothing would be saved.
FILES = Saving()  # with `Run.checkpoint`, which training waits for
EACH = Saving({"checkpoint_every": 0}, {"beside": True}, 2)  # an epoch, and the one before if it is being written
SELDOM = Saving({}, {"beside": True}, None)
WAYS = (FILES, EACH, SELDOM)

# How a search may decide. Those with `mode: promote` pause at the rungs 1, 2 and 4.
_PAUSING: dict[str, Any] = {"run_cap": 7, "baseline": {**STUDY["baseline"], "epochs": 5}}
PROMOTING: dict[str, Any] = {
    **_PAUSING,
    "method": "bayes",
    "early_terminate": {"type": "asha", "mode": "promote", "eta": 2},
}
IN_BRACKETS: dict[str, Any] = {
    **_PAUSING,
    "method": "tpe",
    "early_terminate": {"type": "hyperband", "mode": "promote", "eta": 2},
}
AT_RANDOM: dict[str, Any] = {**PROMOTING, "method": "random"}
SEARCHES: tuple[dict[str, Any], ...] = (PROMOTING, {}, IN_BRACKETS, AT_RANDOM)


def study_text(**settings: Any) -> str:
    """Return the text of a study file, as JSON, which is YAML."""
    return json.dumps({**STUDY, **settings}, indent=1)
