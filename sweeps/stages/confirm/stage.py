"""The stage confirm: train the best recipes of the search again, on new seeds and splits."""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.io.errors import UserError
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.stages.context import Context
from sweeps.stages.replicates import ReplicateStage
from sweeps.storage.results import FRESH, Results
from sweeps.study.stages import CONFIRM
from sweeps.trial.arm import Arm


class NoCandidate(UserError):
    """The search has completed no trial whose recipe could be confirmed."""


class Confirm(ReplicateStage):
    """The scheduler of the stage: `confirm.top` candidates over `confirm.seeds` replicates."""

    def __init__(self, context: Context) -> None:
        section = context.study.confirm
        assert section is not None
        self._seeds = section.seeds
        arms = candidates(context.storage.results(), context.gate, section.top)
        super().__init__(context, CONFIRM, context.storage.stage(CONFIRM.name), arms)
        self._settle_fresh_runs()
        context.observer.on_stage(CONFIRM.name, self.total())

    def replicates_needed(self) -> Mapping[str, int]:
        """Return the same number of replicates for every candidate."""
        return {arm.name: self._seeds for arm in self.arms}

    def _settle_fresh_runs(self) -> None:
        """Settle that fresh runs of the incumbent follow, unless the stage was complete before there were such runs.

        A study that was complete stays so: its report says that the figure is the one by which it chose.
        """
        facts = self._storage.decided()["facts"]
        if self.pending() and not facts.get(FRESH):
            self._storage.set_facts({**facts, FRESH: True})


def candidates(results: Results, gate: ConstraintGate, top: int) -> list[Arm]:
    """Return the `top` best completed trials of the search as arms, best first.

    Raises:
        NoCandidate: No trial of the search has completed.
    """
    ranked = results.ranked()[:top]
    if not ranked:
        way = "mend what keeps the trials from completing" if results.trials else "run the search first"
        without = "remove confirm and write" if results.study.confirm is not None else "write"
        raise NoCandidate(
            f"{results.name}: no trial of the search has completed, so there is no best recipe to go on with; "
            f"{way}, or {without} ablation: {{baseline: given}}"
        )
    arms = []
    for trial in ranked:
        feasibility = gate.assess(trial.parameters)
        arms.append(Arm(f"trial {trial.number}", feasibility.settings, dict(trial.parameters), cost=feasibility.cost))
    return arms
