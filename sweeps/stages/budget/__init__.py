"""The budgets of a running study: its device-hours, and the size of its search in trainings of the baseline."""

from sweeps.stages.budget.device import DeviceBudget
from sweeps.stages.budget.search import SearchBudget
from sweeps.stages.budget.standing import Standing, to_the_end

__all__ = ["DeviceBudget", "SearchBudget", "Standing", "to_the_end"]
