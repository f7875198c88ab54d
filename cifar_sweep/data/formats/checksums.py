"""The files of the official data sets, each compared with its md5 checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cifar_sweep.data.formats.images import OFFICIAL, configured_path, official_folder
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import DataFile, DataFiles


def data_files(data: DataRecipe, data_dir: Path) -> DataFiles:
    """Return the files that the data is read from, what is wrong with each, and where they come from."""
    if data.name == "digits":
        return DataFiles((), "comes with scikit-learn")
    if data.name not in OFFICIAL:
        path = configured_path(data, data_dir)
        return DataFiles((DataFile(path, "" if path.exists() else "is missing"),), "your own data")
    from torchvision.datasets import CIFAR10, CIFAR100, STL10

    source = {"cifar10": CIFAR10, "cifar100": CIFAR100, "stl10": STL10}[data.name]
    checksums = dict([*source.train_list, *source.test_list])
    if meta := getattr(source, "meta", None):
        checksums[meta["filename"]] = meta["md5"]
    folder = official_folder(data, data_dir)
    files = tuple(DataFile(folder / name, _problem(folder / name, md5)) for name, md5 in checksums.items())
    return DataFiles(files, f"{source.url} (md5 {source.tgz_md5}), unpacked so that there is {folder}")


def _problem(file: Path, expected: str) -> str:
    """What is wrong with a file, in words; "" where it is complete."""
    if not file.is_file():
        return "is missing"
    with file.open("rb") as content:
        # Not for security: the checksums that the data sets are published with.
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return "" if found == expected else f"is damaged: its md5 is {found}, not {expected}"
