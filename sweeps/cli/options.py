"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.help.completion import stage_name, study_file_name, study_name, toggle_name

StudyFile = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY",
        help="The study file, or its name: quickstart.",
        show_default=False,
        autocompletion=study_file_name,
    ),
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The name of a study in the runs folder.", show_default=False, autocompletion=study_name
    ),
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
    typer.Option(
        "--toggle",
        metavar="NAME",
        help="Search with a part on and off; `sweep toggles` lists the parts.",
        autocompletion=toggle_name,
    ),
]
Budget = Annotated[
    str | None, typer.Option("--budget", metavar="N", help="Limit on the number of parameters: 5M, 250_000.")
]
RunnerKind = Annotated[str, typer.Option("--runner", metavar="ray|inline", help="Ray Tune, or this process alone.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="How many trials run at once.  [default: as many as fit]")
]
Address = Annotated[
    str | None, typer.Option("--ray-address", help="A running Ray cluster.  [default: start Ray on this machine]")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The data folder.  [default: $SWEEP_DATA, else the user's cache folder]"),
]
# A shell leaves the "~" of --runs-dir=~/runs alone; unexpanded it would become a folder of that name.
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where studies are kept.", callback=Path.expanduser)]
ReportsDir = Annotated[Path, typer.Option("--reports-dir", help="Where reports are written.", callback=Path.expanduser)]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Start again from nothing; the old folder is kept under another name.")
]
Smoke = Annotated[
    bool, typer.Option("--smoke", help="Try the study: two trials of one epoch on few images, in a separate folder.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines; an error is an object with error and exit_code.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print the answer and errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print a line for each event and each epoch, too.")]
StageName = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="NAME",
        help="Run one stage only: search, confirm, ablation or final.",
        autocompletion=stage_name,
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Train every run, even if another study in the runs folder has it.")
]
OpenAgain = Annotated[bool, typer.Option("--open-again", help="Allow this study to open its test set again.")]
Repeat = Annotated[
    int | None,
    typer.Option(
        "--repeat",
        min=1,
        metavar="N",
        help="Then train one run of the incumbent N times more with its own seed: do they differ?",
    ),
]
AcceptDrift = Annotated[
    bool,
    typer.Option(
        "--accept-drift",
        help="Continue although code, data, a library or the study file changed; the change is recorded.",
    ),
]
WorkloadName = Annotated[str, typer.Option("--workload", help="The workload's name, as in a study file.")]
RUNS, REPORTS = Path("runs"), Path("reports")
