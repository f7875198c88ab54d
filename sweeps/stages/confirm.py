"""The stage confirm: the best recipes of the search again, on fresh seeds and splits."""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.io.errors import UserError
from sweeps.samplers.feasibility import ConstraintGate
from sweeps.stages.context import Context
from sweeps.stages.replicates import ReplicateStage
from sweeps.storage.results import Results
from sweeps.study.stages import CONFIRM
from sweeps.trial.arm import Arm


class NoCandidate(UserError):
    """The search has finished no trial whose recipe could go on."""


class Confirm(ReplicateStage):
    """The scheduler of the stage: `top` candidates over `seeds` replicates."""

    def __init__(self, context: Context) -> None:
        rule = context.study.confirm
        assert rule is not None
        self._seeds = rule.seeds
        arms = candidates(context.store.results(), context.gate, rule.top)
        super().__init__(context, CONFIRM, context.store.ledger(CONFIRM.name), arms)
        context.observer.on_stage(CONFIRM.name, self.total())

    def wanted(self) -> Mapping[str, int]:
        """The same number of replicates for every candidate."""
        return {arm.name: self._seeds for arm in self.arms}


def candidates(results: Results, gate: ConstraintGate, top: int) -> list[Arm]:
    """The `top` completed trials of the search, best first. Raises NoCandidate."""
    ranked = results.ranked()[:top]
    if not ranked:
        raise NoCandidate(
            f"{results.name}: no trial of the search has finished, so there is no best recipe to go on with; "
            f"run the search first, or write ablation: {{baseline: given}}"
        )
    found = []
    for trial in ranked:
        assessment = gate.assess(trial.parameters)
        found.append(Arm(f"trial {trial.number}", assessment.settings, dict(trial.parameters), cost=assessment.cost))
    return found
