"""The plan of a study: its stages with their cost in time, and what they can show."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweeps.forecast.outline import Fitting, StudyOutline, sketch
from sweeps.forecast.power import PowerForecast, foresee
from sweeps.forecast.ranges import Range, total, wall
from sweeps.forecast.stage_work import StageWork, loads
from sweeps.formatting import duration, hours
from sweeps.prepare.prepared import PreparedStudy, settle
from sweeps.runners.probe import Probe, probe
from sweeps.runners.protocol import Job
from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.study.stages import SEARCH, limits
from sweeps.study.study import Study
from sweeps.trial.arm import Arm
from sweeps.trial.seeds import stream
from sweeps.validation.warnings import warnings
from sweeps.workload import Workload

MIB = 2**20


@dataclass(frozen=True)
class StagePlan:
    """One stage: its `runs`, and the `work` that they are, in epochs of the baseline. `wanted` says what runs.

    With a probe that worked there are `device_hours` and `wall_s`; with a budget, the device-hours at which the stage
    starts nothing more, those of the stages before it included.
    """

    name: str
    wanted: str
    runs: Range
    work: Range
    device_hours: Range | None
    wall_s: Range | None
    budget_hours: float | None


@dataclass(frozen=True)
class StudyPlan:
    """The whole plan; `arms` are those of the ablation, or the baseline alone, `work` theirs in runs of the baseline.

    `device_hours` and `wall_s` are None without a probe that worked. `notes` say what was assumed, `cautions` what the
    study as written cannot show or finish.
    """

    study: str
    question: str
    device: str
    at_once: int
    epochs: int
    budget_hours: float | None
    fitting: Fitting | None
    arms: tuple[Arm, ...]
    work: Mapping[str, float]
    stages: tuple[StagePlan, ...]
    device_hours: Range | None
    wall_s: Range | None
    probe: Probe | None
    foresight: PowerForecast | None
    notes: tuple[str, ...]
    cautions: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The plan as plain data for JSON, without the arms' whole recipes."""
        content = asdict(self)
        for arm in content["arms"]:
            del arm["settings"]
        return content


def plan(
    study: Study,
    workload: Workload,
    data_dir: Path,
    *,
    probing: bool = True,
    workers: int | None = None,
    known: Results | None = None,
) -> StudyPlan:
    """Plan `study` on this machine, `workers` trials at once if given; `known` is what earlier runs of it have found.

    The plan is of the whole study, whatever of it has been run. Raises what `settle` raises, and Unplannable.
    Nothing is kept; probing trains the baseline for two epochs.
    """
    settled = settle(study, workload, data_dir, known.environment if known else {}, measuring=probing)
    outline = sketch(settled, workers)
    found = probe(_job(settled), threads=max(1, int(study.resources.cpu))) if probing else None
    stages = tuple(_stage(outline, name, load, found) for name, load in loads(outline).items())
    spent = [stage.device_hours for stage in stages if stage.device_hours is not None]
    device_hours = total(spent) if spent else None
    return StudyPlan(
        study=study.name,
        question=study.question,
        device=settled.site.device,
        at_once=outline.at_once,
        epochs=outline.epochs,
        budget_hours=study.budget.gpu_hours,
        fitting=outline.fitting,
        arms=outline.arms,
        work={arm.name: outline.work(arm) for arm in outline.trained},
        stages=stages,
        device_hours=device_hours,
        wall_s=total([stage.wall_s for stage in stages if stage.wall_s is not None]) if spent else None,
        probe=found,
        foresight=foresee(study, known),
        notes=tuple(_notes(outline, found)),
        cautions=(*warnings(study), *_cautions(outline, device_hours, found)),
    )


def _job(settled: PreparedStudy) -> Job:
    return Job(
        stage=SEARCH.name,
        number=0,
        workload=settled.workload.name,
        settings=settled.gate.baseline().settings,
        seed=stream(settled.study.seed, "probe"),
        split_seed=0,
        device=settled.site.device,
        data_dir=settled.site.data_dir,
        folder=Path(),
        access=SEARCH.access,
    )


