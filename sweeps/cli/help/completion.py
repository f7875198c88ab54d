"""What a shell completes: studies, study files, stages, trials and toggles. Nothing heavy is loaded for it.

A study may be damaged or none yet: then there is nothing to complete, and no error.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from sweeps.artifacts.layout import SEARCH, folder_names, is_name, is_stage, study_names, trial_folder

RUNS = Path("runs")
WORKLOAD = "cifar_sweep"  # of which toggles are known; a workload of a study file is code, which Tab must not run
STAGES = ("search", "confirm", "ablation", "final")


def study_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a study in the runs folder."""
    return _beginning(incomplete, study_names(_runs(ctx)))


def study_file_name(incomplete: str) -> list[str]:
    """Complete the name of a file in the folder `studies`; a path is left to the shell."""
    files = (path for end in ("yaml", "yml") for path in Path("studies").glob(f"*.{end}"))
    return _beginning(incomplete, sorted({path.stem for path in files}))


def stage_name(incomplete: str) -> list[str]:
    """Complete the name of a stage that can be run."""
    return _beginning(incomplete, STAGES)


def stage_with_trials(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a stage of which the study on the command line has trials."""
    return _beginning(incomplete, [SEARCH, *filter(is_stage, folder_names(_study(ctx)))])


def trial_number(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the number of a trial of the study and the stage on the command line."""
    stage = str(ctx.params.get("stage") or SEARCH)
    names = folder_names(trial_folder(_study(ctx), 0, stage).parent) if is_stage(stage) else []
    return _beginning(incomplete, [str(int(name)) for name in names if name.isdecimal()])


def toggle_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a toggle of the built-in workload."""
    if ctx.params.get("workload", WORKLOAD) != WORKLOAD:
        return []
    from sweeps.workload import load

    return _beginning(incomplete, load(WORKLOAD).toggles())


def _runs(ctx: typer.Context) -> Path:
    given: Any = ctx.params.get("runs_dir")
    return Path(given or RUNS).expanduser()


def _study(ctx: typer.Context) -> Path:
    """The folder of the study on the command line. It need not exist."""
    # After an option that still lacks its value, click leaves the arguments before it unread.
    name = str(ctx.params.get("name") or next(iter(ctx.args), ""))
    return _runs(ctx) / (name if is_name(name) else ".none")


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
