"""What a trial of another study has left: its latest intact checkpoint, found by a reference such as "r7:3".

A reference is STUDY:NUMBER for a trial of the search, STUDY:STAGE/NUMBER for a run of another stage.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import ENVIRONMENT, RECIPE, RECORD, SEARCH, TRIALS, trial_folder
from sweeps.io.errors import Unavailable, unknown

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_REFERENCE = re.compile(rf"(?P<study>{_NAME}):(?:(?P<stage>{_NAME})/)?(?P<number>[0-9]+)")
_SOURCE = re.compile(rf"(?P<study>{_NAME})/(?P<stage>{_NAME})/(?P<number>[0-9]+)")


@dataclass(frozen=True)
class Reference:
    """A trial of a study of the same runs folder."""

    study: str
    number: int
    stage: str = SEARCH

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference that `text` is. Raises Unavailable for any other text, such as a path."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise Unavailable(f"{text!r} names no trial: write STUDY:NUMBER, or STUDY:STAGE/NUMBER for a later stage")
        return cls(found["study"], int(found["number"]), found["stage"] or SEARCH)

    def __str__(self) -> str:
        return f"{self.study}:{'' if self.stage == SEARCH else f'{self.stage}/'}{self.number}"

    def folder(self, runs: Path) -> Path:
        """Where the trial keeps its files, if it exists."""
        return trial_folder(runs / self.study, self.number, self.stage)


@dataclass(frozen=True)
class Saved:
    """A saved model: the `folder` of its checkpoint, the resolved recipe `settings` that it was trained with.

    `source` names the trial that was trained (study/stage/number), `digest` is the SHA-256 of the checkpoint's content.
    """

    folder: Path
    settings: Mapping[str, Any]
    source: str
    digest: str


def is_reference(text: str) -> bool:
    """Whether `text` has the form of a reference to a trial: "r7:3", "r7:final/0"."""
    return _REFERENCE.fullmatch(text) is not None


def find(runs: Path | None, text: str) -> Saved:
    """The model that the reference `text` names, in the folder `runs`. Raises Unavailable, saying what there is."""
    if runs is None:
        raise Unavailable(f"{text}: trials of other studies are found in a runs folder only, and here is none")
    reference = Reference.parse(text)
    folder = reference.folder(runs)
    if not (runs / reference.study).is_dir():
        raise Unavailable(f"{text}: {unknown('study', reference.study, _studies(runs))} (in {runs})")
    if not folder.is_dir():
        there = ", ".join(map(str, models(runs, reference.study))) or "none"
        raise Unavailable(f"{text}: {reference.study} has no such trial; those with a checkpoint: {there}")
    for trained in (reference, _source(folder)):
        saved = _saved(trained, runs) if trained is not None else None
        if saved is not None:
            return saved
    raise Unavailable(
        f"{text}: the trial has no intact checkpoint in {folder / 'checkpoint'}: it has not been trained to an epoch's "
        f"end, did not complete, or its checkpoint is damaged or gone; run the study again or name another trial"
    )


def data_of(runs: Path, text: str) -> str | None:
    """The fingerprint of the data that the study of the reference `text` was trained on; None where it is not known."""
    try:
        environment = json.loads((runs / Reference.parse(text).study / ENVIRONMENT).read_text(encoding="utf-8"))
        return str(environment["data"]["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def models(runs: Path, study: str) -> list[Reference]:
    """The trials of a study that have a checkpoint: those of the search first, each stage's by their numbers."""
    found = []
    for path in (runs / study).glob("*/*/checkpoint"):
        stage, number = path.parts[-3:-1]
        if number.isdecimal() and CheckpointFolder(path).newest() is not None:
            found.append(Reference(study, int(number), SEARCH if stage == TRIALS else stage))
    return sorted(found, key=lambda each: (each.stage != SEARCH, each.stage, each.number))


def _studies(runs: Path) -> list[str]:
    return sorted(path.parent.name for path in runs.glob("*/study.yaml"))


def _source(folder: Path) -> Reference | None:
    """The trial that the result cache took this one from: it has the checkpoint."""
    try:
        found = _SOURCE.fullmatch(str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Reference(found["study"], int(found["number"]), found["stage"]) if found is not None else None


def _saved(reference: Reference, runs: Path) -> Saved | None:
    folder = reference.folder(runs)
    checkpoints = CheckpointFolder(folder / "checkpoint")
    left = checkpoints.newest()
    if left is None or not (folder / RECIPE).exists():
        return None
    settings = YAML(typ="safe", pure=True).load(folder / RECIPE)
    source = f"{reference.study}/{reference.stage}/{reference.number}"
    return Saved(left, settings or {}, source, checkpoints.digest(left))
