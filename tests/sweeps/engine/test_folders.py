"""What a run may replace: folders that runs have written, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.layout import STUDY_NAME_LENGTH, is_study_name
from sweeps.engine.folders import begin_smoke_run, require_report_folder
from sweeps.engine.launch import Folders, Options, launch
from sweeps.io.errors import Refused
from sweeps.prepare.smoke import smoke_name
from sweeps.report.across.compare import comparison_name
from sweeps.storage.runs import open_results
from sweeps.workload import load
from tests.sweeps.support import toy_study

FRESH: dict[str, Any] = {"fresh": True}
SMOKE: dict[str, Any] = {"smoke": True}


def start(folder: Path, name: str = "toy", **options: Any) -> None:
    study = toy_study(name=name, run_cap=1, baseline={"epochs": 1})
    folders = Folders(folder / "runs", folder / "reports", folder / "data")
    launch(study, load(study.workload), Options(folders, "inline", quiet=True, **options))


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_smoke_run_replaces_an_earlier_one_even_after_it_was_resumed(tmp_path: Path) -> None:
    start(tmp_path, smoke=True)
    first = open_results(tmp_path / "runs", "toy-smoke").environment["id"]
    resumed = open_results(tmp_path / "runs", "toy-smoke").study
    launch(resumed, load(resumed.workload), Options(Folders(tmp_path / "runs", tmp_path / "reports"), "inline"))
    start(tmp_path, smoke=True)
    assert open_results(tmp_path / "runs", "toy-smoke").environment["id"] != first


def killed_before_the_mark(folder: Path) -> None:
    folder.mkdir()
    (folder / "lock").touch()


def killed_after_the_mark(folder: Path) -> None:
    begin_smoke_run(folder)
    (folder / "study.yaml").touch()


@pytest.mark.parametrize("killed", [killed_before_the_mark, killed_after_the_mark])
def test_smoke_run_replaces_one_that_was_killed_at_its_start(tmp_path: Path, killed: Callable[[Path], None]) -> None:
    killed(tmp_path / "toy-smoke")
    begin_smoke_run(tmp_path / "toy-smoke")
    assert [path.name for path in (tmp_path / "toy-smoke").iterdir()] == ["environment.json"]


def notes(runs: Path) -> None:
    (runs / "toy-smoke").mkdir(parents=True)
    (runs / "toy-smoke" / "notes.md").write_text("do not lose me")


def notes_in_a_smoke_run(runs: Path) -> None:
    begin_smoke_run(runs / "toy-smoke")
    (runs / "toy-smoke" / "notes.md").write_text("do not lose me")


def study_of_that_name(runs: Path) -> None:
    start(runs.parent, "toy-smoke")


def study_whose_environment_is_lost(runs: Path) -> None:
    start(runs.parent, "toy-smoke")
    (runs / "toy-smoke" / "environment.json").unlink()


def link(runs: Path) -> None:
    begin_smoke_run(runs / "elsewhere")
    (runs / "toy-smoke").symlink_to(runs / "elsewhere")


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (notes, r"it has files that no smoke run wrote: notes\.md"),
        (notes_in_a_smoke_run, r"it has files that no smoke run wrote: notes\.md"),
        (study_of_that_name, "it is the folder of a study of its own"),
        (study_whose_environment_is_lost, "it is the folder of a study of its own"),
        (link, "it is a link to another folder"),
    ],
)
def test_smoke_run_replaces_nothing_else(tmp_path: Path, there: Callable[[Path], None], why: str) -> None:
    there(tmp_path / "runs")
    before = content(tmp_path / "runs")
    with pytest.raises(Refused, match=f"toy-smoke, but {why}; rename or move it, or choose another --runs-dir"):
        start(tmp_path, smoke=True)
    assert content(tmp_path / "runs") == before


@pytest.mark.parametrize("options", [{}, FRESH], ids=["run", "fresh"])
def test_folder_without_a_study_is_neither_used_nor_moved(tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "runs" / "toy").mkdir(parents=True)
    (tmp_path / "runs" / "toy" / "thesis.tex").write_text("years of work")
    with pytest.raises(Refused, match=r"it has no study\.yaml, but thesis\.tex; give the study another name"):
        start(tmp_path, **options)
    assert list(content(tmp_path / "runs")) == ["toy/thesis.tex"]


def test_fresh_start_keeps_every_earlier_one(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "runs" / "toy.1").mkdir()
    (tmp_path / "runs" / "toy" / "notes.md").write_text("kept with the study")
    start(tmp_path, fresh=True)
    assert (tmp_path / "runs" / "toy.2" / "notes.md").exists()
    assert not any((tmp_path / "runs" / "toy.1").iterdir())


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_report_overwrites_nobody_elses_page(tmp_path: Path, name: str) -> None:
    (tmp_path / "reports" / "toy").mkdir(parents=True)
    (tmp_path / "reports" / "toy" / name).write_text("mine")
    with pytest.raises(Refused, match=f"would overwrite {name} in .*choose another --reports-dir"):
        start(tmp_path)
    assert not (tmp_path / "runs").exists()
    assert content(tmp_path / "reports") == {f"toy/{name}": b"mine"}


def test_report_of_a_study_is_replaced(tmp_path: Path) -> None:
    start(tmp_path)
    require_report_folder(tmp_path / "reports" / "toy")


LONG = "x" * STUDY_NAME_LENGTH


def test_long_names_that_begin_alike_have_smoke_runs_and_comparisons_of_their_own() -> None:
    names = [LONG, f"{LONG[:-1]}y", f"{LONG[:58]}", f"{LONG[:57]}y", f"{LONG[:59]}"]
    smoke = [smoke_name(name) for name in names]
    assert len(set(smoke)) == len(names)
    assert all(map(is_study_name, smoke))
    assert smoke_name("toy") == "toy-smoke"
    assert comparison_name(["a", "b"]) == "a-vs-b"
    compared = [comparison_name([LONG, name]) for name in names[:2]]
    assert len({*compared}) == 2
    assert max(map(len, compared)) <= 120
