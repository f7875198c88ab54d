"""The arguments and options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.", show_default=False)]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of a study in the runs folder.", show_default=False)
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any setting: run_cap=8, epochs=4, model.widths=[16,32]."),
]
Searches = Annotated[
    list[str] | None,
    typer.Option("--search", metavar="KEY=RANGE", help="Search a setting: optimizer.lr=log:1e-4..1e-1, epochs=[4,8]."),
]
Toggles = Annotated[
    list[str] | None,
    typer.Option("--toggle", metavar="NAME", help="Search a part on and off; `sweep toggles` lists the parts."),
]
Budget = Annotated[str | None, typer.Option("--budget", metavar="N", help="Limit of the parameters: 5M, 250_000.")]
RunnerKind = Annotated[str, typer.Option("--runner", metavar="ray|inline", help="Ray Tune, or this process alone.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once.  [default: as many as fit]")]
Address = Annotated[
    str | None, typer.Option("--ray-address", help="A running Ray cluster.  [default: a Ray of our own]")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The data folder.  [default: $SWEEP_DATA, else the user's cache folder]"),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where studies are kept.")]
ReportsDir = Annotated[Path, typer.Option("--reports-dir", help="Where reports are written.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew; the old folder is kept under another name.")]
Smoke = Annotated[
    bool, typer.Option("--smoke", help="Two trials of one epoch on few images, in a folder of their own.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
StageName = Annotated[
    str | None,
    typer.Option("--stage", metavar="NAME", help="Run one stage only: search, confirm, ablation or final."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Train also what the runs folder has from another study.")]
OpenAgain = Annotated[
    bool, typer.Option("--open-again", help="Open the test set although this study has opened it before.")
]
AcceptDrift = Annotated[
    bool,
    typer.Option("--accept-drift", help="Go on although code, data, library or file has changed; it is written down."),
]
WorkloadName = Annotated[str, typer.Option("--workload", help="What is trained.")]
RUNS, REPORTS = Path("runs"), Path("reports")
