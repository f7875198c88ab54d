"""Early termination against the epochs of a trial."""

from __future__ import annotations

import pytest

from tests.sweeps.validation.blobs import SEARCH, report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("early_terminate: {min_iter: 2, max_iter: 11}", "max_iter: must not be above epochs = 10 but got 11"),
        ("early_terminate: {min_iter: 10}", "min_iter: must be below the trial's 10 epochs but got 10"),
        ("early_terminate: {type: median, min_iter: 10}", "min_iter: must be below the trial's 10 epochs but got 10"),
        (
            "method: random\nearly_terminate: {type: one_epoch, epochs: 10}",
            "early_terminate.epochs: must be below the trial's 10 epochs but got 10",
        ),
        ("early_terminate: {min_iter: 3}\nbaseline: {epochs: 3}", "must be below the trial's 3 epochs but got 3"),
        ("early_terminate: {min_iter: 2}\n", "searched epochs with early_terminate would favour short schedules"),
    ],
)
def test_early_termination_fits_the_epochs(text: str, expected: str) -> None:
    searched = "  epochs: {min: 5, max: 9}\n" if "searched" in expected else ""
    assert expected in report(SEARCH + searched + text)


def test_a_constant_number_of_epochs_counts() -> None:
    text = SEARCH + "  epochs: {value: 4}\nearly_terminate: {min_iter: 4}\n"
    assert "must be below the trial's 4 epochs" in report(text)
