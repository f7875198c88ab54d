"""What a study will take and what it can show, before anything is spent."""

from sweeps.plan.forecast import StagePlan, StudyPlan, plan
from sweeps.plan.view import render

__all__ = ["StagePlan", "StudyPlan", "plan", "render"]
