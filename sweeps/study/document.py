"""A study file as plain data that remembers its lines, read within limits.

The text comes from anyone, so nothing in it may run code, exhaust memory or escape as a foreign exception: every
failure to read is a StudyError.
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
    "early_terminate", "confirm", "ablation", "final", "evaluate", "resources", "budget", "seed", "trial_timeout",
)  # fmt: skip
"""The keys of a study file, in the order in which they are written."""


@dataclass(frozen=True)
class Document:
    """A study file's data, and where each of its values was written. `name` is how messages call the file."""

    name: str
    data: dict[str, Any]
    places: Mapping[KeyPath, str]

    def place(self, path: Sequence[str | int]) -> str:
        """Where `path` was written, as "file:line"; for a value that is missing, where its section was."""
        for end in range(len(path), 0, -1):
            if (known := self.places.get(tuple(path[:end]))) is not None:
                return known
        return self.places.get((), f"{self.name}:1")

    def mistake(self, path: Sequence[str | int], rule: str) -> Mistake:
        """A mistake at `path`."""
        return Mistake(self.place(path), dotted(path), rule)

    def put(self, path: Sequence[str], value: Any, place: str) -> Document:
        """A copy with `value` at `path`, its sections created where missing; messages then name `place`."""
        data = copy.deepcopy(self.data)
        node = data
        for part in path[:-1]:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[path[-1]] = value
        kept = {known: line for known, line in self.places.items() if known[: len(path)] != tuple(path)}
        return Document(self.name, data, {**kept, tuple(path): place})


def read(path: Path) -> Document:
    """The document in a file. Raises StudyError when it cannot be read within the limits."""
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
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
    """The document in `text`; messages call it `name`. Raises StudyError."""
    if not text.strip():
        raise failure(name, "is empty; a study needs at least name, question, workload and metric")
    data, places = load(text, lambda line: f"{name}:{line}")
    if not isinstance(data, dict):
        raise failure(f"{name}:1", f"must be a mapping of settings (name: …), not a {_kind(data)}")
    return Document(name, data, places)


def value(text: str, place: str) -> Any:
    """One value given on a command line, read as YAML under the same limits. Raises StudyError naming `place`."""
    return load(text, lambda _: place)[0] if text.strip() else None


def edit(document: Document, assignments: Sequence[str]) -> Document:
    """`document` with each "key=value" put in; the value is YAML.

    A key whose first part is a key of study files (`run_cap`, `baseline.epochs`, `parameters.optimizer.lr.min`) means
    that; any other (`epochs`, `model.widths`) is a recipe setting and means `baseline.<key>`. So a recipe's own `seed`
    is `baseline.seed`. Raises StudyError with all the mistakes, each naming its option.
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
    """Plain data as YAML in the order of its keys, short collections on one line; read back, it is equal."""
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
    """A mapping written with a line for each key."""


class _Line(dict[str, Any]):
    """A mapping written on one line."""


class _Representer(SafeRepresenter):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> Any:
        # In other styles ruamel leaves some line breaks bare and some indicators unquoted, and reads them back changed.
        plain = (data[:1].isalnum() or data[:1] == "_") and not _BREAKS & set(data)
        style = None if plain else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def represent_laid_out(self, data: _Lines | _Line) -> Any:
        return self.represent_mapping("tag:yaml.org,2002:map", data, flow_style=isinstance(data, _Line))


_Representer.add_representer(str, _Representer.represent_text)
_Representer.add_representer(_Lines, _Representer.represent_laid_out)
_Representer.add_representer(_Line, _Representer.represent_laid_out)


def _laid_out(section: Any) -> Any:
    """A section that holds mappings gets a line for each of its keys; any other fits on one."""
    if not isinstance(section, Mapping) or not any(isinstance(inner, Mapping) for inner in section.values()):
        return section
    return _Lines({key: _Line(inner) if isinstance(inner, Mapping) else inner for key, inner in section.items()})


def _locate(data: Mapping[str, Any], key: str, place: str) -> list[str]:
    """The path that a dotted key means; a key already written with dots in the file is found as it stands."""
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
        known = node or {}
        length = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in known), 1)
        path.append(".".join(parts[:length]))
        node, parts = known.get(path[-1]), parts[length:]
    return path


def _kind(data: Any) -> str:
    return {list: "list", str: "text", bool: "truth value", dict: "mapping"}.get(type(data), "number")
