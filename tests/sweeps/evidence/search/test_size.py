"""The size of a search in words, and whether it has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.ending import Ending, How, after_a_search_in_vain, ending_sentences, unfinished_search
from sweeps.evidence.search.size import search_so_far, trials_so_far
from sweeps.formatting import size_of_search
from sweeps.storage.results import ENDED, TRAINING, Results, StageResults
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import toy_study

TRAINED = tuple(
    Trial(number, "search", Status.COMPLETE, {}, 1.0, dict.fromkeys(range(1, 5), 1.0), {"macs": 150})
    for number in range(5)
)


def results(ending: Ending | None = None, **settings: Any) -> Results:
    environment: dict[str, Any] = {TRAINING: {"epochs": 4, "macs": 100}}
    environment |= {ENDED: ending.plain()} if ending is not None else {}
    return Results(toy_study(**settings), TRAINED, environment, Path())


@pytest.mark.parametrize(
    ("settings", "size", "so_far", "trials"),
    [
        ({"run_cap": 40}, "40 trials", "5 of 40 trials", "5/40"),
        ({"run_cap": 0, "budget": {"trainings": 20}}, "20 trainings", "5 trials, 7.5 of 20 trainings", "5"),
        (
            {"run_cap": 40, "budget": {"trainings": 7.5}},
            "at most 40 trials in 7.5 trainings",
            "5 of 40 trials, 7.5 of 7.5 trainings",
            "5/40",
        ),
    ],
)
def test_search_is_as_large_as_its_limits_say(settings: dict[str, Any], size: str, so_far: str, trials: str) -> None:
    so_far_of = results(**settings)
    assert (size_of_search(so_far_of.study), search_so_far(so_far_of), trials_so_far(so_far_of)) == (
        size,
        so_far,
        trials,
    )


def test_study_of_before_trainings_were_counted_has_none() -> None:
    assert Results(toy_study(), TRAINED, {}, Path()).trainings is None


SIZED: dict[str, Any] = {"run_cap": 0, "budget": {"trainings": 20}, "confirm": {"top": 2, "seeds": 2}}


@pytest.mark.parametrize(
    ("ending", "unfinished"),
    [
        (Ending(How.INTERRUPTED, "stopped by SIGINT", "search"), True),
        (Ending(How.INTERRUPTED, "stopped by SIGINT", "confirm"), False),
        (Ending(How.COMPLETE), False),
    ],
)
def test_search_that_trainings_end_is_over_once_something_came_after_it(ending: Ending, unfinished: bool) -> None:
    assert unfinished_search(results(ending, **SIZED)) is unfinished


def test_place_of_an_interrupt_names_the_trainings() -> None:
    [sentence, *_] = ending_sentences(results(Ending(How.INTERRUPTED, "stopped by SIGINT", "search"), **SIZED))
    assert sentence == "Interrupted in the search after 5 trials, 7.5 of 20 trainings: stopped by SIGINT."


def test_way_out_of_a_search_in_vain_is_to_raise_what_has_ended_it() -> None:
    broken = tuple(Trial(number, "search", Status.DIVERGED, {}, curve={1: 10.0}) for number in range(3))
    ending = Ending(How.ABORTED, "no candidate", "confirm").plain()
    environment = {TRAINING: {"epochs": 4, "macs": 0}, ENDED: ending}
    in_vain = Results(toy_study(**SIZED), broken, environment, Path(), {"confirm": StageResults("confirm")})
    assert "raise budget.trainings for more trials, or start over" in after_a_search_in_vain(in_vain)
