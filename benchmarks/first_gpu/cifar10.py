"""The images of CIFAR-10 where they are at hand, else artificial ones in their place, and which of them these are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.first_gpu.recipes import large
from benchmarks.first_gpu.setting import Setting

FOLDER = "cifar-10-batches-py"
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""The checksums of the official files, as torchvision has them."""


@dataclass(frozen=True)
class Images:
    """The images that a step trains on.

    Attributes:
        data_dir: The folder of the data.
        settings: The recipe's section `data`.
        description: "CIFAR-10", or how they differ from its official files.
    """

    data_dir: Path
    settings: Mapping[str, Any]
    description: str

    @property
    def artificial(self) -> bool:
        """Whether they are random images: no accuracy on them means anything."""
        return self.settings["name"] != "cifar10"


def images_at_hand(setting: Setting) -> Images:
    """Return CIFAR-10 in the data folder or, without it and in a short setting, artificial images."""
    folder = None if setting.data_dir is None else setting.data_dir / FOLDER
    if setting.short or setting.data_dir is None or folder is None or not folder.is_dir():
        settings = large(setting, {}).model_dump(mode="json", include={"data"})["data"]
        return Images(setting.scratch, settings, "artificial")
    return Images(setting.data_dir, {"name": "cifar10", "validation": 5000}, _description(folder))


def _description(folder: Path) -> str:
    if all(_md5(folder / name) == md5 for name, md5 in MD5.items()):
        return "CIFAR-10"
    return "CIFAR-10 in other files than the official ones: accuracies are not comparable"


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() if file.exists() else ""
