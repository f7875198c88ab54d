"""List the images below a folder, and the files that are not read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cifar_sweep.data.formats.reading import Reading

# Files and folders that systems and tools put beside images, besides those whose names begin with a dot.
SYSTEM_NAMES = frozenset(
    {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "ehthumbs.db", "desktop.ini"}
)
MOST_NAMED = 10  # files in a message


@dataclass(frozen=True)
class Listing:
    """The files below a folder.

    Attributes:
        images: The images, sorted by path.
        unread: How many other files there are, by suffix (`count_by_suffix`).
    """

    images: tuple[Path, ...]
    unread: Mapping[str, int] = field(default_factory=dict)


def list_images(folder: Path, reading: Reading) -> Listing:
    """Return the images below `folder`, at any depth, and how many other files there are.

    Raises:
        ValueError: A link leads nowhere or back to a folder that contains it, or there is something that is no file.
        OSError: A folder cannot be read.
    """
    files = _all_files(folder) if reading.strict else _files_of_the_first_version(folder)
    images = [file for file in files if file.suffix.lower() in reading.suffixes]
    return Listing(tuple(sorted(images)), count_by_suffix(files) - count_by_suffix(images))


def class_folders(root: Path, reading: Reading) -> list[Path]:
    """Return the sub-folders of `root`, sorted by name; those that are hidden or the system's are left out."""
    if not root.is_dir():
        return []
    folders = (path for path in root.iterdir() if path.is_dir())
    return sorted(path for path in folders if not _is_left_out(path.name, reading))


def files_beside_classes(root: Path, reading: Reading) -> list[Path]:
    """Return the files in a folder of classes that belong to no class, because they lie beside the classes' folders.

    Raises:
        ValueError: A link leads nowhere.
    """
    files = [path for path in sorted(root.iterdir()) if not path.is_dir() and not _is_left_out(path.name, reading)]
    if reading.strict:
        _refuse([f"{path} is a link that leads nowhere" for path in files if not path.exists()])
    return files


def count_by_suffix(files: Iterable[Path]) -> Counter[str]:
    """Return how many of the files have each suffix, in lower case; "" stands for none."""
    return Counter(file.suffix.lower() for file in files)


def describe_unread(unread: Mapping[str, int]) -> str:
    """Return how many files are not read, as "12 files are not read: .txt 10, .mp4 2"; "" where there are none."""
    if not unread:
        return ""
    most_first = sorted(unread.items(), key=lambda item: (-item[1], item[0]))
    suffixes = ", ".join(f"{suffix or 'no suffix'} {number}" for suffix, number in most_first)
    number = sum(unread.values())
    return f"{f'{number:,} files are' if number > 1 else '1 file is'} not read: {suffixes}"


def first_named(items: Iterable[str]) -> str:
    """Return items on lines of their own: the first MOST_NAMED, and how many more there are."""
    every = list(items)
    lines = [f"\n  {item}" for item in every[:MOST_NAMED]]
    rest = len(every) - MOST_NAMED
    return "".join([*lines, f"\n  and {rest} more"] if rest > 0 else lines)


def _all_files(folder: Path) -> list[Path]:
    """Return all files below `folder`, following links. Raises ValueError and OSError as `list_images`."""
    bad: list[str] = []
    files = list(_walk(folder, (), bad))
    _refuse(bad)
    return files


def _walk(folder: Path, above: tuple[Path, ...], bad: list[str]) -> Iterator[Path]:
    """Yield the files below `folder`, and append to `bad` what can be neither read nor followed, with the reason."""
    real = (*above, folder.resolve())
    with os.scandir(folder) as entries:
        children = sorted(entries, key=lambda entry: entry.name)
    for entry in children:
        path = Path(entry.path)
        if _is_system_name(entry.name):
            continue
        if entry.is_symlink() and not path.exists():
            bad.append(f"{path} is a link that leads nowhere")
        elif entry.is_symlink() and entry.is_dir() and any(each.is_relative_to(path.resolve()) for each in real):
            bad.append(f"{path} is a link back to a folder that contains it")
        elif entry.is_dir():
            yield from _walk(path, real, bad)
        elif entry.is_file():
            yield path
        else:
            bad.append(f"{path} is neither a file nor a folder")


def _files_of_the_first_version(folder: Path) -> list[Path]:
    """Return the files below `folder` as version 1 found them: hidden files are left out, hidden folders are not."""
    return [path for path in folder.rglob("*") if not path.is_dir() and not path.name.startswith(".")]


def _is_left_out(name: str, reading: Reading) -> bool:
    return _is_system_name(name) if reading.strict else name.startswith(".")


def _is_system_name(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_NAMES


def _refuse(bad: list[str]) -> None:
    """Raise ValueError where there is something that can be neither read nor followed."""
    if bad:
        which = "an entry cannot be read" if len(bad) == 1 else f"{len(bad)} entries cannot be read"
        raise ValueError(f"{which}; remove or mend:{first_named(bad)}")
