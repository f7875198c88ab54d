from __future__ import annotations

import math

import pytest

from cifar_sweep.recipe.regularization import EarlyStopping
from cifar_sweep.training.early_stopping import Patience


def stopped_after(accuracies: list[float | None], **rule: float) -> int | None:
    """How many epochs are trained; None: all."""
    patience = Patience(EarlyStopping(**rule))
    return next((epoch for epoch, seen in enumerate(accuracies, 1) if patience.stops(epoch, seen)), None)


@pytest.mark.parametrize(
    ("accuracies", "rule", "epochs"),
    [
        ([10, 20, 19, 18, 30], {"patience": 2}, 4),
        ([10, 20, 19, 21, 20, 19], {"patience": 2}, 6),
        ([10, 20, 20, 20], {"patience": 2}, 4),  # as good is not better
        ([10, 11, 12, 13], {"patience": 2, "min_delta": 5}, 3),
        ([10, 13, 16, 19], {"patience": 2, "min_delta": 5}, None),  # small steps add up against the best
        ([10, math.nan, math.nan], {"patience": 2}, 3),
        ([math.nan, 5, 4, 3], {"patience": 2}, 4),
        ([10, 9, 8, 7], {}, None),
        ([10, 20, 30, 40], {"stop_epoch": 3}, 3),
        ([10, 9, 40, 50], {"stop_epoch": 3, "patience": 1}, 2),
        ([None, None, None], {"patience": 1, "stop_epoch": 2}, 2),
        ([None, None, None], {"patience": 1}, None),  # with nothing held out there is nothing to watch
    ],
)
def test_training_ends_when_patience_or_the_epochs_do(accuracies: list, rule: dict, epochs: int | None):
    assert stopped_after(accuracies, **rule) == epochs


def test_resumed_patience_equals_uninterrupted():
    first = Patience(EarlyStopping(patience=3))
    assert not any(first.stops(epoch, seen) for epoch, seen in enumerate([50.0, 40.0, 41.0], 1))
    second = Patience(EarlyStopping(patience=3))
    second.load_state_dict(first.state_dict())
    assert (second.best, second.waited) == (50.0, 2)
    assert second.stops(4, 45.0)
