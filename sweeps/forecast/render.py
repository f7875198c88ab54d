"""Render the plan of a study for the terminal: a headline, then compact tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sweeps.artifacts.layout import SEARCH
from sweeps.forecast.forecast import StagePlan, StudyPlan
from sweeps.forecast.outline import Fitting
from sweeps.forecast.power import PowerForecast
from sweeps.forecast.ranges import Range, total
from sweeps.forecast.search_lines import disk_lines, ladder_line
from sweeps.formatting import MISSING, count, device_amount, device_name, device_time_range, duration, used_trainings
from sweeps.io.screen.sentence import Sentence
from sweeps.io.terminal import table, text
from sweeps.runners.probe import Probe
from sweeps.stats import ALPHA

UNKNOWN = "unknown"


def render(plan: StudyPlan) -> RenderableType:
    """Return the plan as something that rich can print."""
    parts: list[RenderableType] = [Sentence(Text(headline(plan), style="bold")), *_cautions(plan), _stages(plan)]
    parts += [_in_all(plan), _arms(plan)]
    return Group(*parts, *(Sentence(text(fact)) for fact in _facts(plan)))


def headline(plan: StudyPlan) -> str:
    """Return the plan in one line: "12 trials + 9 confirm runs: about 3 min (2 to 5), 2 at once on the CPU; …"."""
    parts = [_runs(stage) for stage in plan.stages]
    at_once = f"{plan.at_once} at once on {'the CPU' if plan.device == 'cpu' else 'the GPU'}"
    if plan.wall_s is None or plan.device_hours is None:
        return f"{' + '.join(parts)}, {at_once}; time {UNKNOWN}."
    time = _range(plan.wall_s, duration)
    return f"{' + '.join(parts)}: about {time}, {at_once}; {_device_time(plan)}."


def _runs(stage: StagePlan) -> str:
    if stage.name == SEARCH:
        trials = _range(stage.runs, lambda runs: f"{runs:,.0f}")
        return f"{trials} trial{'' if stage.runs.high == 1 else 's'}"
    return f"{_range(stage.runs, lambda runs: f'{runs:,.0f}')} {stage.name} run{'' if stage.runs.high == 1 else 's'}"


def _device_time(plan: StudyPlan) -> str:
    held = plan.device_hours
    return UNKNOWN if held is None else device_time_range(held.low, held.likely, held.high, plan.device)


def _range(value: Range | None, show: Callable[[float], str]) -> str:
    if value is None:
        return UNKNOWN
    low, likely, high = show(value.low), show(value.likely), show(value.high)
    return likely if low == high else f"{likely} ({low} to {high})"


def _cautions(plan: StudyPlan) -> list[Sentence]:
    return [Sentence(Text.assemble(("warning: ", "bold yellow"), text(caution))) for caution in plan.cautions]


def _stages(plan: StudyPlan) -> Table:
    held = f"{device_name(plan.device)} time"
    made = table("stage", "runs", held, "time", "what", numbers=("runs", held, "time"))
    limited = plan.budget_hours is not None
    if limited:
        made.add_column("budget up to here", justify="right")
    for stage in plan.stages:
        cells = [
            stage.name,
            _range(stage.runs, lambda runs: f"{runs:,.0f}"),
            _range(stage.device_hours, device_amount),
            _range(stage.wall_s, duration),
            stage.wanted,
        ]
        limit = [MISSING if stage.budget_hours is None else device_amount(stage.budget_hours)] if limited else []
        made.add_row(*map(text, [*cells, *limit]))
    return made


def _in_all(plan: StudyPlan) -> Sentence:
    """The sum over all stages: the runs, the device time and the time."""
    runs = total([stage.runs for stage in plan.stages])
    line = f"in all: {_range(runs, lambda number: f'{number:,.0f}')} run{'' if runs.high == 1 else 's'}"
    if plan.device_hours is not None and plan.wall_s is not None:
        line += f", {_device_time(plan)}, about {_range(plan.wall_s, duration)}"
    return Sentence(Text(line))


def _arms(plan: StudyPlan) -> Table:
    made = table("arm", "parameters", "MACs", "work", "note", numbers=("parameters", "MACs", "work"))
    for arm in plan.arms:
        work = f"× {plan.work[arm.name]:.2f}" if arm.name in plan.work else MISSING
        figures = [f"{arm.cost[name]:,}" if name in arm.cost else MISSING for name in ("parameters", "macs")]
        note = f"not applicable: {arm.reason}" if arm.reason else arm.note
        made.add_row(*map(text, [arm.name, *figures, work, note]))
    return made


def _facts(plan: StudyPlan) -> Iterator[str]:
    if plan.hardware:
        yield f"device: {plan.hardware}"
    if plan.fitting is not None:
        yield f"space: {_fitting_line(plan.fitting)}"
    if plan.ladder is not None and plan.trainings is not None:
        trials = next(stage.runs.likely for stage in plan.stages if stage.name == SEARCH)
        yield f"search: {ladder_line(plan.ladder, trials, plan.trainings.likely)}"
    if plan.budget_trainings is not None and plan.trainings is not None:
        expected = used_trainings(plan.trainings.likely, plan.budget_trainings)
        yield f"size: {expected} of the baseline are expected to be used"
    if plan.disk is not None:
        yield from (f"disk: {line}" for line in disk_lines(plan.disk))
    if plan.probe is not None:
        yield f"probe: {_probe_line(plan.probe)}"
    if plan.foresight is not None:
        yield from (f"evidence: {line}" for line in _power_lines(plan.foresight))
    yield from (f"note: {note}" for note in plan.notes)


def _fitting_line(fitting: Fitting) -> str:
    if fitting.exact:
        return f"{fitting.fit:,} of {count(fitting.drawn, 'configuration')} fit the constraints"
    interval = f"95 % interval {100 * fitting.low:.1f} to {100 * fitting.high:.1f} %"
    return f"{100 * fitting.share:.1f} % fits the constraints ({interval}; {fitting.fit} of {fitting.drawn} draws)"


def _probe_line(probe: Probe) -> str:
    if probe.epoch_s is None or probe.first_s is None:
        return UNKNOWN
    memory = f"{probe.memory_mib:,.0f} MiB of memory" if probe.memory_mib is not None else ""
    gpu = f"{probe.gpu_memory_mib:,.0f} MiB on the GPU" if probe.gpu_memory_mib is not None else ""
    epoch = duration(probe.epoch_s) if probe.epoch_s >= 1 else f"{1000 * probe.epoch_s:.0f} ms"
    first = f"the first one {duration(probe.first_s)}, loading included"
    return "; ".join(filter(None, [f"an epoch of the baseline takes {epoch}, {first}", memory, gpu]))


def _power_lines(power: PowerForecast) -> Iterator[str]:
    difference = f"{power.detectable_sd:.2f} standard deviations of the paired difference"
    if power.detectable is not None and power.deviation is not None:
        difference = f"{power.detectable:.3g} (at the standard deviation of earlier runs, {power.deviation:.3g})"
    if power.at_most is not None:
        yield from _anytime_lines(power, power.at_most, difference)
        return
    yield f"{power.pairs} pairs find a difference of {difference} with 80 % power{_after_holm(power)}"
    corrected = f", over {power.comparisons} comparisons (Holm) {power.smallest_p_holm:.2g}"
    yield (
        f"the sign-flip check reaches p = {power.smallest_p:.2g}{corrected if power.comparisons > 1 else ''}; "
        f"{power.pairs_needed} pairs bring that to {ALPHA} or less"
    )
    if power.expected:
        pairs = ", ".join(f"{pairs:.1f} at a deviation of {deviation:.3g}" for deviation, pairs in power.expected)
        yield f"expected pairs for the precision: {pairs}"


def _after_holm(power: PowerForecast) -> str:
    return f" after Holm over {power.comparisons} comparisons" if power.comparisons > 1 else ""


def _anytime_lines(power: PowerForecast, at_most: int, difference: str) -> Iterator[str]:
    yield f"{at_most} pairs, the most, find a difference of {difference} with 80 % power{_after_holm(power)}"
    widths = ", ".join(f"{width:.2f} at {count(pairs, 'pair')}" for pairs, width in power.widths)
    yield f"anytime: looks after every pair make the interval wider than that of a fixed number, times {widths}"
    pairs = ", ".join(f"{pairs:.1f} at {size:g}" for size, pairs in power.expected)
    yield (
        f"expected pairs until a difference is found, over {count(power.comparisons, 'comparison')}: {pairs} standard "
        f"deviations of the paired difference; {at_most} where there is none"
    )
