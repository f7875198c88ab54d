"""Plan a study: forecast the cost of its stages in time, and the power of its comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from sweeps.forecast.disk import DiskForecast, forecast_disk
from sweeps.forecast.outline import Fitting, StudyOutline, outline_study
from sweeps.forecast.power import PowerForecast, forecast_power
from sweeps.forecast.ranges import Range, total, wall_time
from sweeps.forecast.search import Ladder
from sweeps.forecast.stage_work import StageWork, work_by_stage
from sweeps.formatting import device_time, duration
from sweeps.io.errors import Refused, UserError, unknown
from sweeps.prepare.devices.choice import choose_device
from sweeps.prepare.devices.inventory import devices
from sweeps.prepare.prepared import PROBING, PreparedStudy, checked_test_data, settle
from sweeps.prepare.search_size import probe_baseline
from sweeps.runners.probe import Probe
from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.study.stages import SEARCH, limits
from sweeps.study.study import Study
from sweeps.trial.arm import Arm
from sweeps.validation.warnings import warnings
from sweeps.workload import Workload

MIB = 2**20


@dataclass(frozen=True)
class StagePlan:
    """The forecast of one stage.

    Attributes:
        name: The stage.
        wanted: The runs in words, such as "the best 5 × 3 seeds".
        runs: The number of runs.
        work: Their work in epochs of the baseline.
        device_hours: Their device time; None unless a probe worked.
        wall_s: Seconds until the stage has ended; None unless a probe worked.
        budget_hours: The stage starts no more runs once the study has used these device-hours; None without a budget.
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
    """The forecast of a study.

    Attributes:
        study: The study's name.
        question: Its question.
        device: "cpu", "cuda" or "mps".
        hardware: The GPUs and torch's build in words; "" on the CPU.
        at_once: How many trials run at once.
        epochs: The epochs of the baseline.
        budget_hours: The budget in device-hours; None if there is none.
        fitting: The share of the space that fits the constraints; None if nothing is searched.
        arms: The arms of the ablation; the baseline alone if there is none.
        work: The work of each arm that can be trained, in runs of the baseline.
        stages: The forecast of each stage.
        device_hours: The device time of all stages; None unless a probe worked.
        wall_s: Seconds until the study has ended; None unless a probe worked.
        probe: The probe of the baseline; None if none was asked for.
        foresight: The power of the ablation; None if there is none.
        ladder: Where the trials of the search pause; None if they do not.
        trainings: The work of the search, in full trainings of the baseline; None without a search.
        budget_trainings: The size of the search in full trainings; None where the file gives none.
        disk: The peak of the checkpoints of a search whose trials pause; None if they do not.
        notes: What the forecast assumes.
        cautions: What the study as written cannot show or finish.
    """

    study: str
    question: str
    device: str
    hardware: str
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
    ladder: Ladder | None
    trainings: Range | None
    budget_trainings: float | None
    disk: DiskForecast | None
    notes: tuple[str, ...]
    cautions: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return the plan as plain data for JSON, without the recipes of the arms."""
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
    previous: Results | None = None,
    notify: Callable[[str], None] = lambda text: None,
) -> StudyPlan:
    """Plan `study` on this machine, as if none of it had been run. Nothing is kept.

    Args:
        study: The study.
        workload: Its workload.
        data_dir: The data folder.
        probing: Whether to train the baseline for two epochs, to measure their time.
        workers: The most trials that run at once; None: as many as the machine holds.
        previous: The results of earlier runs: settings that were measured then, and the deviation between runs.
        notify: Takes what is being done, for a status line.

    Raises:
        Unavailable: Data or models are missing.
        Infeasible: The baseline cannot be trained, nothing satisfies the constraints, or the test set could not be
            evaluated.
        Unplannable: The ablation's design cannot be built.
        Refused: The probe has shown that the workload does not yield the study's metric.
    """
    choice = choose_device(study, training=False)
    environment = previous.environment if previous else {}
    prepared = settle(
        study, workload, data_dir, environment, choice=choice, workers=workers, measuring=probing, notify=notify
    )
    notify("forecasting the stages")
    outline = outline_study(prepared, workers)
    work = work_by_stage(outline)
    search = work.get(SEARCH.name)
    ladder = search.ladder if search is not None else None
    probed = prepared.probed
    if probed is None and probing:
        notify(PROBING)
        probed = probe_baseline(study, prepared.gate, prepared.site, pauses=ladder is not None)
    if probed is not None:
        _require_metric(study, probed)
    stages = tuple(_stage(outline, name, each, probed) for name, each in work.items())
    hours_of_stages = [stage.device_hours for stage in stages if stage.device_hours is not None]
    device_hours = total(hours_of_stages) if hours_of_stages else None
    return StudyPlan(
        study=study.name,
        question=study.question,
        device=prepared.site.device,
        hardware=str(devices()) if prepared.device.count else "",
        at_once=outline.at_once,
        epochs=outline.epochs,
        budget_hours=study.budget.gpu_hours,
        fitting=outline.fitting,
        arms=outline.arms,
        work={arm.name: outline.work(arm) for arm in outline.applicable_arms},
        stages=stages,
        device_hours=device_hours,
        wall_s=total([stage.wall_s for stage in stages if stage.wall_s is not None]) if hours_of_stages else None,
        probe=probed,
        foresight=forecast_power(study, previous),
        ladder=ladder,
        trainings=search.work.scaled(1 / outline.epochs) if search is not None else None,
        budget_trainings=study.budget.trainings,
        disk=forecast_disk(ladder, outline.at_once, outline.baseline.cost, probed) if ladder is not None else None,
        notes=tuple(_notes(outline, probed)),
        cautions=(*warnings(study), *_cautions(outline, device_hours, probed), *_test_cautions(prepared)),
    )


def _require_metric(study: Study, probed: Probe) -> None:
    """Raise Refused where the probe has trained, but its epochs have not had the study's metric."""
    if probed.metrics and study.metric.name not in probed.metrics:
        rule = unknown("metric", study.metric.name, probed.metrics)
        raise Refused(f"{study.name}: metric.name: {rule} (as the workload yields them)")


