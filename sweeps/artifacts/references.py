"""References to trials of other studies, such as "r7:3", and the checkpoints that they name.

A reference is STUDY:NUMBER for a trial of the search, or STUDY:STAGE/NUMBER for a run of another stage.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import (
    CHECKPOINT,
    ENVIRONMENT,
    NAME,
    RECIPE,
    RECORD,
    SEARCH,
    TRIALS,
    study_names,
    trial_folder,
)
from sweeps.artifacts.recipe_file import read_recipe
from sweeps.io.errors import Unavailable, unknown

_REFERENCE = re.compile(rf"(?P<study>{NAME}):(?:(?P<stage>{NAME})/)?(?P<number>[0-9]+)")
_SOURCE = re.compile(rf"(?P<study>{NAME})/(?P<stage>{NAME})/(?P<number>[0-9]+)")


@dataclass(frozen=True)
class Reference:
    """A trial of a study in the same runs folder."""

    study: str
    number: int
    stage: str = SEARCH

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference. Raises Unavailable for any other text, such as a path."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise Unavailable(f"{text!r} names no trial: write STUDY:NUMBER, or STUDY:STAGE/NUMBER for a later stage")
        return cls(match["study"], int(match["number"]), match["stage"] or SEARCH)

    def __str__(self) -> str:
        return f"{self.study}:{'' if self.stage == SEARCH else f'{self.stage}/'}{self.number}"

    def folder(self, runs: Path) -> Path:
        """Return the trial's folder in the runs folder `runs`. It need not exist."""
        return trial_folder(runs / self.study, self.number, self.stage)


@dataclass(frozen=True)
class Saved:
    """A saved model.

    Attributes:
        folder: The folder of its checkpoint.
        settings: The resolved recipe that it was trained with.
        source: The trial that was trained: study/stage/number.
        digest: The SHA-256 of the checkpoint's content.
    """

    folder: Path
    settings: Mapping[str, Any]
    source: str
    digest: str


def is_reference(text: str) -> bool:
    """Whether `text` has the form of a reference, such as "r7:3" or "r7:final/0"."""
    return _REFERENCE.fullmatch(text) is not None


def find(runs: Path | None, text: str) -> Saved:
    """Find the model that a reference names.

    Args:
        runs: The runs folder; None if there is none.
        text: The reference.

    Raises:
        Unavailable: There is no such trial, or it has no intact checkpoint, or its recipe cannot be read. The message
            lists what there is.
    """
    if runs is None:
        raise Unavailable(f"{text}: trials of other studies are found in a runs folder only, and here is none")
    reference = Reference.parse(text)
    folder = reference.folder(runs)
    if not (runs / reference.study).is_dir():
        raise Unavailable(f"{text}: {unknown('study', reference.study, study_names(runs))} (in {runs})")
    if not folder.is_dir():
        available = ", ".join(map(str, models(runs, reference.study))) or "none"
        raise Unavailable(f"{text}: {reference.study} has no such trial; those with a checkpoint: {available}")
    for trained in (reference, _source(folder)):
        saved = _saved(trained, runs) if trained is not None else None
        if saved is not None:
            return saved
    archived = (
        ""
        if models(runs, reference.study)
        else (
            "; no other trial has one either, as in a study from an archive without models: "
            "`sweep archive --checkpoints` packs them"
        )
    )
    raise Unavailable(
        f"{text}: the trial has no intact checkpoint in {folder / CHECKPOINT}: it has not been trained to an epoch's "
        f"end, did not complete, or its checkpoint is damaged or gone; run the study again or name another "
        f"trial{archived}"
    )


def data_of(runs: Path, text: str) -> str | None:
    """Return the fingerprint of the data on which the study of the reference `text` was trained; None if unknown."""
    try:
        environment = json.loads((runs / Reference.parse(text).study / ENVIRONMENT).read_text(encoding="utf-8"))
        return str(environment["data"]["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def models(runs: Path, study: str) -> list[Reference]:
    """Return the trials of a study that have an intact checkpoint, the search's first, by stage and number."""
    references = []
    for path in (runs / study).glob(f"*/*/{CHECKPOINT}"):
        stage, number = path.parts[-3:-1]
        if number.isdecimal() and CheckpointFolder(path).newest() is not None:
            references.append(Reference(study, int(number), SEARCH if stage == TRIALS else stage))
    return sorted(references, key=lambda trial: (trial.stage != SEARCH, trial.stage, trial.number))


def _source(folder: Path) -> Reference | None:
    """Return the trial whose result the cache reused for this one: that trial has the checkpoint."""
    try:
        match = _SOURCE.fullmatch(str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Reference(match["study"], int(match["number"]), match["stage"]) if match is not None else None


def _saved(reference: Reference, runs: Path) -> Saved | None:
    """Return the model of the trial itself; None if it has no intact checkpoint or no recipe."""
    folder = reference.folder(runs)
    checkpoints = CheckpointFolder(folder / CHECKPOINT)
    newest = checkpoints.newest()
    if newest is None or not (folder / RECIPE).exists():
        return None
    source = f"{reference.study}/{reference.stage}/{reference.number}"
    return Saved(newest, read_recipe(folder), source, checkpoints.digest(newest))
