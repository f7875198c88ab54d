"""Show the progress of a running study on stderr: a live view on a terminal, a line per event elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeps.artifacts.layout import ABLATION, SEARCH
from sweeps.engine.heartbeat import EVERY_S, Heartbeat
from sweeps.engine.notebook import NotebookDisplay
from sweeps.engine.outlook import Outlook, ahead_line, seconds_ahead
from sweeps.evidence.search import steps_of
from sweeps.formatting import (
    count,
    device_time,
    duration,
    metric_format,
    size_of_search,
    status_name,
    used_trainings,
)
from sweeps.io.errors import visible
from sweeps.io.screen.sentence import Sentence
from sweeps.io.screen.view import LiveView
from sweeps.io.screen.working import elapsed
from sweeps.stats.goal import sign
from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.study.sections import Seeds
from sweeps.study.study import Study
from sweeps.trial.trial import PAUSED, STATES, Status, Trial

SHOWN_RUNNING = 8
STARTING = ""


@dataclass(frozen=True)
class Running:
    """A running trial.

    Attributes:
        label: What distinguishes it from others: its searched settings, or its arm and seed.
        epoch: The epochs that it has finished.
        value: The metric of the last one; None before it.
    """

    label: str
    epoch: int
    value: float | None = None


class Progress:
    """The observer that shows a study's progress; a context manager around the run.

    Args:
        study: The study.
        previous: The results of earlier runs of it, if there are any.
        epochs: The epochs of a trial, if all have the same.
        percentages: The names of the workload's metrics that are in percent.
        device: "cpu", "cuda" or "mps".
        quiet: Whether to show nothing.
        verbose: Whether to print a line for each event beside the live view, and everywhere one for each epoch.
        heartbeat_s: Off a terminal, how long a run may say nothing, in seconds.
    """

    def __init__(
        self,
        study: Study,
        previous: Results | None,
        epochs: int | None,
        *,
        percentages: Collection[str] = (),
        device: str = "cpu",
        quiet: bool = False,
        verbose: bool = False,
        heartbeat_s: float = EVERY_S,
    ) -> None:
        self._study = study
        self._metric_format = metric_format(study.metric, previous.percentages if previous else percentages)
        self._device = device
        self._share = device_share(study, self._device)
        self._epochs = epochs
        self._verbose = verbose
        self._console = Console(stderr=True, quiet=quiet)
        self._stage = STARTING  # until the first stage begins, data and runner are prepared
        self._totals: dict[str, int | None] = {}
        self._trainings: tuple[float, float] | None = None  # used by the search, and its budget
        self._trainings_before = 0.0
        previous_trials = previous.everything if previous else ()
        self._ended: dict[tuple[str, int], Trial] = {(trial.stage, trial.number): trial for trial in previous_trials}
        self._lost_before = {(trial.stage, trial.number) for trial in previous_trials if trial.status.lost}
        self._running: dict[tuple[str, int], Running] = {}
        self._paused = {(trial.stage, trial.number): trial.epochs for trial in previous_trials if trial.paused}
        self._held: dict[tuple[str, int], float] = {}  # seconds of this start's trials before they paused
        self._started: dict[tuple[str, int], float] = {}
        self._rungs = {(trial.stage, epoch) for trial in previous_trials for epoch in _pauses(trial)}
        self._outlook, self._asked = Outlook(), ""
        self._began = time.monotonic()
        self._prepare("starting")
        self._stage_began, self._done_before = self._began, 0
        # Last, since they say all of the above.
        self._live = LiveView(self._console, self._view)
        self._heartbeat = Heartbeat(self._beat, heartbeat_s)
        self._notebook = NotebookDisplay(self._view) if self._console.is_jupyter and not quiet else None

    def __enter__(self) -> Progress:
        if self._notebook:
            self._notebook.start()
        elif self._console.is_terminal:
            self._live.start()
        else:
            self._heartbeat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._notebook:
            self._notebook.stop()
        elif self._console.is_terminal:
            self._live.stop()
        else:
            self._heartbeat.stop()

    def on_prepare(self, doing: str) -> None:
        """Show what the preparation of the study is doing, while its first trial has not begun."""
        self._prepare(doing)
        if self._notebook:
            self._notebook.update()

    def on_settled(self, study: Study, notes: Sequence[str]) -> None:
        """Show how settings were found, once the study has been prepared.

        Args:
            study: The study as it will run.
            notes: A line for each setting that was measured.
        """
        self._share = device_share(study, self._device)
        self._prepare("starting")
        for note in notes:
            self.on_note(note)

    def on_outlook(self, outlook: Outlook) -> None:
        """Show the stages to come, once they are known."""
        self._outlook = outlook

    def on_stage(self, stage: str, total: int | None) -> None:
        """Show that a stage begins, continues, or has grown to `total` runs; None where only its budget limits it."""
        begins = stage != self._stage and (total is None or self._counted(stage) < total)
        if begins and self._stage_title(stage) != self._stage_title(self._stage):
            size = size_of_search(self._study) if total is None else count(total, "run")
            self._line(f"{self._stage_title(stage)}: {size}{self._growth(stage)}")
        self._stage, self._totals[stage] = stage, total
        self._stage_began, self._done_before = time.monotonic(), self._done(stage)

    def on_trainings(self, spent: float, budget: float) -> None:
        """Show how much of its budget the search has used, in full trainings of the baseline."""
        if self._trainings is None:
            self._trainings_before = spent
        self._trainings = spent, budget

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        """Show that a trial starts, or continues after epoch `resumed_at` if that is not 0."""
        self._stage = stage
        self._running[stage, number] = Running(label, resumed_at)
        self._started[stage, number] = time.monotonic()
        self._paused.pop((stage, number), None)
        verb = f"goes on after epoch {resumed_at}" if resumed_at else "starts"
        self._line(f"{self._trial_title(stage, number)} {verb}: {label}")

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Show an epoch and its metric."""
        value = metrics.get(self._study.metric.name)
        self._running[stage, number] = Running(self._running[stage, number].label, epoch, value)
        if self._notebook:
            self._notebook.update()
        if self._verbose:
            total = f" of {self._epochs}" if self._epochs else ""
            measured = f": {self._value(value)}" if value is not None else ""
            self._line(f"{self._trial_title(stage, number)} epoch {epoch}{total}{measured}")

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        """Show that a trial pauses after an epoch: it waits until it has earned to go on."""
        run = self._running.pop((stage, number), None)
        self._paused[stage, number] = epoch
        now = time.monotonic()
        self._held[stage, number] = self._held.get((stage, number), 0.0) + now - self._started.get((stage, number), now)
        self._rungs.add((stage, epoch))
        value = f": {self._value(run.value)}" if run is not None and run.value is not None else ""
        self._line(f"{self._trial_title(stage, number)} pauses after epoch {epoch}{value}")

    def on_end(self, trial: Trial) -> None:
        """Show the end of a trial; it may have been rejected before it started."""
        self._running.pop((trial.stage, trial.number), None)
        self._paused.pop((trial.stage, trial.number), None)
        self._held.pop((trial.stage, trial.number), None)  # in the trial's own seconds
        self._ended[trial.stage, trial.number] = trial
        result = self._result(trial) if trial.status is Status.COMPLETE else trial.reason
        after = f" after epoch {trial.epochs}" if trial.epochs else ""
        source = f" (taken from {trial.source})" if trial.source else ""
        title = self._trial_title(trial.stage, trial.number)
        self._line(f"{title} {status_name(trial.status)}{after}: {result}{source}")

    def on_note(self, text: str) -> None:
        """Show a message to the user."""
        if self._notebook:  # rich would make an output of its own of each line
            print(visible(text), file=sys.stderr)  # noqa: T201
        else:
            self._console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def on_interrupt(self, why: str) -> None:
        """Show that the study has been asked to end early."""
        # Called inside a signal handler, which may have interrupted a print of rich's: the next view says it, and where
        # there is none, it goes past rich's buffers.
        self._asked = f"{why}; once more to stop at once"
        if not self._console.quiet and (self._notebook or not self._console.is_terminal):
            with suppress(OSError):
                os.write(2, f"{self._asked}\n".encode())

    def _line(self, line: str) -> None:
        """Print a line where there is no view or all lines are wanted; otherwise the view has what the line says."""
        if self._notebook:
            self._notebook.update()
        elif self._verbose or not self._console.is_terminal:
            self._heartbeat.spoken()
            self._console.print(visible(line), markup=False, highlight=False, soft_wrap=True)

    def _prepare(self, doing: str) -> None:
        self._preparing, self._preparing_since = doing, time.monotonic()

    def _phase(self) -> str:
        """What is being done before the first trial runs, and for how long: "starting Ray … 12 s"."""
        return f"{self._preparing} … {elapsed(time.monotonic() - self._preparing_since)}"

    def _beat(self) -> None:
        """Say how the run stands where nothing else has been said for a while."""
        running = [self._standing(*key, run) for key, run in list(self._running.items())]
        self._line(f"running: {', '.join(running)}" if running else self._phase())

    def _standing(self, stage: str, number: int, run: Running) -> str:
        """A running trial in a clause: "trial 3 epoch 12/40, validation accuracy 61.50 %"."""
        value = f", {self._value(run.value)}" if run.value is not None else ""
        return f"{self._trial_title(stage, number)} epoch {run.epoch}{self._of_epochs()}{value}"

    def _of_epochs(self) -> str:
        return f"/{self._epochs}" if self._epochs else ""

    # The view is drawn by a thread of rich's while the driver's thread changes the dictionaries: hence the copies
    # (`list(...)`), without which iterating could fail.

    def _view(self) -> RenderableType:
        rows = [self._title(), self._bar(), Text(self._tally(), style="dim"), *self._ladder(), self._best()]
        ended = list(self._ended.values())
        last = [Text(self._time(), style="dim"), Text(ahead_line(self._outlook, self._stage, ended), style="dim")]
        last.append(Text(visible(self._asked), style="bold yellow"))
        return Group(*rows, self._running_table(), *(Sentence(line) for line in last if line.plain))

    def _title(self) -> Text:
        stage = self._stage_title(self._stage) or "starting"
        title = f"{stage} · {self._study.method}" if stage == SEARCH else stage
        return Text(self._study.name, style="bold").append(visible(f"  {title} · {self._study.question}"), style="dim")

    def _bar(self) -> RenderableType:
        done, total = self._done(self._stage), self._totals.get(self._stage, 0)
        noun = "trial" if self._stage == SEARCH else "run"
        runs = count(done, noun) if total is None else f"{done}/{count(total, noun)}"
        begun = " begun" if self._pauses(self._stage) else ""
        if self._stage == STARTING:
            return Text(visible(self._phase()), style="dim")
        part, whole = self._share_done()
        bar = ProgressBar(total=whole or 1, completed=part, width=40)
        grid = Table.grid(padding=(0, 1))
        grid.add_row(bar, Text(f"{runs}{begun}{self._budget_used()}{self._growth(self._stage)}"))
        return grid

    def _budget_used(self) -> str:
        """The used part of the search's budget: ", 7.4 of 20 trainings"; empty in other stages and without a budget."""
        return f", {used_trainings(*self._trainings)}" if self._trainings and self._stage == SEARCH else ""

    def _share_done(self) -> tuple[float, float]:
        """How much of the stage is done, and the whole: of the trials or of the trainings, whichever ends first."""
        total = self._totals.get(self._stage, 0)
        shares = [] if total is None else [(float(self._done(self._stage)), float(total))]
        if self._trainings and self._stage == SEARCH:
            shares.append(self._trainings)
        return max(shares, key=lambda share: share[0] / (share[1] or 1), default=(0.0, 0.0))

    def _growth(self, stage: str) -> str:
        """How far the runs of a stage may grow; empty if their number is fixed."""
        rule = self._study.ablation.seeds if stage == ABLATION and self._study.ablation else None
        return f" so far, {rule.min} to {rule.max} seeds for each arm" if isinstance(rule, Seeds) else ""

    def _tally(self) -> str:
        """How many runs of the stage are in which state."""
        ended = Counter(trial.status.value for trial in list(self._ended.values()) if trial.stage == self._stage)
        paused = sum(stage == self._stage for stage, _ in list(self._paused))
        counts = {**ended, Status.RUNNING.value: len(self._running), PAUSED: paused}
        return " · ".join(f"{counts[state]} {status_name(state)}" for state in STATES if counts.get(state))

    def _ladder(self) -> list[Text]:
        """How many trials have reached each epoch at which trials of the stage pause, and how many the end.

        A line "epoch 1: 12 · 2: 6 · 4: 3 · to the end: 2"; none where no trial pauses.
        """
        rungs = self._pauses(self._stage)
        if not rungs:
            return []
        ended = [trial for trial in list(self._ended.values()) if trial.stage == self._stage and trial.ended]
        epochs = [trial.epochs for trial in ended]
        epochs += [run.epoch for (stage, _), run in list(self._running.items()) if stage == self._stage]
        epochs += [epoch for (stage, _), epoch in list(self._paused.items()) if stage == self._stage]
        reached = [f"{rung}: {sum(epoch >= rung for epoch in epochs)}" for rung in rungs]
        completed = sum(trial.status is Status.COMPLETE for trial in ended)
        return [Text(" · ".join([f"epoch {reached[0]}", *reached[1:], f"to the end: {completed}"]), style="dim")]

    def _best(self) -> Text:
        complete = [trial for trial in list(self._ended.values()) if trial.stage == SEARCH and trial.value is not None]
        if not complete:
            return Text("best of the search: none has finished" if self._study.space.dimensions else "")
        factor = sign(self._study.metric.goal)
        best = max(complete, key=lambda trial: factor * (trial.value or 0.0))
        line = Text("best of the search: ").append(self._result(best), style="bold green")
        return line.append(f"  trial {best.number}, one run")

    def _running_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        if not self._running and not self._started and self._stage != STARTING:
            table.add_row(Text(f"  {self._phase()}", style="dim"))
        for (stage, number), run in list(self._running.items())[:SHOWN_RUNNING]:
            value = self._metric_format.show(run.value)
            row = (f"  {self._trial_title(stage, number)}", f"epoch {run.epoch}{self._of_epochs()}", value, run.label)
            table.add_row(*(Text(visible(cell), overflow="ellipsis", no_wrap=True) for cell in row))
        return table

    def _time(self) -> str:
        """The time so far, and how long stage and study will still take if runs go on at the rate of this start."""
        now = time.monotonic()
        ended = sum(trial.seconds for trial in list(self._ended.values()))
        hours = self._share * (ended + sum(list(self._held.values()))) / 3600
        line = f"{duration(now - self._began)} so far · {device_time(hours, self._device)}"
        part, whole = self._share_done()
        if self._trainings and self._trainings[0] == part > self._trainings_before:  # the trainings will end it
            pace = (now - self._stage_began) / (part - self._trainings_before)
            return f"{line} · {self._left(pace * max(0.0, whole - part))}"
        done = self._done(self._stage)
        remaining = max(0, (self._totals.get(self._stage, 0) or 0) - done)
        pauses = bool(self._pauses(self._stage))
        # How long the last promotions take after the last new trial is not known: it depends on who earns them.
        if done <= self._done_before or (pauses and not remaining):
            return line
        seconds = (now - self._stage_began) / (done - self._done_before) * remaining
        return f"{line} · {f'about {duration(seconds)} until its last new trial' if pauses else self._left(seconds)}"

    def _left(self, seconds: float) -> str:
        """How long the stage will still take, and the study with the stages to come where that is known."""
        later = seconds_ahead(self._outlook, self._stage, list(self._ended.values()))
        study = f", {duration(seconds + later)} of the study" if later is not None else ""
        return f"about {duration(seconds)} left of this stage{study}"

    def _done(self, stage: str) -> int:
        """The runs of a stage that have ended. Where trials pause, few end before the last one: those that began."""
        counted = self._counted(stage)
        if not self._pauses(stage):
            return counted
        return counted + sum(name == stage for name, _ in [*list(self._running), *list(self._paused)])

    def _pauses(self, stage: str) -> list[int]:
        """The epochs at which trials of a stage have paused, in their order."""
        return sorted(epoch for name, epoch in list(self._rungs) if name == stage)

    def _counted(self, stage: str) -> int:
        """The runs of a stage that have ended; of the search those that count towards its `run_cap`.

        A replicate that failed in an earlier start is run again, and counts once it has ended for the second time.
        """
        ended = [trial for trial in list(self._ended.values()) if trial.stage == stage]
        searched = sum(trial.status.counted for trial in ended if not trial.variant)
        replicates = [t for t in ended if t.variant and t.status not in (Status.RUNNING, Status.ABANDONED)]
        again = {(trial.stage, trial.number) for trial in replicates if trial.status.lost} & self._lost_before
        return searched + len(replicates) - len(again)

    def _result(self, trial: Trial) -> str:
        """The metric of a trial with its name."""
        # Only the stage final evaluates on labelled sets, and its metric is that of the test set.
        return self._value(trial.value, on_test=bool(trial.metrics))

    def _value(self, value: float | None, *, on_test: bool = False) -> str:
        label = self._metric_format.label
        label = f"test {label.removeprefix('validation ')}" if on_test else label
        return f"{label} {self._metric_format.show(value)}"

    def _trial_title(self, stage: str, number: int) -> str:
        return f"trial {number}" if stage == SEARCH else f"{self._stage_title(stage)} {number}"

    def _stage_title(self, stage: str) -> str:
        """The stage in words: "retune-3f1c…" is "retune", whichever arm is tuned."""
        return stage.partition("-")[0]


def _pauses(trial: Trial) -> list[int]:
    """The epochs at which a trial was to pause that it has reached."""
    decisions = [step.decision for step in steps_of([trial])]
    return [each.until for each in decisions if not each.last and each.until is not None and each.until <= trial.epochs]
