"""Repeats of one run with its own seed, which show what a seed does not fix: on a GPU two such runs may differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweeps.artifacts.layout import FINAL, REPEATS, SEARCH
from sweeps.evidence.selection import selections
from sweeps.runners.protocol import Job
from sweeps.stages.confirm.candidates import NoCandidate
from sweeps.stages.context import Context
from sweeps.stages.replicates import ReplicateStage
from sweeps.storage.results import Results
from sweeps.study.stages import Stage
from sweeps.trial.arm import Arm
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Trial


class Repeats(ReplicateStage):
    """The scheduler of the repeats. They are always trained, never taken from the result cache, and in no other figure.

    Args:
        context: The parts of the running study.
        stage: The stage whose budget applies.
        runs: How many repeats there are to be.

    Raises:
        NoCandidate: No run has completed that could be repeated.
    """

    def __init__(self, context: Context, stage: Stage, runs: int) -> None:
        self._wanted = runs
        storage = context.storage.stage(REPEATS)
        arm, self._source = _arm_and_source(context, storage.trials())
        super().__init__(context, stage, storage, [arm])
        storage.set_facts({"wanted": {arm.name: runs}})
        context.observer.on_stage(REPEATS, self.total())

    def replicates_needed(self) -> Mapping[str, int]:
        """Return the number of repeats."""
        return {arm.name: self._wanted for arm in self.arms}

    def _replicate(self, number: int, arm: Arm, replicate: int) -> Job:
        source = self._source
        place = f"{source.stage}/{source.number}"
        # Without a key the result cache neither answers nor keeps it.
        return replace(
            super()._replicate(number, arm, replicate),
            seed=source.seed,
            split_seed=_split_seed(self._study.seed, source),
            label=f"{arm.name}, the seed of {place} again",
            key="",
        )


def _arm_and_source(context: Context, repeats: Sequence[Trial]) -> tuple[Arm, Trial]:
    """The incumbent, else the baseline or the best trial, and the run of it to repeat: the one repeated before."""
    results = context.storage.results()
    for selection in selections(results):
        if selection.stage == FINAL or not selection.runs:
            continue
        arm = _arm(context, results, selection.runs[0])
        seeds = {trial.seed for trial in repeats if trial.recipe == arm.recipe}
        others = (trial for trial in results.everything if trial.stage != REPEATS and trial.seed in seeds)
        again = [trial for trial in others if trial.stage == SEARCH or trial.recipe == arm.recipe]
        trained_here = [run for run in selection.runs if not run.source]
        return arm, (again or trained_here or list(selection.runs))[0]
    raise NoCandidate(f"{results.name}: no run has completed, so there is none to repeat; run the study first")


def _arm(context: Context, results: Results, run: Trial) -> Arm:
    """The arm of a run; a trial of the search becomes one."""
    if run.stage == SEARCH:
        feasibility = context.gate.assess(run.parameters)
        return Arm(f"trial {run.number}", feasibility.settings, dict(run.parameters), cost=feasibility.cost)
    return next(arm for arm in results.stages[run.stage].arms if arm.recipe == run.recipe)


def _split_seed(seed: int, source: Trial) -> int:
    return 0 if source.stage == SEARCH else stream(seed, source.stage, source.replicate, "split")