def _stage(outline: StudyOutline, name: str, work: StageWork, probed: Probe | None) -> StagePlan:
    limit_s = limits(outline.study).get(name)
    budget_hours = None if limit_s is None else limit_s / 3600
    epoch_s = probed.epoch_s if probed is not None else None
    if epoch_s is None:
        return StagePlan(name, work.description, work.runs, work.work, None, None, budget_hours)
    share = device_share(outline.study, outline.prepared.site.device)
    device_hours = work.work.scaled(epoch_s * share / 3600)
    wall_s = _wall(outline, work, epoch_s)
    return StagePlan(name, work.description, work.runs, work.work, device_hours, wall_s, budget_hours)


def _wall(outline: StudyOutline, stage: StageWork, epoch_s: float) -> Range:
    """The seconds until a stage has ended."""

    def at(runs: float, work: float) -> float:
        # At the lower bound of the work every run is shorter, the longest one included.
        longest = stage.longest * min(1.0, work / stage.work.likely)
        return epoch_s * wall_time(runs, work, longest, outline.at_once)

    runs, work = stage.runs, stage.work
    return Range(at(runs.low, work.low), at(runs.likely, work.likely), at(runs.high, work.high))


def _notes(outline: StudyOutline, probed: Probe | None) -> Iterator[str]:
    """What the forecast assumes, a line each."""
    study = outline.study
    yield from outline.prepared.notes
    if probed is not None and probed.first_s is not None and probed.epoch_s is not None:
        start = duration(max(0.0, probed.first_s - probed.epoch_s))
        yield f"not counted: the start of the workers, about {start} each for imports and data"
    if outline.baseline.cost.get("macs"):
        start = ", starting from the probe of the baseline" if probed is not None else ""
        yield f"time per epoch is taken to be proportional to MACs{start}"
    else:
        yield "the workload counts no MACs: every recipe is taken to need the baseline's time per epoch"
    if outline.best_unknown and (study.ablation is not None or study.final is not None):
        yield "the best recipe is not known yet: the given baseline stands in for it"
    if outline.fitting is not None:
        sampled = "10th to 90th percentile" if study.method in ("bayes", "tpe") else "95 % interval of the mean"
        yield f"a full trial takes {_times(outline.trial_work)} times as long as the baseline ({sampled} of what fits)"
    if study.metric.target is not None and outline.fitting is not None:
        yield f"the search may end earlier: at metric.target = {study.metric.target:g}"
    if study.early_terminate is not None and study.early_terminate.type == "one_epoch":
        yield "early termination: early_terminate.top trials continue after the first round, unless some break before"
    elif study.early_terminate is not None and study.early_terminate.promotes:
        yield "early termination: simulated with trials whose order never changes"
    elif study.early_terminate is not None:
        yield "early termination: from as many stops as the rule aims at, to none"
    if outline.prepared.site.device != "cpu" and study.resources.gpu_share < 1:
        yield "trials that share a GPU are taken not to slow each other down; the probe had it to itself"
    if study.final is not None:
        yield "final: the validation images that are trained on too, and the evaluation itself, are not counted"


