"""A small study with every stage, for the fault tests."""

from __future__ import annotations

import json
from typing import Any

STUDY: dict[str, Any] = {
    "name": "crash",
    "question": "Is anything lost?",
    "workload": "tests.faults.logged_workloads.toy",
    "baseline": {"epochs": 3, "spread": 1.0},
    "constraints": ["parameters <= 500"],
    "method": "bayes",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "run_cap": 5,
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 0.001, "max": 3.0},
        "net.width": {"values": [8, 12, 64]},
        "momentum": {"min": 0.0, "max": 0.9},
    },
    "early_terminate": {"type": "asha", "min_iter": 1, "eta": 2},
    "confirm": {"top": 2, "seeds": 2},
    "ablation": {"components": {"handicap": {"handicap": 4.0}}, "seeds": 2},
    "final": {"seeds": 2},
    "evaluate": ["shifted"],
}


def study_text(**settings: Any) -> str:
    """Return the text of a study file, as JSON, which is YAML."""
    return json.dumps({**STUDY, **settings}, indent=1)
