"""The questions of `sweep new`: Enter takes the default, and an answer that cannot be is asked for again."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import typer

from sweeps.formatting import count, listed
from sweeps.io.errors import UserError, visible
from sweeps.study.problems import StudyError, failure
from sweeps.validation.draft.choices import TRIALS, Choices
from sweeps.validation.draft.compose import baseline_of, compose
from sweeps.validation.draft.defaults import (
    COMPONENTS,
    DATA,
    MODEL,
    default_of,
    effective_toggles,
    learning_rate,
    valid_names,
)
from sweeps.validation.draft.write import path_of
from sweeps.workload import Workload, load

DEVICES = ("auto", "cpu", "cuda", "mps")
DEFAULT_NAME, DONE = "my-study", "done"
NONE = "none"
"""The answer to have no limit, no search or no ablation."""


def on_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def asked(choices: Choices, workload: str, out: Path | None) -> Choices:
    """Ask for every choice that was not made, in the terminal of this process.

    Args:
        choices: The choices so far; the name is "" where none was given.
        workload: The name of the workload.
        out: The path of the file, where it is not to be studies/NAME.yaml.

    Raises:
        BadWorkload: The workload cannot be loaded.
        StudyError: A choice that was made cannot be.
        typer.Abort: The input has ended.
    """
    return _Dialogue(load(workload), out).complete(choices)


@dataclass(frozen=True)
class _Dialogue:
    """The questions about one study.

    Attributes:
        workload: The workload.
        out: The path of the file, if it was given.
    """

    workload: Workload
    out: Path | None

    def complete(self, choices: Choices) -> Choices:
        """Return the choices with the answers."""
        # What was given and cannot be is refused before the questions.
        if choices.name:
            path_of(choices.name, self.out)
        compose(replace(choices, name=choices.name or DEFAULT_NAME), self.workload)
        typer.echo("Enter takes the default in brackets; Ctrl-C ends and writes nothing.")
        if not choices.name:
            choices = _ask("Name of the study", DEFAULT_NAME, lambda text: self._named(choices, text))
        steps = (self._question, self._data, self._model, self._budget, self._epochs)
        for step in (*steps, self._device, self._search, self._ablate, self._size):
            choices = step(choices)
        return choices

    def _named(self, choices: Choices, text: str) -> Choices:
        path_of(text, self.out)
        return replace(choices, name=text)

    def _question(self, choices: Choices) -> Choices:
        if choices.question is not None:
            return choices
        default = compose(choices, self.workload).study.question
        return _ask("Question that it answers", default, lambda text: self._with(choices, question=text))

    def _data(self, choices: Choices) -> Choices:
        return self._setting(choices, "data", "Data set", DATA)

    def _model(self, choices: Choices) -> Choices:
        return self._setting(choices, "model", "Model", MODEL)

    def _setting(self, choices: Choices, field: str, label: str, key: str) -> Choices:
        default = default_of(self.workload, key, {}) if key in self.workload.schema.keys else None
        if getattr(choices, field) is not None or default is None:
            return choices
        names = valid_names(self.workload, key)
        return _ask(_label(label, names), str(default), lambda text: self._with(choices, **{field: text}))

    def _budget(self, choices: Choices) -> Choices:
        parameters = self._cost(choices).get("parameters")
        if choices.budget is not None or parameters is None:
            return choices
        label = f"Budget in parameters, such as 250k or 5M, or {NONE} (this baseline has {parameters:,})"

        def checked(text: str) -> Choices:
            return choices if text == NONE else self._with(choices, budget=text)

        answered = _ask(label, _rounded_up(parameters), checked)
        if narrowed := compose(answered, self.workload).narrowed:
            typer.echo(f"  The baseline: {narrowed} {answered.budget}.")
        return answered

    def _epochs(self, choices: Choices) -> Choices:
        default = default_of(self.workload, "epochs", {}) if "epochs" in self.workload.schema.keys else None
        if choices.epochs is not None or default is None:
            return choices
        return _ask("Epochs of a trial", str(default), lambda text: self._with(choices, epochs=_whole(text)))

    def _device(self, choices: Choices) -> Choices:
        if choices.device is not None:
            return choices
        return _ask(_label("Device", DEVICES), DEVICES[0], lambda text: self._with(choices, device=text))

    def _search(self, choices: Choices) -> Choices:
        if choices.search is not None or choices.toggles:
            return choices
        default = learning_rate(self.workload, self._settings(choices)) or NONE
        label = "Search: KEY=A..B, KEY=log:A..B, KEY=[A, B] or the name of a part"
        choices = _ask(f"{label}, or {NONE}", default, lambda text: self._searching(choices, text))
        while choices.search or choices.toggles:
            before = choices
            choices = _ask("Search another", DONE, partial(self._searching, before))
            if choices == before:
                break
        return choices

    def _searching(self, choices: Choices, text: str) -> Choices:
        if text in (NONE, DONE):
            return replace(choices, search=choices.search or ())
        if text in self.workload.toggles():
            return self._with(choices, search=choices.search or (), toggles=(*choices.toggles, text))
        return self._with(choices, search=(*(choices.search or ()), text))

    def _ablate(self, choices: Choices) -> Choices:
        parts = effective_toggles(self.workload, self._settings(choices))
        if choices.ablate is not None or not parts:
            return choices
        rest = [name for name in parts if name not in choices.toggles]
        default = ", ".join(rest[:COMPONENTS]) or NONE
        label = f"Ablate, of {listed(parts)}; or {NONE}"
        return _ask(label, default, lambda text: self._with(choices, ablate=_words(text)))

    def _size(self, choices: Choices) -> Choices:
        searches = choices.search or choices.toggles
        if choices.trials is not None or choices.trainings is not None or not searches:
            return choices
        label = "Size of the search: trials, or trainings of the baseline such as '20 trainings'"
        return _ask(label, count(TRIALS, "trial"), lambda text: self._sized(choices, text))

    def _sized(self, choices: Choices, text: str) -> Choices:
        number, _, unit = text.partition(" ")
        if unit.strip().startswith("training"):
            return self._with(choices, trainings=_number(number))
        if unit.strip() not in ("", "trial", "trials"):
            raise failure("", f"{text!r} is neither trials nor trainings")
        return self._with(choices, trials=_whole(number))

    def _with(self, choices: Choices, **changes: Any) -> Choices:
        """The choices with an answer, if a study can be made of them."""
        changed = replace(choices, **changes)
        compose(changed, self.workload)
        return changed

    def _settings(self, choices: Choices) -> dict[str, Any]:
        return baseline_of(choices, self.workload)

    def _cost(self, choices: Choices) -> dict[str, int]:
        schema = self.workload.schema
        return self.workload.cost(schema.validate(self._settings(choices)))


def _ask(label: str, default: str, checked: Callable[[str], Choices]) -> Choices:
    """Ask until the answer passes."""
    while True:
        answer = str(typer.prompt(label, default=default)).strip()
        try:
            return checked(answer)
        except StudyError as error:
            # Their places are options, which nobody gave here.
            for mistake in error.mistakes:
                typer.echo(f"  {visible(mistake.rule)}")
        except UserError as error:
            typer.echo(f"  {error}")


def _label(label: str, names: Sequence[str]) -> str:
    return f"{label} ({', '.join(names)})" if names else label


def _words(text: str) -> tuple[str, ...]:
    words = text.replace(",", " ").split()
    return () if words == [NONE] else tuple(words)


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise failure("", f"must be a whole number of 1 or more but got {text!r}")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 1 <= number < math.inf:
        raise failure("", f"must be a number of 1 or more but got {text!r}")
    return number


def _rounded_up(parameters: int) -> str:
    """The count with two significant digits, upwards: "2.8M"."""
    unit, suffix = (10**6, "M") if parameters >= 10**6 else (1000, "k") if parameters >= 1000 else (1, "")
    step = 10 ** max(0, math.floor(math.log10(parameters)) - 1)
    return f"{math.ceil(parameters / step) * step / unit:g}{suffix}"
