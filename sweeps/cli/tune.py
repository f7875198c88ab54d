"""Commands that look for a setting to begin a study with: tune-batch, tune-lr."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.options import RUNS, DataDir, Json, RunsDir, Sets, StudyFile

if TYPE_CHECKING:
    from sweeps.study.study import Study
    from sweeps.workload import Site, Tuned, Workload

ROWS_SHOWN = 24

app = typer.Typer()


@app.command("tune-batch")
def tune_batch(
    study: StudyFile, sets: Sets = None, data_dir: DataDir = None, runs_dir: RunsDir = RUNS, as_json: Json = False
) -> None:
    """The largest batch that the baseline of a study trains with on this machine, and how fast batches are."""
    workload, recipe, site = _baseline(study, sets or (), data_dir, runs_dir)
    _show(workload.tune_batch(recipe, site), as_json)


@app.command("tune-lr")
def tune_lr(
    study: StudyFile, sets: Sets = None, data_dir: DataDir = None, runs_dir: RunsDir = RUNS, as_json: Json = False
) -> None:
    """A learning rate for the baseline of a study: a short training in which the rate grows until the loss explodes."""
    workload, recipe, site = _baseline(study, sets or (), data_dir, runs_dir)
    _show(workload.tune_lr(recipe, site), as_json)


def study_line(settings: dict[str, Any]) -> str:
    """Settings by dotted key as one line of a study file: "batch_size: 512", "optimizer: {lr: 0.12}"."""
    return ", ".join(_nested(key.split("."), value) for key, value in settings.items())


def _nested(path: list[str], value: Any) -> str:
    if len(path) == 1:
        return f"{path[0]}: {value}"
    return f"{path[0]}: {{{_nested(path[1:], value)}}}"


def _baseline(path: Path, sets: Any, data_dir: Path | None, runs_dir: Path) -> tuple[Workload, Any, Site]:
    """The workload of a study, its baseline's recipe as settled for this machine, and where a trial of it runs."""
    from sweeps.prepare.environment import data_dir as data_folder
    from sweeps.prepare.prepared import settle
    from sweeps.validation.loading import Edits, load_study

    study, workload = load_study(path, Edits(sets))
    settled = settle(study, workload, data_folder(data_dir), {}, runs_dir, measuring=False)
    recipe = workload.schema.validate(settled.gate.baseline().settings)
    return workload, recipe, replace(settled.site, share=_memory_share(study, settled.site.device))


def _memory_share(study: Study, device: str) -> float:
    """The part of the device's memory that one trial of `study` gets: of a GPU what it asks for, else by its cores."""
    from sweeps.study.resources import device_share

    share = device_share(study, device)
    return min(1.0, share if device == "cuda" else share / len(os.sched_getaffinity(0)))


def _show(tuned: Tuned, as_json: bool) -> None:
    from sweeps.cli import tables as terminal

    if as_json:
        rows = [dict(row) for row in tuned.rows]
        print_json({"settings": dict(tuned.settings), "note": tuned.note, "rows": rows})
        return
    if tuned.rows:
        shown = tuned.rows[:: -(-len(tuned.rows) // ROWS_SHOWN)]
        columns = [name.replace("_", " ") for name in shown[0]]
        terminal.console().print(
            terminal.text_table(columns, [[_cell(value) for value in row.values()] for row in shown])
        )
    typer.echo(tuned.note)
    if tuned.settings:
        typer.echo(f"Into the baseline of the study file: {study_line(dict(tuned.settings))}")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
