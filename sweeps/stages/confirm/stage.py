"""The stage confirm: train the best recipes of the search again, on new seeds and splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.stages.confirm.candidates import candidates
from sweeps.stages.context import Context
from sweeps.stages.replicates import ReplicateStage
from sweeps.storage.results import CANDIDATES, FRESH
from sweeps.study.stages import CONFIRM


class Confirm(ReplicateStage):
    """The scheduler of the stage: `confirm.top` candidates over `confirm.seeds` replicates."""

    def __init__(self, context: Context) -> None:
        section = context.study.confirm
        assert section is not None
        self._seeds = section.seeds
        chosen = candidates(context.storage.results(), context.gate, section.top)
        super().__init__(context, CONFIRM, context.storage.stage(CONFIRM.name), chosen.arms)
        self._record(chosen.choice)
        self._settle_fresh_runs()
        context.observer.on_stage(CONFIRM.name, self.total())

    def replicates_needed(self) -> Mapping[str, int]:
        """Return the same number of replicates for every candidate."""
        return {arm.name: self._seeds for arm in self.arms}

    def _record(self, choice: Mapping[str, Any] | None) -> None:
        """Record how the candidates were chosen, before their first run."""
        facts = self._storage.decided()["facts"]
        if choice is not None and facts.get(CANDIDATES) != choice:
            self._storage.set_facts({**facts, CANDIDATES: choice})

    def _settle_fresh_runs(self) -> None:
        """Settle that fresh runs of the incumbent follow, unless the stage was complete before there were such runs.

        A study that was complete stays so: its report says that the figure is the one by which it chose.
        """
        facts = self._storage.decided()["facts"]
        if self.pending() and not facts.get(FRESH):
            self._storage.set_facts({**facts, FRESH: True})
