"""What a new study file is made from."""

from __future__ import annotations

from dataclasses import dataclass

TRIALS = 60
"""The number of trials of the search where no size is chosen."""


@dataclass(frozen=True)
class Choices:
    """The choices for a new study file; None leaves a choice to its default.

    Attributes:
        name: The name of the study.
        question: The question that the study answers.
        data: The value of the recipe's setting `data.name`.
        model: The value of the recipe's setting `model.name`.
        budget: A number of parameters such as "5M", or any constraint such as "macs <= 250M"; None: no limit.
        epochs: The value of the recipe's setting `epochs`.
        device: The device of the trials.
        search: The parameters to search, as `sweeps.validation.authoring.extend` takes them. None: the learning rate,
            if `toggles` is empty too.
        toggles: The toggles to search.
        ablate: The toggles to ablate. None: the first ones that change the baseline.
        trials: The number of trials of the search; without it and `trainings`, `TRIALS`.
        trainings: The size of the search in full trainings of the baseline.
    """

    name: str
    question: str | None = None
    data: str | None = None
    model: str | None = None
    budget: str | None = None
    epochs: int | None = None
    device: str | None = None
    search: tuple[str, ...] | None = None
    toggles: tuple[str, ...] = ()
    ablate: tuple[str, ...] | None = None
    trials: int | None = None
    trainings: float | None = None
