"""A study in one file: a zip with a manifest that has the SHA-256 of every other file in it.

Reading one trusts nothing in it: names that lead elsewhere, files that the manifest does not name or names otherwise,
and contents with another hash are refused before the folder is in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from sweeps.io.errors import UserError
from sweeps.io.files import create_beside, fsync_path

FORMAT = 1
MANIFEST = "manifest.json"
SUFFIX = ".sweep.zip"
MOST_MANIFEST_BYTES = 64 << 20
_SAME_TIME = (1980, 1, 1, 0, 0, 0)  # of every entry, so that the time of day is not part of an archive
_CHUNK = 1 << 20
# What zipfile raises for a damaged file: a wrong sum, an end too early, a stream that zlib cannot read, and for
# an encryption, or a method of compression that it does not know, kinds of RuntimeError.
UNREADABLE = (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError)


class BadArchive(UserError):
    """A file that is no archive of a study, or a damaged one."""


@dataclass(frozen=True)
class Content:
    """A file of an archive: its SHA-256 and its size."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What an archive holds.

    Attributes:
        study: The name of the study's folder.
        facts: What else is known of it, as JSON: when and by which version it was packed, what is left out.
        files: The files by name, with `/` between folders.
    """

    study: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Content] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The size of all files together, unpacked."""
        return sum(content.bytes for content in self.files.values())


def write_archive(path: Path, study: str, files: Mapping[str, Path], facts: Mapping[str, Any]) -> Manifest:
    """Write an archive of `files`, by their names in it, atomically. Returns its manifest."""
    temporary, descriptor = create_beside(path, SUFFIX)
    try:
        with os.fdopen(descriptor, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            contents = {name: _packed(archive, name, file) for name, file in sorted(files.items())}
            manifest = Manifest(study, dict(facts), contents)
            text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
            archive.writestr(zipfile.ZipInfo(MANIFEST, _SAME_TIME), text, zipfile.ZIP_DEFLATED)
        fsync_path(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Read what an archive holds, and check that it holds exactly that.

    Raises:
        BadArchive: It is no archive, of a newer format, or its files are not those of its manifest.
    """
    with _opened(path) as archive:
        return _manifest(path, archive)


def extract(path: Path, folder: Path) -> Manifest:
    """Unpack an archive into `folder`, which must not exist, and check the hash of every file.

    Returns:
        The manifest. `folder` then has its files.

    Raises:
        BadArchive: As `read_manifest`, or a file has another hash. Nothing is left in `folder`.
    """
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        free = shutil.disk_usage(folder.parent).free
        if manifest.bytes > free:
            raise BadArchive(f"{path} needs {manifest.bytes:,} bytes, but {folder.parent} has only {free:,} left")
        folder.mkdir(parents=True)
        try:
            for name, content in manifest.files.items():
                _unpack(path, archive, name, content, folder / name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return manifest


def _packed(archive: zipfile.ZipFile, name: str, file: Path) -> Content:
    digest, size = hashlib.sha256(), 0
    entry = zipfile.ZipInfo(name, _SAME_TIME)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as packed:
        for block in _blocks(source):
            digest.update(block)
            size += len(block)
            packed.write(block)
    return Content(digest.hexdigest(), size)


def _unpack(path: Path, archive: zipfile.ZipFile, name: str, content: Content, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with archive.open(name) as packed, target.open("xb") as out:
            for block in _blocks(packed):
                digest.update(block)
                out.write(block)
    except UNREADABLE as error:
        raise BadArchive(f"{path} is damaged at {name!r} ({error}); get it again") from None
    if digest.hexdigest() != content.sha256:
        raise BadArchive(f"{path} is damaged: {name!r} is not the file that its manifest names; get it again")


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError) as error:
        raise BadArchive(f"{path} is no archive of a study ({error}); `sweep archive` writes one") from None


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if sizes.pop(MANIFEST, MOST_MANIFEST_BYTES + 1) > MOST_MANIFEST_BYTES or len(sizes) + 1 != len(archive.infolist()):
        raise BadArchive(f"{path} is no archive of a study: it has no single {MANIFEST}; `sweep archive` writes one")
    try:
        content = json.loads(archive.read(MANIFEST))
        version = content["format"]
        files = {str(name): Content(str(one["sha256"]), int(one["bytes"])) for name, one in content["files"].items()}
        manifest = Manifest(str(content["study"]), dict(content["facts"]), files)
    except (ValueError, KeyError, TypeError, AttributeError, *UNREADABLE) as error:
        raise BadArchive(f"{path} is damaged: its {MANIFEST} cannot be read ({error}); get it again") from None
    if version != FORMAT:
        raise BadArchive(f"{path} has the format {version!r}, but this version reads {FORMAT}; use a newer one")
    for name in sizes:
        if not _is_safe(name):
            raise BadArchive(f"{path} has a file {name!r}, whose name could lead out of the folder; do not trust it")
    if sizes != {name: one.bytes for name, one in files.items()}:
        raise BadArchive(f"{path} is damaged: its files are not those that its {MANIFEST} names; get it again")
    return manifest


def _is_safe(name: str) -> bool:
    """Whether a name stays inside the folder on every system."""
    parts = PurePosixPath(name).parts
    plain = not any(letter in name for letter in "\\:\0") and not name.endswith("/")
    return bool(parts) and plain and not name.startswith("/") and ".." not in parts and "/".join(parts) == name


def _blocks(file: BinaryIO | Any) -> Iterator[bytes]:
    while block := file.read(_CHUNK):
        yield block
