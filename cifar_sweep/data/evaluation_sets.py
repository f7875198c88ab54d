"""Labelled sets to evaluate on besides the test set: the entries of a study's `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cifar_sweep.data.corruptions import CORRUPTIONS
from cifar_sweep.data.formats import class_names
from cifar_sweep.recipe import SHAPES, DataRecipe

TEST = "test"  # the name of the sealed test set in the results
EVERY = "corruptions"  # the entry that means all corruptions at all severities
COLLECTION_KEYS = ("name", "path", "size", "channels", "classes", "subset", "resize", "center_crop")


@dataclass(frozen=True)
class Corrupted:
    """The test set under the corruption `kind` at `severity`, counted from 1."""

    kind: str
    severity: int


@dataclass(frozen=True)
class LabelledSet:
    """A labelled set to measure a trained network on.

    Attributes:
        name: Its name in the results.
        source: Where its images come from; for a DataRecipe, the test part of that collection.
    """

    name: str
    source: Corrupted | DataRecipe


def labelled_sets(data: DataRecipe, entries: Iterable[Any]) -> list[LabelledSet]:
    """Return the sets that the `entries` of `evaluate` mean, in order, each once.

    Args:
        data: The data that the network was trained on.
        entries: The entries as `sets_of` takes them.

    Raises:
        ValueError: An entry is invalid, or two different sets have the same name.
    """
    sets: dict[str, LabelledSet] = {}
    for labelled in (member for entry in entries for member in sets_of(data, entry)):
        if sets.setdefault(labelled.name, labelled) != labelled:
            raise ValueError(f"two different sets are called {labelled.name!r}")
    return list(sets.values())


def sets_of(data: DataRecipe, entry: Any) -> list[LabelledSet]:
    """Return the sets that one entry of `evaluate` means.

    Args:
        data: The data that the network was trained on.
        entry: "corruptions", the name of a corruption such as "noise", one severity such as "noise:3", or a mapping
            with `name` and either `data` or `corruption` and `severity`.

    Raises:
        ValueError: The entry is none of these, or its images or classes are not those of `data`.
    """
    if isinstance(entry, str):
        return _corruption_sets(entry)
    if isinstance(entry, Mapping):
        return [_set_from_mapping(data, entry)]
    raise ValueError(f"expected the name of a corruption or a mapping but got {entry!r}")


def require_known_classes(labelled: LabelledSet, trained_on: DataRecipe, data_dir: Path) -> None:
    """Check that a set which is a collection of its own names the classes that the network knows, in the same order.

    Raises:
        ValueError: It names others, or the names cannot be read.
    """
    if not isinstance(labelled.source, DataRecipe):
        return
    known, names = class_names(trained_on, data_dir, "train"), class_names(labelled.source, data_dir, "test")
    if known and names and known != names:
        raise ValueError(f"{labelled.name}: the network knows {', '.join(known)} but the set has {', '.join(names)}")


def _corruption_sets(entry: str) -> list[LabelledSet]:
    """Return the sets of an entry such as "corruptions", "noise" or "noise:3"."""
    if entry == EVERY:
        return [labelled for kind in CORRUPTIONS for labelled in _corruption_sets(kind)]
    kind, colon, severity = entry.partition(":")
    _check_kind(kind, f"{', '.join((EVERY, *CORRUPTIONS))}, or one severity as noise:3")
    severities = [_severity(kind, severity)] if colon else range(1, len(CORRUPTIONS[kind].strengths) + 1)
    return [LabelledSet(f"{kind} {number}", Corrupted(kind, number)) for number in severities]


def _set_from_mapping(data: DataRecipe, entry: Mapping[str, Any]) -> LabelledSet:
    """Return the set of an entry that is a mapping."""
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


def _check_kind(kind: Any, accepted: str) -> None:
    """Raise ValueError unless `kind` is a corruption; `accepted` lists what may be written there."""
    # A list, because `kind` comes from YAML and need not be hashable.
    if kind not in list(CORRUPTIONS):
        raise ValueError(f"unknown corruption {kind!r}: write {accepted}")


def _severity(kind: str, value: Any) -> int:
    """Return a severity written as a number or, after a colon, as text. Raises ValueError where it is out of range."""
    severities = range(1, len(CORRUPTIONS[kind].strengths) + 1)
    # An exact int: True and 1.0 equal 1 but are no severity.
    matches = (number for number in severities if value == str(number) or (value == number and type(value) is int))
    number = next(matches, 0)
    if not number:
        raise ValueError(f"the severity of {kind} must be {severities[0]} to {severities[-1]} but is {value!r}")
    return number


def _collection(data: DataRecipe, name: str, settings: Any) -> DataRecipe:
    """Return the recipe of a collection for a network trained on `data`. Raises ValueError where it does not match."""
    if not isinstance(settings, Mapping) or not set(settings) <= set(COLLECTION_KEYS):
        raise ValueError(f"{name}: data must be a mapping with {', '.join(COLLECTION_KEYS)} but is {settings!r}")
    settings = {**_defaults(data, settings.get("name")), **settings}
    if settings.get("name") == "folder":
        settings["reading"] = data.reading_version  # as the training images are read
    try:
        collection = DataRecipe.model_validate(settings)
    except ValidationError as error:
        raise ValueError(f"{name}: {_describe_errors(error)}") from None
    if collection.shape != data.shape:
        theirs, ours = collection.shape, data.shape
        raise ValueError(
            f"{name}: data {collection.name} has {theirs.classes} classes and images of {theirs.size} pixels a side "
            f"and {theirs.channels} channel(s), but the network is for {ours.classes}, {ours.size} and {ours.channels}"
        )
    return collection


def _defaults(data: DataRecipe, name: Any) -> dict[str, Any]:
    """Return the settings that a collection called `name` takes from the training data unless its entry sets them."""
    fit = {"resize": data.resize, "center_crop": data.center_crop}
    if name in SHAPES:
        return fit
    decoded_to_size = data.name == "folder" and data.size is None and name == "folder"
    size = None if decoded_to_size else data.stored.size
    return {"size": size, "channels": data.shape.channels, "classes": data.shape.classes, **fit}


def _describe_errors(error: ValidationError) -> str:
    """Return pydantic's errors on one line, each with its key."""
    errors = [(".".join(("data", *map(str, detail["loc"]))), detail["msg"]) for detail in error.errors()]
    return "; ".join(f"{key}: {message.removeprefix('Value error, ')}" for key, message in errors)
