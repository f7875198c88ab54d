"""Parse YAML to plain data with the place of every value, within limits and without tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from sweeps.io.paths import KeyPath, dotted
from sweeps.study.problems import Mistake, StudyError, failure

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 5_000  # with aliases expanded; the checks of a study take time that grows with the square of it
MAX_DIGITS = 18  # so that integers fit the signed 64-bit integers of the storage

_TAG = "tag:yaml.org,2002:"
_NUMBERS = {f"{_TAG}int", f"{_TAG}float"}
_WORDS = {f"{_TAG}bool", f"{_TAG}null"}
# The exceptions that ruamel's pure loader raises on broken text besides YAMLError, found by fuzzing: bad escapes
# (ValueError, OverflowError), incomplete directives and tags (the others).
_BROKEN = (ValueError, OverflowError, RecursionError, LookupError, AttributeError, TypeError, AssertionError)

# Control characters, which a terminal would obey; lone surrogates; line separators and bidirectional overrides, which
# make a text look like another. Plain marks of direction (U+200E, U+200F) may be meant and are read.
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # JSON's escapes of one character, such as \ud83d\ude00

Place = Callable[[int], str]  # line number, from 1 -> the place that messages name


class LimitError(Exception):
    """The text exceeds a limit, or has a tag: the line, from 1, and the rule."""

    def __init__(self, line: int, rule: str) -> None:
        self.line, self.rule = line, rule
        super().__init__(rule)


def load(text: str, place: Place) -> tuple[Any, dict[KeyPath, str]]:
    """Parse YAML 1.2.

    Args:
        text: The YAML.
        place: Line number, from 1 -> the place that messages name.

    Returns:
        The data (dicts with text as keys, lists, text, finite numbers, truth values, None), and the place of each path.

    Raises:
        StudyError: The text is not YAML, exceeds a limit, or has tags, merge keys, duplicate keys, keys that are not
            text, numbers that are not finite, or control characters.
    """
    if len(text) > MAX_BYTES:
        raise failure(place(1), too_large())
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _BoundedComposer
    builder = _Builder(yaml, place)
    try:
        data = builder.build(_compose(yaml, text, place), (), 1)
    except LimitError as limit:
        raise failure(place(limit.line), limit.rule) from None
    if builder.mistakes:
        raise StudyError(builder.mistakes)
    return data, builder.places


def _compose(yaml: YAML, text: str, place: Place) -> Any:
    try:
        return yaml.compose(text)
    except MarkedYAMLError as error:
        raise failure(place(_line(error)), _syntax(error)) from None
    except YAMLError as error:
        raise failure(place(1), f"is not YAML: {str(error).splitlines()[0]}") from None
    except _BROKEN as error:
        raise failure(place(1), f"is not YAML: {error}") from None


class _BoundedComposer(Composer):
    """Refuses tags and enforces the limits while composing, so that the rest of a hostile text is never parsed."""

    nodes = 0
    nesting = 0

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # YAML allows an anchor to be redefined: an alias means the latest

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        line = event.start_mark.line + 1
        self.nodes += 1
        self.nesting += 1
        _within_limits(self.nodes, self.nesting, line)
        if not isinstance(event, AliasEvent) and event.ctag is not None:
            raise LimitError(line, f"tags are not read ({event.ctag}); write the plain value")
        node = super().compose_node(parent, index)
        self.nesting -= 1
        return node


class _Builder:
    """Converts nodes to plain data. Expands and counts aliases; collects the mistakes that leave the rest readable."""

    def __init__(self, yaml: YAML, place: Place) -> None:
        self._constructor = yaml.constructor
        self._place = place
        self._nodes = 0
        self.places: dict[KeyPath, str] = {}
        self.mistakes: list[Mistake] = []

    def build(self, node: Any, path: KeyPath, depth: int) -> Any:
        line = node.start_mark.line + 1 if node is not None else 1
        self._nodes += 1
        _within_limits(self._nodes, depth, line)
        self.places.setdefault(path, self._place(line))
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return self._scalar(node, path) if node is not None else None

    def _mapping(self, node: MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._key(key_node, path, line)
            if key is None:
                continue
            if key in data:
                self._refuse((*path, key), line, f"duplicate key; it was first written at {self.places[*path, key]}")
                continue
            self.places[*path, key] = self._place(line)
            data[key] = self.build(value_node, (*path, key), depth + 1)
        return data

    def _key(self, node: Any, path: KeyPath, line: int) -> str | None:
        if isinstance(node, ScalarNode) and node.tag not in _NUMBERS | _WORDS | {f"{_TAG}merge"}:
            return self._text(node.value, path, line)
        if node.tag == f"{_TAG}merge":
            self._refuse(path, line, "merge keys (<<) are not read; write the settings out")
        else:
            self._refuse(path, line, f"keys must be text; quote it: {node.value!r}")
        return None

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        if node.tag in _NUMBERS:
            return self._number(node, path, line)
        if node.tag in _WORDS:
            return self._constructor.construct_object(node)
        return self._text(node.value, path, line)  # dates too, which the loader would convert

    def _number(self, node: ScalarNode, path: KeyPath, line: int) -> int | float:
        text = node.value.replace("_", "")
        if node.tag == f"{_TAG}int":
            # Longer literals are refused unconverted: Python raises ValueError beyond 4,300 digits. The factor 4 leaves
            # room for other bases: in binary, 10^18 has 60 digits.
            number = self._constructor.construct_object(node) if len(text) <= 4 * MAX_DIGITS else 10**MAX_DIGITS
            if abs(number) >= 10**MAX_DIGITS:
                self._refuse(path, line, f"integers have at most {MAX_DIGITS} digits")
            return int(number)
        number = float(self._constructor.construct_object(node))
        if number - number != 0:  # infinite, or not a number
            self._refuse(path, line, f"must be a finite number but got {node.value}")
        return number

    def _text(self, text: str, path: KeyPath, line: int) -> str:
        text = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
        if match := _UNREADABLE.search(text):
            self._refuse(path, line, f"has the control character U+{ord(match[0]):04X}, which is not read")
        return str(text)

    def _refuse(self, path: KeyPath, line: int, rule: str) -> None:
        self.mistakes.append(Mistake(self._place(line), dotted(path), rule))


def _within_limits(nodes: int, depth: int, line: int) -> None:
    if depth > MAX_DEPTH:
        raise LimitError(line, f"is nested deeper than {MAX_DEPTH} levels")
    if nodes > MAX_NODES:
        raise LimitError(line, f"has more than {MAX_NODES:,} values, aliases expanded")


def _syntax(error: MarkedYAMLError) -> str:
    """Return the rule of YAML that a text breaks."""
    problem = str(error.problem or error.context)
    if "another document" in problem:
        return "begins a second document (---); a study file is one: leave out what is above or below this line"
    return f"is not YAML: {problem}" + ("; indent with blanks, not with tabs" if r"'\t'" in problem else "")


def _line(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def too_large() -> str:
    """Return the rule that a text over the limit breaks."""
    return f"is larger than {MAX_BYTES >> 20} MiB"
