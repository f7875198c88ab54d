"""The comments of a new study file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.study.document import TOP_LEVEL, write
from sweeps.validation.authoring import SCHEMA_FILE

COMMENTS: Mapping[str, str] = {
    "name": "The study and its folder below runs/.",
    "workload": "What to train: a package, a module or package.module:function.",
    "baseline": "The recipe that every trial starts from; settings that are not named keep their defaults.",
    "constraints": "Checked before anything trains: parameters <= 5M, trainable_parameters <= 1M, macs <= 250M.",
    "method": "Search: how configurations are chosen: bayes, tpe, random or grid.",
    "metric": "As the workload yields it, once per epoch.",
    "run_cap": "Trials of the search; those refused by a constraint do not count. Or: budget: {trainings: 20}.",
    "budget": "The size of the search in full trainings of the baseline. Or a number of trials: run_cap: 60.",
    "parameters": "What is searched: values, or min and max; with when: {other.key: value} under a condition.",
    "toggles": "Parts that the search may switch off; `sweep toggles` lists them.",
    "early_terminate": "Trials pause at rungs of epochs, and only the better half of them goes on.",
    "confirm": "The best trials again, on fresh seeds; the incumbent is the best of them.",
    "ablation": "The baseline without each component, paired over seeds; margin: what does not matter.",
    "final": "Train on all but the test set, then open that once.",
    "device": "auto (a GPU where torch can use one), cpu, cuda or mps.",
    "resources": "For each trial; gpu: 0.5 puts two on each GPU.",
    "seed": "Every random number of the study is derived from it.",
}
SPACED = ("baseline", "method", "early_terminate", "confirm", "ablation", "final", "device")
"""The sections with an empty line before them."""


def commented(data: Mapping[str, Any], narrowed: str) -> str:
    """Return the text of a study file, with a comment above each section.

    Args:
        data: The study.
        narrowed: How the baseline was made to meet the constraints; "" where it did by itself.
    """
    present = {key: data[key] for key in TOP_LEVEL if data.get(key) is not None}
    lines = [f"# yaml-language-server: $schema={SCHEMA_FILE}", *_lines(present, narrowed)]
    return "\n".join(lines) + "\n"


def _lines(data: Mapping[str, Any], narrowed: str) -> Iterator[str]:
    for line in write(data).splitlines():
        key = line.partition(":")[0]
        if key in SPACED:
            yield ""
        if comment := COMMENTS.get(key):
            yield f"# {comment}"
        if key == "baseline" and narrowed:
            yield f"# {narrowed[0].upper()}{narrowed[1:]} the constraints."
        yield line
