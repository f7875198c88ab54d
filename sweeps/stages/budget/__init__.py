"""The budgets of a running study: its device-hours, and the size of its search in trainings of the baseline."""

from sweeps.stages.budget.device import DeviceBudget
from sweeps.stages.budget.search import SearchBudget

__all__ = ["DeviceBudget", "SearchBudget"]
