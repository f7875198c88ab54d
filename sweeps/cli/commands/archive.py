"""Commands that hand a study on: archive, open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.options import REPORTS, RUNS, Json, Name, ReportsDir, RunsDir

app = typer.Typer()


@app.command()
def archive(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file to write.  [default: NAME.sweep.zip]")
    ] = None,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Pack the trained models too, which predict and export need.")
    ] = False,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Pack a study into one file: records, curves, predictions, provenance, tables and report."""
    from sweeps.engine.archive import pack
    from sweeps.io.screen.working import working

    with working("packing the study"):
        path, manifest = pack(runs_dir, name, out, checkpoints=checkpoints)
    if as_json:
        print_json({"study": name, "file": str(path), "files": len(manifest.files), "bytes": path.stat().st_size})
        return
    models = "with its models" if checkpoints else "without its models (--checkpoints packs them)"
    typer.echo(f"{path}: {len(manifest.files):,} files, {_size(path.stat().st_size)}, {models}")
    typer.echo(f"Elsewhere: sweep open {path.name}")


@app.command("open")
def open_archive(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An archive of `sweep archive`.", show_default=False)],
    name: Annotated[str, typer.Option("--name", help="Another name for the study.")] = "",
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Unpack an archived study, check every file of it, and show its answer."""
    from sweeps.api.results import StudyResults
    from sweeps.cli.tables import say
    from sweeps.engine.archive import unpack
    from sweeps.formatting import in_local_time
    from sweeps.io.errors import visible
    from sweeps.io.screen.working import working

    with working("unpacking and checking the study"):
        opened = unpack(file, runs_dir, reports_dir, name)
        answer = StudyResults(opened.results).answer
    if as_json:
        place = {"study": opened.results.name, "folder": str(opened.results.folder)}
        print_json(
            {**opened.manifest.facts, **place, "report": str(opened.page) if opened.page else None, "answer": answer}
        )
        return
    facts = opened.manifest.facts
    packed = in_local_time(f"packed at {facts.get('packed', '?')} by version {facts.get('version', '?')}")
    typer.echo(visible(f"{opened.results.folder}: {len(opened.manifest.files):,} files, {packed}"))
    say(*answer)
    if opened.page is not None:
        typer.echo(f"Report: {opened.page}")
    else:
        typer.echo(f"A report of this name exists; `sweep report {opened.results.name}` would replace it", err=True)


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB" if number >= 1e5 else f"{number:,} bytes"
