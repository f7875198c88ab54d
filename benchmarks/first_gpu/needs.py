"""Which third-party modules the steps need, and which of them this Python has not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

TRAINER: Mapping[str, str] = {
    "torch": "torch",
    "numpy": "numpy",
    "pydantic": "pydantic",
    "ruamel.yaml": "ruamel.yaml",
    "psutil": "psutil",
    "PIL": "pillow",
}
"""The modules without which no step runs, with the names of their packages."""
ENGINE: Mapping[str, str] = {
    "optuna": "optuna",
    "filelock": "filelock",
    "jinja2": "jinja2",
    "pandas": "pandas",
    "platformdirs": "platformdirs",
    "plotly": "plotly",
    "rich": "rich",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "typer": "typer",
}
"""Those that `sweep run --runner inline` needs besides: without them the study's step is a plain loop."""
RAY: Mapping[str, str] = {"ray": "ray[tune]"}
"""That of `sweep run`: without it the study runs inline."""


def missing(modules: Iterable[str]) -> list[str]:
    """Return those of `modules` that cannot be imported."""
    return [module for module in modules if not _present(module)]


def describe_missing() -> list[str]:
    """Return a line for each group of modules of which some are missing, with what becomes of it."""
    consequences = (
        (TRAINER, "no step can run"),
        (ENGINE, "the study's step trains random configurations in a plain loop, without the engine"),
        (RAY, "the study runs inline, one trial at a time"),
    )
    return [
        f"missing: {', '.join(gone)}: {consequence}" for group, consequence in consequences if (gone := missing(group))
    ]


def how_to_bring() -> str:
    """Return how to bring the missing packages of the trainer to a machine without a network; "" if none is missing."""
    packages = [TRAINER[module] for module in missing(TRAINER) if module != "torch"]
    if not packages:
        return ""
    return (
        "on a machine of the same system and Python that reaches a package index: python3 -m pip download "
        f"--only-binary=:all: -d wheels {' '.join(packages)}; then here: benchmarks/first_gpu.sh --wheels wheels"
    )


def _present(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of "ruamel.yaml" where there is no ruamel
        return False
