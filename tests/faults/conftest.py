"""A fork server for drivers, started once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.fork_server import ForkServer


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A fork server that has imported everything."""
    with ForkServer() as started:
        yield started
