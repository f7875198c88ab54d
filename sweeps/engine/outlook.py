"""The stages that a run has ahead of it: their runs, and about how long they will take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sweeps.forecast.outline import outline_study
from sweeps.forecast.ranges import wall_time
from sweeps.forecast.stage_work import StageWork, work_after_search
from sweeps.formatting import count, duration
from sweeps.io.errors import UserError
from sweeps.prepare.prepared import PreparedStudy
from sweeps.study.stages import RunRequest, stage_of
from sweeps.trial.trial import Trial


@dataclass(frozen=True)
class Outlook:
    """The stages after the search that a run has been asked for.

    Attributes:
        stages: The work of each, in epochs of the baseline, in the order in which they run.
        at_once: How many trials run at once.
        epoch_s: Seconds of an epoch of the baseline, where the preparation has measured them.
    """

    stages: Mapping[str, StageWork] = field(default_factory=dict)
    at_once: int = 1
    epoch_s: float | None = None

    def ahead(self, stage: str) -> dict[str, StageWork]:
        """Return the stages that come after `stage`, which may be a part of one; all where it is none of them."""
        names = list(self.stages)
        present = stage_of(stage) if stage else ""
        later = names[names.index(present) + 1 :] if present in names else names
        return {name: self.stages[name] for name in later}

    def pace(self, trials: Collection[Trial]) -> float | None:
        """Return the seconds of an epoch: as the trials of this study took, else as measured before; None: unknown."""
        timed = [trial for trial in trials if trial.epochs and trial.seconds and not trial.source]
        epochs = sum(trial.epochs for trial in timed)
        return sum(trial.seconds for trial in timed) / epochs if epochs else self.epoch_s

    def seconds(self, work: StageWork, epoch_s: float) -> float:
        """Return about how long a stage takes, its trials running side by side."""
        return epoch_s * wall_time(work.runs.likely, work.work.likely, work.longest, self.at_once)


def outlook_of(prepared: PreparedStudy, request: RunRequest, workers: int | None) -> Outlook:
    """Return the outlook of a run that is about to begin; an empty one where the stages cannot be told yet."""
    try:
        outline = outline_study(prepared, workers, sampling=False)
    except UserError:  # the stage itself will say so when it begins
        return Outlook()
    asked = {stage.name for stage in request.stages}
    stages = {name: work for name, work in work_after_search(outline).items() if name in asked}
    return Outlook(stages, outline.at_once, prepared.probed.epoch_s if prepared.probed is not None else None)


def ahead_line(outlook: Outlook, stage: str, trials: Collection[Trial]) -> str:
    """Return what comes after a stage: "then confirm: 6 runs, about 12 s · final: 3 runs, about 8.0 s"; "" at the end.

    Args:
        outlook: The outlook of the run.
        stage: The stage under way; empty before the first one.
        trials: The trials that have ended, which tell the time of an epoch.
    """
    pace = outlook.pace(trials)
    parts = [_part(outlook, name, work, pace) for name, work in outlook.ahead(stage).items()]
    return f"then {' · '.join(parts)}" if parts else ""


def seconds_ahead(outlook: Outlook, stage: str, trials: Collection[Trial]) -> float | None:
    """Return about how long the stages after `stage` take together; None where that is not known."""
    pace, ahead = outlook.pace(trials), outlook.ahead(stage)
    return sum(outlook.seconds(work, pace) for work in ahead.values()) if pace is not None and ahead else None


def _part(outlook: Outlook, name: str, work: StageWork, pace: float | None) -> str:
    low, high = round(work.runs.low), round(work.runs.high)
    runs = count(high, "run") if low == high else f"{low:,} to {high:,} runs"
    time = f", about {duration(outlook.seconds(work, pace))}" if pace is not None else ""
    return f"{name}: {runs}{time}"
