"""Fetching CIFAR or STL-10 from its official address, once, before a study starts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cifar_sweep.data.formats import FORMATS, official_folder
from cifar_sweep.data.formats.images import OFFICIAL
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Unavailable


def fetch(data: DataRecipe, data_dir: Path) -> None:
    """Make sure that the official folder exists, downloading it with its md5 checksums when it does not.

    A folder that is there is taken as it is, whatever its checksums; data that has no official address is left alone.
    Raises Unavailable when the download fails.
    """
    if data.name not in OFFICIAL:
        return
    folder = official_folder(data, data_dir)
    if folder.exists():
        return
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=data_dir, prefix=".download-"))
    except OSError as error:
        raise Unavailable(f"data {data.name}: no {folder}, and nothing can be written there: {error}") from error
    try:
        _download(data, temporary)
        (temporary / folder.name).rename(folder)
    except (OSError, RuntimeError) as error:
        raise Unavailable(
            f"data {data.name}: no {folder}, and the download failed: {error}. Put {FORMATS[data.name].wanted}, "
            f"or name the folder that has {folder.name} with --data-dir or $SWEEP_DATA"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _download(data: DataRecipe, root: Path) -> None:
    # Not the data set classes themselves: they would unpickle what they fetched.
    from torchvision.datasets import CIFAR10, CIFAR100, STL10
    from torchvision.datasets.utils import download_and_extract_archive

    source = {"cifar10": CIFAR10, "cifar100": CIFAR100, "stl10": STL10}[data.name]
    download_and_extract_archive(source.url, str(root), filename=source.filename, md5=source.tgz_md5)
