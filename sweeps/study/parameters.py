"""The section `parameters` of a study file, and the dimension that each parameter means.

The words are W&B's where they mean the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from sweeps.io.errors import unknown
from sweeps.io.paths import KeyPath, Violation, plainly, shown
from sweeps.space.foreign import REASONS, instead
from sweeps.space.space import Categorical, Dimension, Numeric
from sweeps.study.problems import RuleError
from sweeps.study.sections import Finite, Listed, Section, plain

Distribution = Literal[
    "constant", "categorical", "int_uniform", "uniform", "q_uniform", "log_uniform_values", "q_log_uniform_values"
]
DISTRIBUTIONS: tuple[str, ...] = get_args(Distribution)

MAX_PARAMETERS = 100
MAX_CASES = 100_000
"""The most combinations of values that conditions may name: the size of a space is counted case by case."""
MAX_BOUND = 1e30
"""The largest bound of a range: the report's estimators of importance count in single precision."""
MAX_STEPS = 1e15
"""The largest bound in steps of q: whole numbers up to here are exact as floats."""

_SHAPES = {"mu", "sigma", "a", "b", "probabilities"}
_WORDS = {"distribution", "values", "value", "min", "max", "q", "when"} | _SHAPES


def _known(name: Any) -> Any:
    """Validate the name of a distribution."""
    if name is None or name in DISTRIBUTIONS:
        return name
    raise ValueError(unknown("distribution", str(name), DISTRIBUTIONS))


