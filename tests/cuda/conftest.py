"""The pretended device for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cuda.pretended import Device, pretended


@pytest.fixture
def gpu() -> Iterator[Device]:
    """A pretended GPU, in place for this test alone."""
    with pretended() as device:
        yield device
