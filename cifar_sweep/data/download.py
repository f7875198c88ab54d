"""Download CIFAR or STL-10 from its official address, once, before a study starts."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from cifar_sweep.data.formats import FORMATS, official_folder
from cifar_sweep.data.formats.images import OFFICIAL
from cifar_sweep.data.temporary import temporary_folder
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Unavailable


def fetch(data: DataRecipe, data_dir: Path) -> None:
    """Download the official files of the data, with a check of their md5 checksums, unless their folder exists.

    An existing folder is used as it is, without a check. Data without an official address is left alone.

    Raises:
        Unavailable: The download failed, or nothing can be written there.
    """
    if data.name not in OFFICIAL:
        return
    folder = official_folder(data, data_dir)
    if folder.exists():
        return
    with ExitStack() as stack:
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            # In the data folder itself, so that the rename below stays on one file system and is atomic.
            temporary = stack.enter_context(temporary_folder(data_dir, ".download-"))
        except OSError as error:
            raise Unavailable(f"data {data.name}: no {folder}, and nothing can be written there: {error}") from error
        try:
            _download(data, temporary)
            (temporary / folder.name).rename(folder)
        except (OSError, RuntimeError) as error:
            raise Unavailable(
                f"data {data.name}: no {folder}, and the download failed: {error}. "
                f"Put {FORMATS[data.name].expected_files}, "
                f"or name the folder that has {folder.name} with --data-dir or $SWEEP_DATA"
            ) from error


def _download(data: DataRecipe, root: Path) -> None:
    """Download the archive of the data to `root` and unpack it there."""
    # Not through the data set classes themselves: they would unpickle the files without restriction.
    from torchvision.datasets import CIFAR10, CIFAR100, STL10
    from torchvision.datasets.utils import download_and_extract_archive

    source = {"cifar10": CIFAR10, "cifar100": CIFAR100, "stl10": STL10}[data.name]
    download_and_extract_archive(source.url, str(root), filename=source.filename, md5=source.tgz_md5)
