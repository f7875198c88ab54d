"""The section `early_terminate` of a study file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from sweeps.io.paths import Violation
from sweeps.study.problems import RuleError
from sweeps.study.sections import Section


class EarlyTerminate(Section):
    """Stop unpromising trials early. docs/early-termination.md compares the rules."""

    hints: ClassVar[Mapping[str, str]] = {"s": "is W&B's number of brackets: write type: hyperband and brackets"}
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "asha": {"mode": None, "min_iter": None, "max_iter": None, "eta": None},
        "hyperband": {"mode": None, "min_iter": None, "max_iter": None, "eta": None, "brackets": None},
        "median": {"min_iter": 1, "min_trials": 5},
        "one_epoch": {"epochs": 1, "top": 3},
    }
    stopping: ClassVar[Mapping[str, int]] = {"min_iter": 1, "eta": 3}
    """The defaults of asha and hyperband with mode stop. Those of mode promote are settled when a study begins."""

    type: Literal["asha", "hyperband", "median", "one_epoch"] = "asha"
    """asha: successive halving; hyperband: successive halving in several brackets; median: stop a trial that is worse
    than the median of the others; one_epoch: train all trials for a few epochs, then only the best to the end."""
    mode: Literal["promote", "stop"] | None = None
    """promote (the default): every trial pauses at its rung with a checkpoint, and the best of those that wait go on;
    stop: a trial that is behind at its rung ends. For asha and hyperband."""
    min_iter: Annotated[int, Field(ge=1)] | None = None
    """Judge no trial before this epoch; default 1, with mode promote what fits the size of the search. For asha,
    hyperband and median."""
    max_iter: Annotated[int, Field(ge=2)] | None = None
    """Epochs of a full trial; default: the recipe's `epochs`. For asha and hyperband."""
    eta: Annotated[int, Field(ge=2)] | None = None
    """One trial in `eta` continues after each rung; default 2 with mode promote and 3 with mode stop. For asha and
    hyperband."""
    brackets: Annotated[int, Field(ge=1)] | None = None
    """Number of brackets, each starting `eta` times as late as the one before; default: all that fit. For hyperband."""
    min_trials: Annotated[int, Field(ge=1)] | None = None
    """Stop no trial before this many others have reached its epoch; default 5. For median."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Epochs that all trials train for; default 1. For one_epoch."""
    top: Annotated[int, Field(ge=1)] | None = None
    """Number of trials that train to the end; default 3. For one_epoch."""

    @property
    def promotes(self) -> bool:
        """Whether trials pause at their rungs and the best go on, rather than stop for good."""
        return self.mode == "promote"

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        """Fill in the defaults of the type."""
        if not isinstance(data, Mapping):
            return data
        settings = {key: value for key, value in data.items() if value is not None}
        kind = settings.get("type", "asha")
        defaults = cls.defaults.get(kind, {}) if isinstance(kind, str) else {}
        return {
            **defaults,
            **(cls.stopping if settings.get("mode") == "stop" and "mode" in defaults else {}),
            **settings,
        }

    @model_validator(mode="after")
    def _consistent(self) -> EarlyTerminate:
        if violations := [*self._of_other_types(), *self._unordered()]:
            raise RuleError(violations)
        return self

    def _of_other_types(self) -> Iterator[Violation]:
        """The settings that belong to other types."""
        accepted = self.defaults[self.type]
        for key in type(self).model_fields:
            if key != "type" and key not in accepted and getattr(self, key) is not None:
                types = " and ".join(kind for kind, settings in self.defaults.items() if key in settings)
                yield (key,), f"is a setting of {types}, but type is {self.type}, which takes: {', '.join(accepted)}"

    def _unordered(self) -> Iterator[Violation]:
        if self.max_iter is not None and self.min_iter is not None and self.min_iter >= self.max_iter:
            yield ("min_iter",), f"must be below max_iter = {self.max_iter} but got {self.min_iter}"
