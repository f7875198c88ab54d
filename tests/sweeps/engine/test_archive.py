"""A study in one file: packed, opened elsewhere with the same answer, and refused where it was changed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import sweeps
from sweeps.artifacts.archive import MANIFEST, BadArchive, extract, read_manifest
from sweeps.engine.archive import pack, unpack
from sweeps.io.errors import Refused
from sweeps.io.lock import driver_lock
from sweeps.storage.openings import Openings, SealedSet
from tests.sweeps.support import TOY, holding, sweep

ABLATED = {**TOY, "ablation": {"components": {"handicap": {"handicap": 5.0}}, "seeds": 2}, "run_cap": 2}
Edit = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, whose ablation is taken from the result cache in a second one."""
    folder = tmp_path_factory.mktemp("archived")
    places = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder / "data"}
    assert sweeps.run(ABLATED, runner="inline", quiet=True, **places).complete
    assert sweeps.run({**ABLATED, "name": "second"}, runner="inline", quiet=True, **places).complete
    return folder


@pytest.fixture(scope="module")
def archive(folder: Path) -> Path:
    """The archive of the first study."""
    return pack(folder / "runs", "toy", folder / "toy.sweep.zip")[0]


def test_study_opens_elsewhere_with_the_same_answer_and_report(folder: Path, archive: Path, tmp_path: Path) -> None:
    assert not any("checkpoint" in name or "lock" in name for name in read_manifest(archive).files)
    opened = unpack(archive, tmp_path / "runs", tmp_path / "reports")
    there, here = sweeps.load("toy", tmp_path / "runs"), sweeps.load("toy", folder / "runs")
    assert there.answer == here.answer
    assert there.trials.equals(here.trials)
    assert there.curves.equals(here.curves)
    assert opened.page is not None
    assert "Best of 2 trials" in opened.page.read_text(encoding="utf-8")
    assert list((tmp_path / "runs").iterdir()) == [tmp_path / "runs" / "toy"]


def test_run_from_the_result_cache_brings_its_files(folder: Path, tmp_path: Path) -> None:
    second = sweeps.load("second", folder / "runs")
    cached = [trial for trial in second.records.everything if trial.source]
    assert cached
    file, manifest = pack(folder / "runs", "second", tmp_path / "second.sweep.zip")
    for trial in cached:
        place = second.records.trial_folder(trial.number, trial.stage).relative_to(second.folder)
        assert f"study/{place}/curves.csv" in manifest.files
    unpack(file, tmp_path / "runs", tmp_path / "reports")
    assert sweeps.load("second", tmp_path / "runs").answer == second.answer


def test_openings_of_the_test_set_go_with_the_study_and_are_counted_once(folder: Path, tmp_path: Path) -> None:
    environment = sweeps.load("toy", folder / "runs").records.environment
    opening = Openings(folder / "runs").record("toy", environment, (0, 1))
    file, _ = pack(folder / "runs", "toy", tmp_path / "toy.sweep.zip")
    for name in ("toy", "again"):
        unpack(file, tmp_path / "runs", tmp_path / "reports", name)
    assert Openings(tmp_path / "runs").of(SealedSet.of(environment)) == [opening]


def test_models_are_packed_on_request(folder: Path, tmp_path: Path) -> None:
    file, manifest = pack(folder / "runs", "toy", tmp_path / "toy.sweep.zip", checkpoints=True)
    assert any("/checkpoint/" in name for name in manifest.files)
    unpack(file, tmp_path / "runs", tmp_path / "reports")
    assert sweeps.load("toy", tmp_path / "runs").best.runs


def test_commands_pack_open_and_tell_where(folder: Path, tmp_path: Path) -> None:
    done = sweep("archive", "toy", "--runs-dir", folder / "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("toy.sweep.zip: ")
    assert "--checkpoints" in done.stdout
    done = sweep("open", "toy.sweep.zip", "--name", "again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Best of 2 trials" in done.stdout
    assert "Report: reports/again/index.html" in done.stdout
    done = sweep("open", "toy.sweep.zip", "--name", "again", cwd=tmp_path)
    assert done.returncode == 2
    assert "runs/again exists; open the archive under another name with --name" in done.stderr


def test_study_that_is_being_run_is_not_packed(folder: Path, tmp_path: Path) -> None:
    with holding(folder / "runs" / "toy"), pytest.raises(Refused, match="toy is being run by process"):
        pack(folder / "runs", "toy", tmp_path / "toy.sweep.zip")
    assert not list(tmp_path.iterdir())
    with driver_lock(folder / "runs" / "toy"):
        pass


def _changed(file: Path, changed: Path, edit: Edit) -> Path:
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    edit(files)
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return changed


def _other_content(files: dict[str, bytes]) -> None:
    files["study/study.yaml"] = files["study/study.yaml"].replace(b"toy", b"tow", 1)


def _one_more(files: dict[str, bytes]) -> None:
    files["study/more.txt"] = b"more"


def _outside(files: dict[str, bytes]) -> None:
    files["study/../../outside.txt"] = b"out"


def _no_manifest(files: dict[str, bytes]) -> None:
    del files[MANIFEST]


def _newer(files: dict[str, bytes]) -> None:
    files[MANIFEST] = json.dumps({**json.loads(files[MANIFEST]), "format": 99}).encode()


def _no_json(files: dict[str, bytes]) -> None:
    files[MANIFEST] = b"{"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_other_content, "'study/study.yaml' is not the file that its manifest names"),
        (_one_more, "its files are not those that its manifest.json names"),
        (_outside, "whose name could lead out of the folder; do not trust it"),
        (_no_manifest, "it has no single manifest.json"),
        (_newer, "has the format 99, but this version reads 1"),
        (_no_json, "its manifest.json cannot be read"),
    ],
)
def test_changed_archive_is_refused_and_leaves_nothing(archive: Path, tmp_path: Path, edit: Edit, message: str) -> None:
    changed = _changed(archive, tmp_path / "changed.zip", edit)
    with pytest.raises(BadArchive, match=message):
        unpack(changed, tmp_path / "runs", tmp_path / "reports")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [changed]


def test_flipped_bytes_are_told_as_damage_and_leave_nothing(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        largest = max(opened.infolist(), key=lambda entry: entry.compress_size)
    damaged = tmp_path / "damaged.zip"
    for place in (100, 101, 200, largest.compress_size // 2):  # the stream itself, and the sum at its end
        at = largest.header_offset + place
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(BadArchive, match="is damaged"):
            unpack(damaged, tmp_path / "runs", tmp_path / "reports")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [damaged]


def test_file_that_is_no_zip_is_named(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("name: toy\n", encoding="utf-8")
    with pytest.raises(BadArchive, match="is no archive of a study"):
        read_manifest(file)
    with pytest.raises(BadArchive, match="is no archive of a study"):
        extract(file, tmp_path / "out")