def _stage(outline: StudyOutline, name: str, load: StageWork, found: Probe | None) -> StagePlan:
    reached = limits(outline.study).get(name)
    budget_hours = None if reached is None else reached / 3600
    epoch_s = found.epoch_s if found is not None else None
    if epoch_s is None:
        return StagePlan(name, load.wanted, load.runs, load.work, None, None, budget_hours)
    share = device_share(outline.study, outline.settled.site.device)
    device_hours = load.work.scaled(epoch_s * share / 3600)
    return StagePlan(name, load.wanted, load.runs, load.work, device_hours, _wall(outline, load, epoch_s), budget_hours)


def _wall(outline: StudyOutline, load: StageWork, epoch_s: float) -> Range:
    def at(runs: float, work: float) -> float:
        longest = load.longest * min(1.0, work / load.work.likely)
        return epoch_s * wall(runs, work, longest, outline.at_once)

    runs, work = load.runs, load.work
    return Range(at(runs.low, work.low), at(runs.likely, work.likely), at(runs.high, work.high))


def _notes(outline: StudyOutline, found: Probe | None) -> Iterator[str]:
    """What was assumed."""
    study = outline.study
    yield from outline.settled.notes
    if found is not None and found.first_s is not None and found.epoch_s is not None:
        start = duration(max(0.0, found.first_s - found.epoch_s))
        yield f"not counted: the start of the workers, about {start} each for imports and data"
    if outline.baseline.cost.get("macs"):
        yield "time per epoch is taken to be proportional to MACs, as the probe of the baseline has it"
    else:
        yield "the workload counts no MACs: every recipe is taken to need the baseline's time per epoch"
    if outline.best_unknown and (study.ablation is not None or study.final is not None):
        yield "the best recipe is not known yet: the given baseline stands in for it"
    if outline.fitting is not None:
        sampled = "10th to 90th percentile" if study.method == "bayes" else "95 % interval of the mean"
        yield f"a full trial takes {_times(outline.tried)} times as long as the baseline ({sampled} of what fits)"
    if study.early_terminate is not None and study.early_terminate.type == "one_epoch":
        yield "early termination: as many go on as early_terminate.top says, unless trials break before"
    elif study.early_terminate is not None:
        yield "early termination: from as many stopped as the rule is meant to stop, to none"
    if outline.settled.site.device == "cuda" and study.resources.gpu_share < 1:
        yield "trials that share a GPU are taken not to slow each other down; the probe had it to itself"
    if study.final is not None:
        yield "final: the validation images that are trained on too, and the evaluation itself, are not counted"


def _times(work: Range) -> str:
    return f"{work.low:.2f} to {work.high:.2f}" if work.low != work.high else f"{work.likely:.2f}"


def _cautions(outline: StudyOutline, device_hours: Range | None, found: Probe | None) -> Iterator[str]:
    if found is not None and found.error:
        yield f"the probe failed, so times are unknown: {found.error}"
    if outline.fitting is not None and not outline.fitting.fit:
        yield f"none of {outline.fitting.drawn} random configurations fits: the sampler will mostly be refused"
    for arm in outline.arms:
        if arm.reason:
            yield f"{arm.name} is not applicable: {arm.reason}"
    budget = outline.study.budget.gpu_hours
    if budget is not None and device_hours is not None and device_hours.likely > budget:
        whole = f"the study, which takes about {hours(device_hours.likely)}"
        yield f"the budget of {hours(budget)} device-hours ends before {whole}"
    yield from _memory(outline, found)


def _memory(outline: StudyOutline, found: Probe | None) -> Iterator[str]:
    if found is None or found.memory_mib is None:
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MIB
    needed = found.memory_mib * outline.at_once
    if needed > there:
        many = f"{outline.at_once} trials at once need about {needed:,.0f} MiB"
        yield f"{many}, but the machine has {there:,.0f}: give fewer --workers"
