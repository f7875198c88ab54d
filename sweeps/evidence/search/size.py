"""The size of a search in words: trials of its `run_cap`, full trainings of its budget."""

from __future__ import annotations

from sweeps.formatting import count
from sweeps.storage.results import Results
from sweeps.study.study import Study


def size_of_search(study: Study) -> str:
    """Return how large a search is: "40 trials", "20 trainings", "at most 40 trials in 20 trainings"."""
    most, budget = study.most_trials, study.budget.trainings
    if budget is None:
        return count(most or 0, "trial")
    return _trainings(budget) if most is None else f"at most {count(most, 'trial')} in {_trainings(budget)}"


def search_so_far(results: Results) -> str:
    """Return how much of a search is done: "5 of 40 trials", "5 trials, 7.4 of 20 trainings"."""
    most = results.study.most_trials
    trials = count(results.begun, "trial") if most is None else f"{results.begun:,} of {count(most, 'trial')}"
    return ", ".join(filter(None, [trials, trainings_so_far(results)]))


def trials_so_far(results: Results) -> str:
    """Return the number of trials of a search beside that which it may have: "5/40", or "5" where that is not fixed."""
    most = results.study.most_trials
    return f"{results.begun}" if most is None else f"{results.begun}/{most}"


def trainings_so_far(results: Results) -> str:
    """Return how much of `budget.trainings` a search has used: "7.4 of 20 trainings"; empty without that budget."""
    budget, spent = results.study.budget.trainings, results.trainings
    return "" if budget is None or spent is None else used(spent, budget)


def used(spent: float, budget: float) -> str:
    """Return a number of trainings beside the budget: "7.4 of 20 trainings"."""
    return f"{round(spent, 1):g} of {_trainings(budget)}"


def _trainings(number: float) -> str:
    return f"{number:g} training{'' if number == 1 else 's'}"
