"""The labelled sets beside the test set: what an entry of a study's `evaluate` stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cifar_sweep.data.corruptions import CORRUPTIONS
from cifar_sweep.data.formats import source_files
from cifar_sweep.recipe import SHAPES, DataRecipe
from sweeps.workload import Unavailable

TEST = "test"  # what the sealed test set itself is called
EVERY = "corruptions"  # the entry that stands for all of them
COLLECTION_KEYS = ("name", "path", "size", "channels", "classes", "subset", "resize", "center_crop")


@dataclass(frozen=True)
class Corrupted:
    """The test set under the corruption `kind` at `severity`, counted from 1."""

    kind: str
    severity: int


@dataclass(frozen=True)
class LabelledSet:
    """A set to measure a trained network on: its label in the results and where its images come from.

    A DataRecipe as `source` means the test part of that collection.
    """

    name: str
    source: Corrupted | DataRecipe


def labelled_sets(data: DataRecipe, entries: Iterable[Any]) -> list[LabelledSet]:
    """The sets that `entries` stand for, in order, each once. `data` is what the network was trained on.

    Raises ValueError for an entry that means nothing, and where two different sets have one name.
    """
    found: dict[str, LabelledSet] = {}
    for labelled in (each for entry in entries for each in sets_of(data, entry)):
        if found.setdefault(labelled.name, labelled) != labelled:
            raise ValueError(f"two different sets are called {labelled.name!r}")
    return list(found.values())


def sets_of(data: DataRecipe, entry: Any) -> list[LabelledSet]:
    """The sets that one entry stands for: "corruptions", "noise", "noise:3", or a mapping with `name` and either
    `data` or `corruption` and `severity`. Raises ValueError when it is none of these or its data do not match `data`.
    """
    if isinstance(entry, str):
        return _named(entry)
    if isinstance(entry, Mapping):
        return [_described(data, entry)]
    raise ValueError(f"expected the name of a corruption or a mapping but got {entry!r}")


def missing_collections(data: DataRecipe, entries: Iterable[Any], data_dir: Path) -> list[str]:
    """What is wrong with those sets of `entries` that are collections of their own and absent from `data_dir`.

    One text for each, with its name, what was looked for and the way out; empty when all are there. Opens no file.
    Raises as `labelled_sets` does.
    """
    missing = []
    for labelled in labelled_sets(data, entries):
        if isinstance(labelled.source, DataRecipe):
            try:
                source_files(labelled.source, data_dir, "test")
            except Unavailable as error:
                missing.append(f"{labelled.name}: {error}")
    return missing


def _named(entry: str) -> list[LabelledSet]:
    if entry == EVERY:
        return [each for kind in CORRUPTIONS for each in _named(kind)]
    kind, colon, severity = entry.partition(":")
    _check_kind(kind, f"{', '.join((EVERY, *CORRUPTIONS))}, or one severity as noise:3")
    chosen = [_severity(kind, severity)] if colon else range(1, len(CORRUPTIONS[kind].strengths) + 1)
    return [LabelledSet(f"{kind} {number}", Corrupted(kind, number)) for number in chosen]


def _described(data: DataRecipe, entry: Mapping[str, Any]) -> LabelledSet:
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name must be a text, the label in the results, but is {name!r}")
    if name == TEST:
        raise ValueError(f"name is {TEST!r}, which is the sealed test set itself: choose another")
    if set(entry) == {"name", "data"}:
        return LabelledSet(name, _collection(data, name, entry["data"]))
    if set(entry) == {"name", "corruption", "severity"}:
        kind = entry["corruption"]
        _check_kind(kind, ", ".join(CORRUPTIONS))
        return LabelledSet(name, Corrupted(kind, _severity(kind, entry["severity"])))
    raise ValueError(f"{name}: give name and data, or name, corruption and severity; got {', '.join(map(str, entry))}")


def _check_kind(kind: Any, known: str) -> None:
    if kind not in list(CORRUPTIONS):
        raise ValueError(f"unknown corruption {kind!r}: write {known}")


def _severity(kind: str, given: Any) -> int:
    known = range(1, len(CORRUPTIONS[kind].strengths) + 1)
    number = next((number for number in known if given == str(number) or (given == number and type(given) is int)), 0)
    if not number:
        raise ValueError(f"the severity of {kind} must be {known[0]} to {known[-1]} but is {given!r}")
    return number


def _collection(data: DataRecipe, name: str, settings: Any) -> DataRecipe:
    if not isinstance(settings, Mapping) or not set(settings) <= set(COLLECTION_KEYS):
        raise ValueError(f"{name}: data must be a mapping with {', '.join(COLLECTION_KEYS)} but is {settings!r}")
    settings = {**_as_trained(data, settings.get("name")), **settings}
    try:
        collection = DataRecipe.model_validate(settings)
    except ValidationError as error:
        raise ValueError(f"{name}: {_mistakes(error)}") from None
    if collection.shape != data.shape:
        theirs, ours = collection.shape, data.shape
        raise ValueError(
            f"{name}: data {collection.name} has {theirs.classes} classes and images of {theirs.size} pixels a side "
            f"and {theirs.channels} channel(s), but the network is for {ours.classes}, {ours.size} and {ours.channels}"
        )
    return collection


def _as_trained(data: DataRecipe, name: Any) -> dict[str, Any]:
    """What a collection called `name` takes from the training data where its entry does not say otherwise."""
    fit = {"resize": data.resize, "center_crop": data.center_crop}
    if name in SHAPES:
        return fit
    decoded_to_size = data.name == "folder" and data.size is None and name == "folder"
    size = None if decoded_to_size else data.stored.size
    return {"size": size, "channels": data.shape.channels, "classes": data.shape.classes, **fit}


def _mistakes(error: ValidationError) -> str:
    places = [(".".join(("data", *map(str, mistake["loc"]))), mistake["msg"]) for mistake in error.errors()]
    return "; ".join(f"{place}: {message.removeprefix('Value error, ')}" for place, message in places)
