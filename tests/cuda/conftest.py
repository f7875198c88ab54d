"""The pretended device, and the images of the scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cuda.pretended import Device, pretended
from tests.cuda.scenarios import write_images
from tests.cuda.training import Site


@pytest.fixture
def gpu() -> Iterator[Device]:
    """A pretended GPU, in place for this test alone."""
    with pretended() as device:
        yield device


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the images of the scenarios, read once."""
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    return folder


@pytest.fixture
def site(images: Path, tmp_path: Path) -> Site:
    """Where a test's scenarios train."""
    return Site(images, tmp_path)
