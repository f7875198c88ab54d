"""How much of a search is done, in words."""

from __future__ import annotations

from sweeps.formatting import count, used_trainings
from sweeps.storage.results import Results


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
    return "" if budget is None or spent is None else used_trainings(spent, budget)
