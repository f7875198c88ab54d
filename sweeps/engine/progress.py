"""What a person sees while a study runs: a live view on a terminal, one line per event elsewhere. All on stderr."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeps.artifacts.layout import SEARCH
from sweeps.formatting import count, duration, measure, status_name
from sweeps.io.errors import visible
from sweeps.prepare.environment import gpu_count
from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial

SHOWN_RUNNING = 8
STARTING = ""


@dataclass(frozen=True)
class Running:
    """A trial on its way: what tells it from others, the epochs done, and its last metric."""

    label: str
    epoch: int
    value: float | None = None


class Progress:
    """Follows a study as its observer. Used as a context manager around the run."""

    def __init__(self, study: Study, known: Results | None, epochs: int | None, *, quiet: bool = False) -> None:
        self._study = study
        self._measure = measure(study.metric)
        self._device = "cuda" if gpu_count() and study.resources.gpu != 0 else "cpu"
        self._share = device_share(study, self._device)
        self._epochs = epochs
        self._console = Console(stderr=True, quiet=quiet)
        self._stage = STARTING  # until a stage begins, data and runner are being made ready
        self._wanted: dict[str, int] = {}
        known_trials = known.everything if known else ()
        self._ended: dict[tuple[str, int], Trial] = {(trial.stage, trial.number): trial for trial in known_trials}
        self._running: dict[tuple[str, int], Running] = {}
        self._paused: dict[tuple[str, int], int] = {}
        self._began = time.monotonic()
        self._stage_began, self._counted_before = self._began, 0
        # The last: it draws its first view at once.
        self._live = Live(console=self._console, get_renderable=self._view, transient=True, refresh_per_second=4)

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def on_settled(self, study: Study, notes: Sequence[str]) -> None:
        """What is measured once for a study is known: `study` as it will run, and how each setting was found."""
        self._share = device_share(study, self._device)
        for note in notes:
            self.on_note(note)

    def on_stage(self, stage: str, wanted: int) -> None:
        """A stage begins, goes on, or has grown to `wanted` runs."""
        began = stage != self._stage and self._counted(stage) < wanted
        if began and self._family(stage) != self._family(self._stage):
            self._line(f"{self._family(stage)}: {count(wanted, 'run')}")
        self._stage, self._wanted[stage] = stage, wanted
        self._stage_began, self._counted_before = time.monotonic(), self._counted(stage)

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        """A trial starts, or goes on after epoch `resumed_at`."""
        self._stage = stage
        self._running[stage, number] = Running(label, resumed_at)
        self._paused.pop((stage, number), None)
        verb = f"goes on after epoch {resumed_at}" if resumed_at else "starts"
        self._line(f"{self._name(stage, number)} {verb}: {label}")

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch has been recorded."""
        value = metrics.get(self._study.metric.name)
        self._running[stage, number] = Running(self._running[stage, number].label, epoch, value)

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        """A trial waits for the others."""
        self._running.pop((stage, number), None)
        self._paused[stage, number] = epoch
        self._line(f"{self._name(stage, number)} waits after epoch {epoch} for the others")

    def on_end(self, trial: Trial) -> None:
        """A trial has ended, or was refused before it started."""
        self._running.pop((trial.stage, trial.number), None)
        self._paused.pop((trial.stage, trial.number), None)
        self._ended[trial.stage, trial.number] = trial
        result = self._metric(trial) if trial.status is Status.COMPLETE else trial.reason
        after = f" after epoch {trial.epochs}" if trial.epochs else ""
        taken = f" (taken from {trial.source})" if trial.source else ""
        self._line(f"{self._name(trial.stage, trial.number)} {status_name(trial.status)}{after}: {result}{taken}")

    def on_note(self, text: str) -> None:
        """Something that a person is to know."""
        self._console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def on_interrupt(self, why: str) -> None:
        """The study has been asked to end early."""
        if not self._console.quiet:
            # Called inside a signal's handler, which may have broken into a print of rich's: past its buffers, then.
            os.write(2, f"{why}; once more to stop at once\n".encode())

    def _line(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(visible(line), markup=False, highlight=False, soft_wrap=True)

    def _view(self) -> RenderableType:
        rows = [self._title(), self._bar(), Text(self._tally(), style="dim"), self._best()]
        return Group(*rows, self._running_table(), Text(self._time(), style="dim"))

    def _title(self) -> Text:
        stage = self._family(self._stage) or "starting"
        what = f"{stage} · {self._study.method}" if stage == SEARCH else stage
        return Text(self._study.name, style="bold").append(visible(f"  {what} · {self._study.question}"), style="dim")

    def _bar(self) -> RenderableType:
        done, wanted = self._counted(self._stage), self._wanted.get(self._stage, 0)
        noun = "trial" if self._stage in (SEARCH, STARTING) else "run"
        grid = Table.grid(padding=(0, 1))
        grid.add_row(ProgressBar(total=max(1, wanted), completed=done, width=40), Text(f"{done}/{count(wanted, noun)}"))
        return grid

    def _tally(self) -> str:
        statuses = [trial.status for trial in list(self._ended.values()) if trial.stage == self._stage]
        counts = {status: statuses.count(status) for status in Status}
        counts[Status.RUNNING] = len(self._running)
        shown = [f"{n} {status_name(status)}" for status, n in counts.items() if n]
        return " · ".join([*shown, f"{len(self._paused)} waiting"] if self._paused else shown)

    def _best(self) -> Text:
        complete = [trial for trial in list(self._ended.values()) if trial.stage == SEARCH and trial.value is not None]
        if not complete:
            return Text("best of the search: none has finished" if self._study.space.dimensions else "")
        sign = 1 if self._study.metric.goal == "maximize" else -1
        best = max(complete, key=lambda trial: sign * (trial.value or 0.0))
        line = Text("best of the search: ").append(self._metric(best), style="bold green")
        return line.append(f"  trial {best.number}, one run")

    def _running_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        if not self._running:
            table.add_row(Text("  starting …" if self._stage == STARTING else "", style="dim"))
        for (stage, number), run in list(self._running.items())[:SHOWN_RUNNING]:
            of = f"/{self._epochs}" if self._epochs else ""
            shown = self._measure.show(run.value)
            row = (f"  {self._name(stage, number)}", f"epoch {run.epoch}{of}", shown, run.label)
            table.add_row(*(Text(visible(cell), overflow="ellipsis", no_wrap=True) for cell in row))
        return table

    def _time(self) -> str:
        now = time.monotonic()
        hours = self._share * sum(trial.seconds for trial in list(self._ended.values())) / 3600
        line = f"{duration(now - self._began)} so far · {hours:.3f} device-hours"
        finished_now = self._counted(self._stage) - self._counted_before
        if finished_now <= 0:
            return line
        left = self._wanted.get(self._stage, 0) - self._counted(self._stage)
        about = duration((now - self._stage_began) / finished_now * max(0, left))
        return f"{line} · about {about} left of this stage"

    def _counted(self, stage: str) -> int:
        """The runs of a stage that have ended; of a search those that count towards its `run_cap`."""
        ended = [trial for trial in list(self._ended.values()) if trial.stage == stage]
        return sum(trial.status.counted or (trial.status is Status.FAILED and trial.variant != "") for trial in ended)

    def _metric(self, trial: Trial) -> str:
        label = self._measure.label
        if trial.metrics:  # only the stage final has opened anything
            label = f"test {label.removeprefix('validation ')}"
        return f"{label} {self._measure.show(trial.value)}"

    def _name(self, stage: str, number: int) -> str:
        return f"trial {number}" if stage == SEARCH else f"{self._family(stage)} {number}"

    def _family(self, stage: str) -> str:
        """The stage in words: the searches of all arms that are tuned again go by one name."""
        return stage.partition("-")[0]
