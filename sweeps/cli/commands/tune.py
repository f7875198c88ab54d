"""Commands that find settings for a study's baseline: tune-batch, tune-lr."""

from __future__ import annotations

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
    """Find the largest batch size that fits on this machine.

    Trains the study's baseline with growing batches and shows how fast they are.
    """
    from sweeps.io.screen.working import working

    with working("preparing the baseline") as phase:
        workload, recipe, site = _baseline(study, sets or (), data_dir, runs_dir)
        phase("training with growing batches")
        tuned = workload.tune_batch(recipe, site)
    _show(tuned, as_json)


@app.command("tune-lr")
def tune_lr(
    study: StudyFile, sets: Sets = None, data_dir: DataDir = None, runs_dir: RunsDir = RUNS, as_json: Json = False
) -> None:
    """Find a learning rate for a study's baseline.

    Trains for a short time, in which the rate grows until the loss explodes.
    """
    from sweeps.io.screen.working import working

    with working("preparing the baseline") as phase:
        workload, recipe, site = _baseline(study, sets or (), data_dir, runs_dir)
        phase("training while the learning rate grows")
        tuned = workload.tune_lr(recipe, site)
    _show(tuned, as_json)


def study_line(settings: dict[str, Any]) -> str:
    """Return settings as a line of a study file: "batch_size: 512", "optimizer: {lr: 0.12}".

    Args:
        settings: The settings by dotted key.
    """
    return ", ".join(_nested(key.split("."), value) for key, value in settings.items())


def _nested(path: list[str], value: Any) -> str:
    if len(path) == 1:
        return f"{path[0]}: {value}"
    return f"{path[0]}: {{{_nested(path[1:], value)}}}"


def _baseline(path: Path, sets: Any, data_dir: Path | None, runs_dir: Path) -> tuple[Workload, Any, Site]:
    """The workload of a study, its baseline's recipe resolved for this machine, and the site of one of its trials."""
    from sweeps.cli.study_file import study_file
    from sweeps.prepare.environment import data_dir as data_folder
    from sweeps.prepare.prepared import settle
    from sweeps.validation.loading import Edits, load_study

    study, workload = load_study(study_file(path, runs_dir), Edits(sets))
    prepared = settle(study, workload, data_folder(data_dir), {}, runs_dir, measuring=False, check_test=False)
    recipe = workload.schema.validate(prepared.gate.baseline().settings)
    return workload, recipe, replace(prepared.site, share=_memory_share(study, prepared.site.device))


def _memory_share(study: Study, device: str) -> float:
    """The part of the device's memory for one trial: its share of the GPU, or on the CPU its share of the cores."""
    from sweeps.io.machine import available_cores
    from sweeps.study.resources import device_share

    share = device_share(study, device)
    return min(1.0, share / available_cores() if device == "cpu" else share)


def _show(tuned: Tuned, as_json: bool) -> None:
    from sweeps.cli.tables import console, text_table

    if as_json:
        print_json({"settings": dict(tuned.settings), "note": tuned.note, "rows": [dict(row) for row in tuned.rows]})
        return
    if tuned.rows:
        step = -(-len(tuned.rows) // ROWS_SHOWN)  # rounded up: at most ROWS_SHOWN rows
        rows = tuned.rows[::step]
        columns = [name.replace("_", " ") for name in rows[0]]
        console().print(text_table(columns, [[_cell(value) for value in row.values()] for row in rows]))
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
