"""What a person sees while a study runs: a live view on a terminal, one line per event elsewhere. All on stderr."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeps.results import Results
from sweeps.site import gpu_count
from sweeps.study import Study
from sweeps.trial import Status, Trial
from sweeps.words import count, duration, measure, setting, status_name

SHOWN_RUNNING = 8


class Progress:
    """Follows a search as its observer. Used as a context manager around the run."""

    def __init__(self, study: Study, known: Results | None, epochs: int | None, *, quiet: bool = False) -> None:
        self._study = study
        self._measure = measure(study.metric)
        # A device-hour is one of the device: half a GPU for an hour is half of one.
        self._share = (study.resources.gpu or 1.0) if gpu_count() else 1.0
        self._epochs = epochs
        self._console = Console(stderr=True, quiet=quiet)
        self._ended: dict[int, Trial] = {trial.number: trial for trial in known.trials} if known else {}
        self._running: dict[int, tuple[Mapping[str, Any], int, float | None]] = {}
        self._heard = False  # whether any trial has started: until then data and runner are being made ready
        self._began = time.monotonic()
        self._counted_before = self._counted()
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

    def on_start(self, number: int, parameters: Mapping[str, Any], resumed_at: int) -> None:
        """A trial starts, or goes on after epoch `resumed_at`."""
        self._heard = True
        self._running[number] = (parameters, resumed_at, None)
        verb = f"goes on after epoch {resumed_at}" if resumed_at else "starts"
        self._line(f"trial {number} {verb}: {_settings(parameters)}")

    def on_epoch(self, number: int, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """An epoch has been recorded."""
        parameters, _, _ = self._running[number]
        self._running[number] = (parameters, epoch, metrics.get(self._study.metric.name))

    def on_end(self, trial: Trial) -> None:
        """A trial has ended, or was refused before it started."""
        self._running.pop(trial.number, None)
        self._ended[trial.number] = trial
        result = self._metric(trial.value) if trial.status is Status.COMPLETE else trial.reason
        after = f" after epoch {trial.epochs}" if trial.epochs else ""
        self._line(f"trial {trial.number} {status_name(trial.status)}{after}: {result}")

    def on_interrupt(self, why: str) -> None:
        """The search has been asked to end early."""
        if not self._console.quiet:
            # Called inside a signal's handler, which may have broken into a print of rich's: past its buffers, then.
            os.write(2, f"{why}: stopping; once more to stop at once\n".encode())

    def _line(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _view(self) -> RenderableType:
        rows = [self._title(), self._bar(), Text(self._tally(), style="dim"), self._best()]
        return Group(*rows, self._running_table(), Text(self._time(), style="dim"))

    def _title(self) -> Text:
        title = Text(self._study.name, style="bold")
        return title.append(f"  search · {self._study.method} · {self._study.question}", style="dim")

    def _bar(self) -> RenderableType:
        done, cap = self._counted(), self._study.run_cap
        grid = Table.grid(padding=(0, 1))
        grid.add_row(ProgressBar(total=cap, completed=done, width=40), Text(f"{done}/{count(cap, 'trial')}"))
        return grid

    def _tally(self) -> str:
        statuses = [trial.status for trial in list(self._ended.values())]
        counts = {status: statuses.count(status) for status in Status}
        counts[Status.RUNNING] = len(self._running)
        return " · ".join(f"{n} {status_name(status)}" for status, n in counts.items() if n)

    def _best(self) -> Text:
        complete = [trial for trial in list(self._ended.values()) if trial.value is not None]
        if not complete:
            return Text("best so far: none has finished")
        sign = 1 if self._study.metric.goal == "maximize" else -1
        best = max(complete, key=lambda trial: sign * (trial.value or 0.0))
        line = Text("best so far: ").append(f"{self._metric(best.value)}", style="bold green")
        return line.append(f"  trial {best.number}  {_settings(best.parameters)}")

    def _running_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        if not self._running:
            table.add_row(Text("  starting …" if not self._heard else "", style="dim"))
        for number, (parameters, epoch, value) in list(self._running.items())[:SHOWN_RUNNING]:
            of = f"/{self._epochs}" if self._epochs else ""
            shown = self._measure.show(value)
            row = (f"  trial {number}", f"epoch {epoch}{of}", shown, _settings(parameters))
            table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in row))
        return table

    def _time(self) -> str:
        elapsed = time.monotonic() - self._began
        hours = self._share * sum(trial.seconds for trial in list(self._ended.values())) / 3600
        line = f"{duration(elapsed)} so far · {hours:.3f} device-hours"
        finished_now = self._counted() - self._counted_before
        if not finished_now:
            return line
        left = elapsed / finished_now * max(0, self._study.run_cap - self._counted())
        return f"{line} · about {duration(left)} left"

    def _counted(self) -> int:
        return sum(trial.status.counted for trial in list(self._ended.values()))

    def _metric(self, value: float | None) -> str:
        return f"{self._measure.label} {self._measure.show(value)}"


def _settings(parameters: Mapping[str, Any]) -> str:
    return "  ".join(f"{key}={setting(value)}" for key, value in parameters.items())
