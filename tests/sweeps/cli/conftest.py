"""A study that was interrupted while trials had paused, for the commands that read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .paused import interrupted


@pytest.fixture(scope="session")
def interrupted_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder as it was left; for `folder` alone, because tests change theirs."""
    folder = tmp_path_factory.mktemp("interrupted")
    interrupted(folder)
    return folder


@pytest.fixture
def folder(interrupted_runs: Path, tmp_path: Path) -> Path:
    """The runs folder of a study with three paused trials and one that has been handed out."""
    return Path(shutil.copytree(interrupted_runs, tmp_path / "runs"))