def _times(work: Range) -> str:
    return f"{work.low:.2f} to {work.high:.2f}" if work.low != work.high else f"{work.likely:.2f}"


def _cautions(outline: StudyOutline, device_hours: Range | None, probed: Probe | None) -> Iterator[str]:
    """What cannot be trained or finished, a line each."""
    if probed is not None and probed.error:
        yield f"the probe failed, so times are unknown: {probed.error}"
    if outline.fitting is not None and not outline.fitting.fit:
        yield f"none of {outline.fitting.drawn} random configurations fits: the sampler will mostly be refused"
    for arm in outline.arms:
        if arm.reason:
            yield f"{arm.name} is not applicable: {arm.reason}"
    budget = outline.study.budget.gpu_hours
    if budget is not None and device_hours is not None and device_hours.likely > budget:
        device = outline.prepared.site.device
        needed = f"the study, which takes about {device_time(device_hours.likely, device)}"
        yield f"the budget of {device_time(budget, device)} ends before {needed}"
    yield from _memory(outline, probed)


def _test_cautions(prepared: PreparedStudy) -> Iterator[str]:
    """Whether the test set could not be evaluated, for a study that has no stage final yet."""
    if prepared.study.final is None:
        try:
            checked_test_data(prepared.workload, prepared.gate.baseline().settings, prepared.site)
        except UserError as error:
            yield f"a stage final could not be added as the data is now: {error}"


def _memory(outline: StudyOutline, probed: Probe | None) -> Iterator[str]:
    """Whether the trials that run at once fit the memory of the machine and of its GPUs."""
    if probed is None or probed.memory_mib is None:
        return
    yield from _gpu_memory(outline, probed)
    available = psutil.virtual_memory().total / MIB
    needed = probed.memory_mib * outline.at_once
    if needed > available:
        trials = f"{outline.at_once} trials at once need about {needed:,.0f} MiB"
        yield f"{trials}, but the machine has {available:,.0f}: lower --workers (workers=N)"


def _gpu_memory(outline: StudyOutline, probed: Probe) -> Iterator[str]:
    """Whether the trials that share a GPU fit its memory."""
    memory_mib = min((gpu.memory_mib for gpu in devices().accelerators), default=0)
    trials = min(outline.at_once, math.floor(1 / outline.study.resources.gpu_share))
    needed = trials * (probed.gpu_memory_mib or 0)
    if memory_mib and needed > memory_mib:
        problem = f"{trials} trials on each GPU need about {needed:,.0f} MiB, but it has {memory_mib:,}"
        yield f"{problem}: raise resources.gpu"
