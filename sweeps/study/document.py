"""Read, edit and write study files as plain data with the line of every value.

A study file may come from anyone, so nothing in it may run code, exhaust memory or raise an exception of a library:
every failure to read is a StudyError.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from sweeps.io.paths import KeyPath, dotted
from sweeps.study.problems import Mistake, StudyError, failure
from sweeps.study.yaml import MAX_BYTES, load, too_large

TOP_LEVEL = (
    "name", "question", "workload", "baseline", "constraints", "method", "metric", "run_cap", "parameters", "toggles",
    "warm_start", "early_terminate", "confirm", "ablation", "final", "evaluate", "device", "resources", "budget",
    "seed", "trial_timeout", "checkpoint_every",
)  # fmt: skip
"""The keys of a study file, in the order in which they are written."""


@dataclass(frozen=True)
class Document:
    """The data of a study file, with the place where each value was written.

    Attributes:
        name: The name of the file in messages.
        data: The data: dicts, lists, text, finite numbers, truth values and None.
        places: Path of a value -> its place, "file:line" or the name of an option.
    """

    name: str
    data: dict[str, Any]
    places: Mapping[KeyPath, str]

    def place(self, path: Sequence[str | int]) -> str:
        """Return where the value at `path` was written; for a missing value, where its section was written."""
        for end in range(len(path), 0, -1):
            if (place := self.places.get(tuple(path[:end]))) is not None:
                return place
        return self.places.get((), f"{self.name}:1")

    def mistake(self, path: Sequence[str | int], rule: str) -> Mistake:
        """Return the mistake of breaking `rule` at `path`."""
        return Mistake(self.place(path), dotted(path), rule)

    def put(self, path: Sequence[str], value: Any, place: str) -> Document:
        """Return a copy with `value` at `path`.

        Args:
            path: Keys of nested mappings. Missing sections are created; a value in the way is replaced by a section.
            value: Plain data.
            place: Where messages say that the value was written.
        """
        data = copy.deepcopy(self.data)
        node = data
        for part in path[:-1]:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[path[-1]] = value
        other_places = {other: line for other, line in self.places.items() if other[: len(path)] != tuple(path)}
        return Document(self.name, data, {**other_places, tuple(path): place})


def read(path: Path) -> Document:
    """Read a study file.

    Raises:
        StudyError: There is no such file, it cannot be read, or it is not YAML within the limits.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # one more than allowed, to tell a file over the limit
    except FileNotFoundError:
        raise failure(name, "no such file") from None
    except IsADirectoryError:
        raise failure(name, "is a folder; name a study file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise failure(name, f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise failure(name, too_large())
    try:
        return from_text(content.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise failure(f"{name}:{line}", f"is not UTF-8 text (byte 0x{content[error.start]:02x})") from None


def from_text(text: str, name: str) -> Document:
    """Parse the text of a study file.

    Args:
        text: YAML.
        name: The name of the file in messages.

    Raises:
        StudyError: `text` is empty, not YAML within the limits of `sweeps.study.yaml`, or not a mapping.
    """
    if not text.strip():
        raise failure(name, "is empty; a study needs at least name, question, workload and metric")
    data, places = load(text, lambda line: f"{name}:{line}")
    if not isinstance(data, dict):
        raise failure(f"{name}:1", f"must be a mapping of settings (name: …), not a {_kind(data)}")
    return Document(name, data, places)


def value(text: str, place: str) -> Any:
    """Parse one value from the command line as YAML, within the same limits.

    Args:
        text: YAML; blank text is None.
        place: Where messages say that the value was written, such as "--set epochs".

    Raises:
        StudyError: `text` is not YAML within the limits.
    """
    return load(text, lambda _: place)[0] if text.strip() else None


def edit(document: Document, assignments: Sequence[str]) -> Document:
    """Return a copy of `document` with settings replaced.

    Args:
        document: The study file.
        assignments: "KEY=VALUE" each, as after the option --set; VALUE is YAML. A key whose first part is a key of
            study files (`run_cap`, `baseline.epochs`, `parameters.optimizer.lr.min`) means that setting. Any other
            (`epochs`, `model.widths`) is a setting of the recipe and means `baseline.KEY`; so a recipe's own `seed` is
            `baseline.seed`.

    Raises:
        StudyError: With all the mistakes, each naming its option.
    """
    mistakes: list[Mistake] = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        place = f"--set {key.strip()}"
        try:
            if not equals:
                raise failure(f"--set {assignment}", "write KEY=VALUE, as in --set run_cap=8")
            document = document.put(_locate(document.data, key.strip(), place), value(text, place), place)
        except StudyError as error:
            mistakes += error.mistakes
    if mistakes:
        raise StudyError(mistakes)
    return document


def write(data: Mapping[str, Any]) -> str:
    """Write plain data as YAML: keys in their order, short collections on one line.

    `from_text` of the result gives equal data.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 120
    stream = io.StringIO()
    yaml.dump(_Lines({key: _laid_out(inner) for key, inner in data.items()}), stream)
    return stream.getvalue()


_BREAKS = frozenset("\r\x85\u2028\u2029\ufeff")


class _Lines(dict[str, Any]):
    """A mapping written with one line per key."""


class _Line(dict[str, Any]):
    """A mapping written on one line."""


class _Representer(SafeRepresenter):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # an object that occurs twice is written twice, not as an anchor and an alias

    def represent_text(self, data: str) -> Any:
        # Unquoted, ruamel writes some line breaks and indicators in a way that it reads back differently.
        plain = (data[:1].isalnum() or data[:1] == "_") and not _BREAKS & set(data)
        style = None if plain else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def represent_laid_out(self, data: _Lines | _Line) -> Any:
        return self.represent_mapping("tag:yaml.org,2002:map", data, flow_style=isinstance(data, _Line))


_Representer.add_representer(str, _Representer.represent_text)
_Representer.add_representer(_Lines, _Representer.represent_laid_out)
_Representer.add_representer(_Line, _Representer.represent_laid_out)


def _laid_out(section: Any) -> Any:
    """Lay out a section: one line per key where it holds mappings, otherwise one line in all."""
    if not isinstance(section, Mapping) or not any(isinstance(inner, Mapping) for inner in section.values()):
        return section
    return _Lines({key: _Line(inner) if isinstance(inner, Mapping) else inner for key, inner in section.items()})


def _locate(data: Mapping[str, Any], key: str, place: str) -> list[str]:
    """Return the path that a dotted key means.

    The file may have keys with dots in them: of several readings, the longest key that is there wins.
    """
    parts = key.split(".")
    if not all(parts):
        raise failure(place, "a key is words joined by single dots")
    if parts[0] not in TOP_LEVEL:
        parts = ["baseline", *parts]
    path: list[str] = []
    node: Any = data
    while parts:
        if not isinstance(node, dict | None):
            raise failure(place, f"{dotted(path)} is a {_kind(node)}, not a section: set it whole")
        section = node or {}
        length = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in section), 1)
        path.append(".".join(parts[:length]))
        node, parts = section.get(path[-1]), parts[length:]
    return path


def _kind(data: Any) -> str:
    return {list: "list", str: "text", bool: "truth value", dict: "mapping"}.get(type(data), "number")
