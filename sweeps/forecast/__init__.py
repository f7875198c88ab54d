"""Forecast what a study will cost and what it can show, before it runs."""

from sweeps.forecast.forecast import StagePlan, StudyPlan, plan
from sweeps.forecast.render import render

__all__ = ["StagePlan", "StudyPlan", "plan", "render"]
