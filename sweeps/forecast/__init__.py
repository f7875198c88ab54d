"""What a study will take and what it can show, before anything is spent."""

from sweeps.forecast.forecast import StagePlan, StudyPlan, plan
from sweeps.forecast.render import render

__all__ = ["StagePlan", "StudyPlan", "plan", "render"]
