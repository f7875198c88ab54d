"""The runs folder: studies by their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sweeps.artifacts.layout import RECIPE, SEARCH, STUDY_FILE
from sweeps.io.errors import UserError
from sweeps.storage.results import Results
from sweeps.storage.snapshot import glance
from sweeps.study.document import Document, read
from sweeps.study.study import parse
from sweeps.trial.trial import Trial


class NotFound(UserError):
    """No study or trial of that name."""


def study_folder(runs: Path, name: str) -> Path:
    """The folder of the study called `name`. Raises NotFound for a name that would lead elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        raise NotFound(f"{name!r} is not a study's name: it has letters, digits, '_', '-' and '.' only")
    return runs / name


def names(runs: Path) -> list[str]:
    """The studies in a runs folder."""
    return sorted(path.parent.name for path in runs.glob(f"*/{STUDY_FILE}"))


def study_document(runs: Path, name: str) -> Document:
    """The study file that a study was last run with. Raises NotFound."""
    file = study_folder(runs, name) / STUDY_FILE
    if not file.exists():
        raise NotFound(f"no study {name!r} in {runs}; there are: {', '.join(names(runs)) or 'none yet'}")
    return read(file)


def open_results(runs: Path, name: str, *, verified: bool = True) -> Results:
    """What the study called `name` has found so far, as its records prove. Raises NotFound, Damaged.

    `verified=False` is for who compares the storage with the records anyway.
    """
    from sweeps.storage.study_storage import StudyStorage

    store = StudyStorage(study_folder(runs, name), parse(study_document(runs, name)))
    try:
        if verified:
            store.reconcile(writing=False)
        return store.results()
    finally:
        store.close()


def glance_at(runs: Path, name: str) -> Results:
    """How the study called `name` stands, without the parameters and curves of trials that still run.

    Raises as `open_results`.
    """
    study = parse(study_document(runs, name))
    return glance(study_folder(runs, name), study) or open_results(runs, name)


def find_trial(results: Results, number: int, stage: str = SEARCH) -> Trial:
    """Trial `number` of a stage. Raises NotFound."""
    begun = {SEARCH: results.trials, **{name: each.trials for name, each in results.stages.items()}}
    if stage not in begun:
        raise NotFound(f"{results.study.name} has no stage {stage!r}; there are: {', '.join(begun)}")
    trials = begun[stage]
    for trial in trials:
        if trial.number == number:
            return trial
    known = f"0 to {trials[-1].number}" if trials else "none yet"
    of = "" if stage == SEARCH else f" of the stage {stage}"
    raise NotFound(f"{results.study.name} has no trial {number}{of}; there are: {known}")


def recipe_of(results: Results, number: int, stage: str = SEARCH) -> dict[str, Any]:
    """The whole recipe of a trial by dotted key; empty for a trial that never started."""
    file = results.trial_folder(number, stage) / RECIPE
    if not file.exists():
        return {}
    return dict(_dotted(YAML(typ="safe", pure=True).load(file), ""))


def _dotted(node: Any, prefix: str) -> list[tuple[str, Any]]:
    if not isinstance(node, dict) or not node:
        return [(prefix, node)]
    return [item for key, inner in node.items() for item in _dotted(inner, f"{prefix}.{key}" if prefix else str(key))]
