"""The values that a workload and the engine exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.artifacts.references import Saved, find
from sweeps.io.errors import UserError

Metrics = Mapping[str, float]


class BadWorkload(UserError):
    """The name leads to nothing that can be trained."""


@dataclass(frozen=True)
class Site:
    """Where a study runs: its data folder and the device kind of its trials ("cpu" or "cuda").

    `runs_dir` is the folder of all studies, None where nothing is to be trained; `evaluate` are the further labelled
    sets of the study file, which `final` will open. `share` is the part of the device's memory that one trial gets.
    Without `measure`, what would take training to find is not looked for.
    """

    data_dir: Path
    device: str
    runs_dir: Path | None = None
    evaluate: tuple[Any, ...] = ()
    share: float = 1.0
    measure: bool = True

    def saved(self, reference: str) -> Saved:
        """The model that a trial of another study left, as `Run.saved` gives it. Raises Unavailable."""
        return find(self.runs_dir, reference)


@dataclass(frozen=True)
class Prepared:
    """What `prepare` settled once for the whole study.

    `settings` are recipe settings resolved for this machine (such as `precision: auto`), by dotted key, so that every
    trial of a study shares them. `provenance` is what the report says of the data: fingerprint, sizes, classes. `notes`
    say, a line each, how a setting was found where that was measured.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Predictions:
    """What models say of unlabelled examples.

    `ids` (N,) is what the examples are called, `labels` (N,) the index of the predicted class of each, `names` (K,)
    what the classes are called. `warnings` say where the examples are not like those that were trained on.
    """

    ids: Sequence[str]
    labels: Sequence[int]
    names: Sequence[str]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Exported:
    """A model in a file that other programs read.

    `contract` are lines on what goes in and what comes out, `example` is code that loads it, `names` (K,) are the
    classes. `difference` is the largest one between what the file, loaded again, and the model itself give, in what
    `unit` says, and `tolerance` the largest one that was allowed.
    """

    file: Path
    contract: Sequence[str]
    example: str
    names: Sequence[str]
    difference: float
    tolerance: float
    unit: str


@dataclass(frozen=True)
class Tuned:
    """What a look for a good setting found: `settings` by dotted key (empty: none), with the `rows` that it rests on.

    `note` says in a sentence what the settings are and are not.
    """

    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    note: str


@dataclass(frozen=True)
class Sharing:
    """How many trials, as processes of their own, are to share one GPU; the `rows` it rests on; how it was found."""

    copies: int
    rows: Sequence[Mapping[str, Any]]
    note: str