class Parameter(Section):
    """How one setting is searched: `value`, `values`, or `min` and `max`, with an optional `distribution`."""

    hints = {  # noqa: RUF012  (pydantic leaves a ClassVar of the base alone)
        **dict.fromkeys(
            _SHAPES - {"probabilities"}, "the distributions that take it are not offered: write min and max"
        ),
        "probabilities": "is not offered: every value has the same chance",
    }

    distribution: Annotated[Distribution | None, BeforeValidator(_known)] = None
    """How values are drawn; default: categorical for `values`, int_uniform between integers, uniform otherwise."""
    value: Any = None
    """The only value, of a setting that does not vary."""
    values: Listed[Any] | None = None
    """The values to choose from: any YAML, lists included; mappings where the key names a section."""
    min: Finite | None = None
    """Lowest value, inclusive."""
    max: Finite | None = None
    """Highest value, inclusive."""
    q: Finite | None = None
    """Step of q_uniform and q_log_uniform_values."""
    when: dict[str, Listed[Any]] = Field(default_factory=dict)
    """Condition: search this setting only where each of these searched settings has one of the values named here."""

    @property
    def kind(self) -> str:
        """The distribution, inferred where it is not written."""
        if self.distribution is not None:
            return self.distribution
        if "value" in self.model_fields_set:  # by the key, because `value: null` is a constant too
            return "constant"
        if self.values is not None:
            return "categorical"
        return "int_uniform" if isinstance(self.min, int) and isinstance(self.max, int) else "uniform"

    def written(self) -> dict[str, Any]:
        """Return the parameter as plain data, without the words that are not given. `value: null` is given."""
        words = {word: value for word, value in self.model_dump().items() if value is not None and value != {}}
        return plain({**words, "value": self.value} if self.kind == "constant" else words)  # type: ignore[no-any-return]

    def dimension(self, key: str) -> Dimension | None:
        """Return the dimension of the space that this parameter means; None for a constant without a condition."""
        if self.kind == "constant":
            return Categorical(key=key, when=self.when, values=(self.value,)) if self.when else None
        if self.kind == "categorical":
            return Categorical(key=key, when=self.when, values=self.values or ())
        assert self.min is not None
        assert self.max is not None
        all_integers = all(isinstance(number, int) for number in (self.min, self.max, self.q))
        return Numeric(
            key=key,
            when=self.when,
            low=self.min,
            high=self.max,
            log="log" in self.kind,
            step=1 if self.kind == "int_uniform" else self.q if self.kind == "q_uniform" else None,
            integer=self.kind == "int_uniform" or (self.kind.startswith("q_") and all_integers),
            quantum=self.q if self.kind == "q_log_uniform_values" else None,
        )

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and (rule := instead(data)) is not None:
            raise RuleError([(("distribution",) if data.get("distribution") in REASONS else (), rule)])
        return data

    @model_validator(mode="after")
    def _complete(self) -> Parameter:
        words = [name for name in ("value", "values", "min", "max") if name in self.model_fields_set]
        if words not in (["value"], ["values"], ["min", "max"]):
            raise RuleError([(tuple(words[-1:]), f"give value, values, or min and max; {_are_given(words)}")])
        violations = [*self._wrong_words(words[0])]
        if not violations:
            violations += _wrong_values(self.values) if self.values is not None else []
            violations += self._wrong_range() if self.min is not None and self.max is not None else []
        if violations:
            raise RuleError(violations)
        return self

    def _wrong_words(self, first: str) -> Iterator[Violation]:
        """The words that do not go with the distribution; `first` is "value", "values" or "min"."""
        required = {"constant": "value", "categorical": "values"}.get(self.kind, "min")
        if required != first:
            words = "min and max" if required == "min" else required
            yield ("distribution",), f"{self.kind} takes {words}, not {first}"
        if first == "min" and (self.min is None or self.max is None):
            yield ("min" if self.min is None else "max",), "must be a number but got None"
        if first == "values" and self.values is None:
            yield ("values",), "must be a list but got None"
        quantised = self.kind.startswith("q_")
        if quantised and self.q is None:
            yield ("distribution",), f"{self.kind} needs q, the step"
        if not quantised and self.q is not None:
            yield from self._without_q(first)

    def _without_q(self, first: str) -> Iterator[Violation]:
        """What to write where q is given to a distribution without steps."""
        if first != "min":
            yield ("q",), f"is the step between min and max: leave it out beside {first}"
            return
        stepped = "q_log_uniform_values" if "log" in self.kind else "q_uniform"
        yield ("q",), f"{self.kind} takes no q: write distribution: {stepped}"
        if self.min is not None and self.max is not None and self.q is not None and self.q > 0:
            yield from _off_step({"min": self.min, "max": self.max}, self.q, least=1 if "log" in self.kind else None)

    def _wrong_range(self) -> Iterator[Violation]:
        assert self.min is not None
        assert self.max is not None
        if self.min >= self.max:
            yield ("min",), f"must be below max but got min {self.min} and max {self.max}"
        elif max(-self.min, self.max) > MAX_BOUND:
            name = "max" if self.max > MAX_BOUND else "min"
            yield (name,), f"must be within -{MAX_BOUND:g} and {MAX_BOUND:g} but got {getattr(self, name)}"
        elif "log" in self.kind and self.min <= 0:
            yield ("min",), f"must be above 0 for {self.kind} but got {self.min}"
        if self.kind == "int_uniform":
            yield from _not_whole({"min": self.min, "max": self.max})
        if self.q is not None and self.q <= 0:
            yield ("q",), f"must be above 0 but got {self.q}"
        elif self.q is not None:
            yield from _off_step({"min": self.min, "max": self.max}, self.q, least=1 if "log" in self.kind else None)


def written_parameters(raw: Any, path: KeyPath = (), prefix: str = "") -> Iterator[tuple[str, KeyPath]]:
    """Yield the dotted key of each parameter and its path in the file.

    Groups of parameters may nest, with or without W&B's `parameters` in between.

    Args:
        raw: The section `parameters` as in the file, or a group in it.
        path: The path of `raw` in the section.
        prefix: The dotted key of `raw`, with its final dot.

    Example:
        >>> list(written_parameters({"optimizer": {"parameters": {"lr": {"min": 0.1, "max": 1}}}}))
        [('optimizer.lr', ('optimizer', 'parameters', 'lr'))]
    """
    for name, node in raw.items() if isinstance(raw, Mapping) else ():
        key, place = f"{prefix}{name}", (*path, name)
        if isinstance(node, Mapping) and set(node) == {"parameters"}:
            yield from written_parameters(node["parameters"], (*place, "parameters"), f"{key}.")
        elif _is_group(node):
            yield from written_parameters(node, place, f"{key}.")
        else:
            yield key, place


