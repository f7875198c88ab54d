"""Pack a study with its report into one file, and unpack such a file into a runs folder."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

from sweeps.artifacts.archive import SUFFIX, BadArchive, Manifest, extract, read_manifest, write_archive
from sweeps.artifacts.image_identity import test_images_file
from sweeps.artifacts.layout import CHECKPOINT, DATABASE, WRITTEN, is_name
from sweeps.engine.launch import write_report
from sweeps.io.errors import Refused
from sweeps.io.lock import holder
from sweeps.storage.database.sqlite import connect_for_reading
from sweeps.storage.openings import Opening, Openings, SealedSet
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results, study_folder

STUDY, REPORT, IMAGES = "study", "report", "test-images"  # the folders of an archive
LEFT_OUT = (f"{DATABASE}*", "lock*", "stop", ".*")  # of a study's folder; the database is packed as a copy of its own


@dataclass(frozen=True)
class Opened:
    """A study that was unpacked.

    Attributes:
        results: Its results, after its database was compared with its records.
        manifest: What the archive holds.
        page: The page of the report that was packed with it; None where there was a report of this name already.
    """

    results: Results
    manifest: Manifest
    page: Path | None


def pack(runs: Path, name: str, out: Path | None = None, *, checkpoints: bool = False) -> tuple[Path, Manifest]:
    """Write a study into one file: study file, records, curves, predictions, database, provenance, and its report.

    Args:
        runs: The runs folder.
        name: The study's name.
        out: The file to write; `NAME.sweep.zip` in the current folder unless given.
        checkpoints: Whether to pack the trained models too.

    Returns:
        The file and what it holds.

    Raises:
        NotFound: There is no such study.
        Damaged: Its files contradict each other.
        Refused: A driver is running it.
    """
    results = open_results(runs, name)
    _require_rest(results.folder)
    path = out or Path(f"{name}{SUFFIX}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sweep-archive-") as scratch:
        report = write_report(results, Path(scratch)).parent
        files = {f"{STUDY}/{DATABASE}": _copied_database(results.folder, Path(scratch))}
        files |= {f"{STUDY}/{within}": file for within, file in _kept(results, checkpoints)}
        files |= {f"{REPORT}/{within}": file for within, file in _files(report)}
        files |= _test_images(runs, SealedSet.of(results.environment).images)
        return path, write_archive(path, name, files, _facts(results, checkpoints))


def unpack(path: Path, runs: Path, reports: Path, name: str = "") -> Opened:
    """Unpack an archive into `runs`, check it, and put its report beside the others.

    Args:
        path: The archive.
        runs: The runs folder.
        reports: The folder of all reports.
        name: Another name for the study's folder.

    Raises:
        BadArchive: The file is damaged or no archive.
        Damaged: The study's records contradict each other.
        Refused: There is a study of this name.
    """
    manifest = read_manifest(path)
    name = name or manifest.study
    if not is_name(name):
        raise BadArchive(f"{path}: {name!r} is not a study's name; give one with --name")
    target = study_folder(runs, name)
    if target.exists():
        raise Refused(f"{target} exists; open the archive under another name with --name, or in another --runs-dir")
    runs.mkdir(parents=True, exist_ok=True)
    scratch = runs / f".{name}.{secrets.token_hex(4)}.opening"
    try:
        extract(path, scratch)
        if not (scratch / STUDY).is_dir():
            raise BadArchive(f"{path} has no folder {STUDY!r}; `sweep archive` writes one")
        openings = _openings(path, manifest)
        (scratch / STUDY).rename(target)
        _adopt(runs, openings, scratch / IMAGES)
        return Opened(open_results(runs, name), manifest, _placed(scratch / REPORT, reports / name))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _require_rest(folder: Path) -> None:
    driver = holder(folder)
    if driver is not None:
        raise Refused(
            f"{folder.name} is being run by process {driver.get('pid')} on {driver.get('host')}; "
            f"stop it, or wait for its end, and archive it then"
        )


def _kept(results: Results, checkpoints: bool) -> Iterator[tuple[str, Path]]:
    """The files of a study's folder that an archive takes, by their names within it.

    A run from the result cache has its files in another study: they come too, into the run's own folder.
    """
    own = dict(_of_study(results.folder, checkpoints))
    yield from own.items()
    for trial in results.everything:
        if not trial.source:
            continue
        place = results.trial_folder(trial.number, trial.stage).relative_to(results.folder)
        for within, file in _files(results.run_folder(trial)):
            name = f"{place.as_posix()}/{within}"
            if name not in own and (checkpoints or not within.startswith(f"{CHECKPOINT}/")):
                yield name, file


def _of_study(folder: Path, checkpoints: bool) -> Iterator[tuple[str, Path]]:
    for within, file in _files(folder):
        parts = within.split("/")
        taken = any(fnmatch(parts[0], pattern) for pattern in WRITTEN)
        left_out = any(fnmatch(parts[0], pattern) for pattern in LEFT_OUT)
        if taken and not left_out and (checkpoints or CHECKPOINT not in parts):
            yield within, file


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files in and below a folder, without hidden ones, by their names within it."""
    for file in sorted(folder.rglob("*")):
        within = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in within.parts):
            yield within.as_posix(), file


def _copied_database(folder: Path, scratch: Path) -> Path:
    """Copy the database with what SQLite keeps beside it into one file."""
    import sqlite3

    copy = scratch / DATABASE
    with closing(connect_for_reading(folder / DATABASE)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    return copy


def _test_images(runs: Path, images: str) -> dict[str, Path]:
    """The hashes of the study's test images, by which openings are counted."""
    file = test_images_file(runs, images)
    return {f"{IMAGES}/{file.name}": file} if images and file.is_file() else {}


def _openings(path: Path, manifest: Manifest) -> list[Opening]:
    try:
        return [Opening.from_plain(entry) for entry in manifest.facts.get("openings", ())]
    except (KeyError, TypeError) as error:
        raise BadArchive(f"{path}: its openings of test sets cannot be read ({error}); get it again") from None


def _adopt(runs: Path, openings: Sequence[Opening], images: Path) -> None:
    """Count the openings of the test set here too: a further one weakens its figure wherever it takes place."""
    for file in images.glob("*.npy"):
        place = test_images_file(runs, file.stem)
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            shutil.move(file, place)
    if openings:
        Openings(runs).adopt(openings)


def _facts(results: Results, checkpoints: bool) -> dict[str, object]:
    openings = Openings(results.folder.parent).of(SealedSet.of(results.environment))
    return {
        "id": str(results.environment.get("id", "")),
        "packed": datetime.now(UTC).isoformat("T", "seconds"),
        "version": version("cifar-sweep"),
        "checkpoints": checkpoints,
        "openings": [opening.plain() for opening in openings],
    }


def _placed(report: Path, target: Path) -> Path | None:
    """Move a report to its place; None where one stands there already, or the archive has none."""
    if target.exists() or not (report / "index.html").exists():
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(report, target)
    return target / "index.html"
