"""The fresh runs of the incumbent: as many as the choice had, on seeds that had no part in it."""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.artifacts.layout import INCUMBENT_RUNS
from sweeps.evidence import confirmation
from sweeps.stages.context import Context
from sweeps.stages.incumbent import incumbent
from sweeps.stages.replicates import ReplicateStage
from sweeps.storage.results import FRESH
from sweeps.study.stages import CONFIRM, fresh_runs


class FreshRuns(ReplicateStage):
    """The scheduler of the fresh runs, a part of confirm with seeds of its own.

    The best mean of several candidates is an optimistic figure for the one that has it. These runs are made once the
    choice is made, so that their mean is not. Where more seeds change the choice, the runs of the earlier incumbent
    stay on record, and the new one gets its own.
    """

    def __init__(self, context: Context, runs: int) -> None:
        self._seeds = runs
        arm = incumbent(context.storage.results(), context.gate).arm
        super().__init__(context, CONFIRM, context.storage.stage(INCUMBENT_RUNS), [arm])
        context.observer.on_stage(INCUMBENT_RUNS, self.total())

    def replicates_needed(self) -> Mapping[str, int]:
        """Return as many replicates as each candidate had for the choice."""
        return {arm.name: self._seeds for arm in self.arms}


def fresh_runs_of(context: Context) -> FreshRuns | None:
    """Return the scheduler of the incumbent's fresh runs; None where there are none to make, or no incumbent yet."""
    results = context.storage.results()
    stage, evidence = results.stages.get(CONFIRM.name), confirmation(results)
    if stage is None or evidence is None or not evidence.complete or evidence.chosen is None:
        return None
    runs = fresh_runs(context.study, len(stage.arms)) if stage.facts.get(FRESH) else 0
    return FreshRuns(context, runs) if runs else None