def flatten(raw: Any) -> Any:
    """Return the section `parameters` by dotted key, with the conditions as lists of values.

    Args:
        raw: The section as in the file; anything but a mapping is returned as it is, for pydantic to refuse.

    Raises:
        RuleError: A key is given twice, or there are more parameters or conditions than can be searched or counted.
    """
    if not isinstance(raw, Mapping):
        return raw
    specs: dict[str, Any] = {}
    duplicates: list[Violation] = []
    for key, path in written_parameters(raw):
        if key in specs:
            duplicates.append((path, f"{key} is already given above"))
        specs[key] = _at(raw, path)
    if duplicates:
        raise RuleError(duplicates)
    if len(specs) > MAX_PARAMETERS:
        raise RuleError([((), f"are {len(specs):,} settings; at most {MAX_PARAMETERS} can be searched at once")])
    flat = {key: _with_lists(spec, specs) for key, spec in specs.items()}
    if _cases(flat.values()) > MAX_CASES:
        raise RuleError(
            [((), f"have conditions that tell apart more than {MAX_CASES:,} cases: name fewer values in when")]
        )
    return flat


def written_path(raw: Any, key: str) -> KeyPath:
    """Return the path, from the top of a study file, of the parameter with the dotted `key`.

    Args:
        raw: The section `parameters` as in the file.
        key: The dotted key; one that the file does not have is taken to stand directly under `parameters`.
    """
    return ("parameters", *dict(written_parameters(raw)).get(key, (key,)))


def _is_group(node: Any) -> bool:
    if not isinstance(node, Mapping) or not node or _WORDS & set(node):
        return False
    return all(isinstance(inner, Mapping) for inner in node.values())


def _at(raw: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        raw = raw[part]
    return raw


def _with_lists(spec: Any, specs: Mapping[str, Any]) -> Any:
    """Return `spec` with its condition's values as lists.

    `when: {widths: [8, 8]}` is ambiguous: a list is one value if the parent has it among its values, several if not.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("when"), Mapping):
        return spec
    when = {}
    for parent, condition in spec["when"].items():
        options = specs[parent].get("values") if isinstance(specs.get(parent), Mapping) else None
        is_value = isinstance(options, list | tuple) and condition in options
        when[parent] = [condition] if is_value or not isinstance(condition, list | tuple) else condition
    return {**spec, "when": when}


def _cases(specs: Iterable[Any]) -> int:
    """Return an upper bound on the combinations of the values that conditions name."""
    named: dict[Any, list[str]] = {}
    for spec in specs:
        conditions = spec.get("when") if isinstance(spec, Mapping) else None
        for parent, values in conditions.items() if isinstance(conditions, Mapping) else ():
            named.setdefault(parent, []).extend(map(repr, values))
    return math.prod(1 + len(set(values)) for values in named.values())  # 1: any value that is not named


def _wrong_values(values: Sequence[Any]) -> Iterator[Violation]:
    if not values:
        yield ("values",), "must name at least two values but is empty"
    if len(values) == 1:
        yield ("values", 0), f"a single value does not vary: write value: {plainly(values[0])}"
    for index, value in enumerate(values):
        first = values.index(value)
        if first < index and repr(values[first]) == repr(value):
            yield ("values", index), f"{shown(value)} is given twice"
        elif first < index:
            yield ("values", index), f"{shown(value)} equals {shown(values[first])}: the sampler cannot tell them apart"


def _not_whole(bounds: Mapping[str, float]) -> Iterator[Violation]:
    for name, bound in bounds.items():
        if not isinstance(bound, int):
            yield (name,), f"int_uniform takes whole numbers but got {bound}; or write distribution: uniform"


def _off_step(bounds: Mapping[str, float], q: float, least: int | None) -> Iterator[Violation]:
    """The bounds that are no multiples of `q`, up to rounding, each with the nearest that makes a range.

    Args:
        bounds: The bounds by name, the lower one first.
        q: The step.
        least: The lowest step that is allowed, from 0; None for any.
    """
    for name, bound in bounds.items():
        if not abs(bound / q) <= MAX_STEPS:
            yield (name,), f"is too many steps of q = {q} from 0, got {bound}: give a larger q"
            continue
        nearest = round(bound / q)
        if not math.isclose(bound / q, nearest, rel_tol=1e-9, abs_tol=1e-9):
            nearest = nearest if least is None else max(nearest, least)
            yield (name,), f"must be a multiple of q = {q} but got {bound}; the nearest is {nearest * q:.12g}"
        least = nearest + 1


def _are_given(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} given" if names else "none is given"
