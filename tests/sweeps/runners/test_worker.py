"""A worker holds nothing of a run when it says how the run ended."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sweeps.runners.protocol import DeviceLoss, End, Epoch, Event, Job, Preemption
from sweeps.runners.watchdog import Hung
from sweeps.runners.worker import execute
from sweeps.workload import DeviceLost, Preempted, Run

ENDS: dict[str, type[BaseException]] = {
    "failed": RuntimeError,
    "full": MemoryError,
    "lost": DeviceLost,
    "hung": Hung,
    "paused": Preempted,
    "left": SystemExit,
}


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Attributes:
        end: A key of `ENDS`; empty for a run that completes.
    """

    end: str = ""


class Network:
    """What a run holds on its device."""


networks: list[weakref.ref[Network]] = []


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Hold a network for an epoch, then end."""
    network = Network()
    networks.append(weakref.ref(network))
    yield {"val_accuracy": 1.0}
    if recipe.end:
        raise ENDS[recipe.end]("the workload broke")
    yield {"val_accuracy": float(network is not None)}


@pytest.fixture(autouse=True)
def _only_references_free() -> Iterator[None]:
    """Keep Python from looking for cycles, so that what is freed was held by nothing."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    networks.clear()


def events_of(folder: Path, end: str, until: int | None = None) -> Iterator[Event]:
    return execute(Job("search", 0, {"end": end}, workload=__name__, folder=folder, until=until))


@pytest.mark.parametrize(
    ("end", "until", "kind"),
    [
        ("", None, End),
        ("failed", None, End),
        ("full", None, End),
        ("left", None, End),
        ("hung", None, End),
        ("lost", None, DeviceLoss),
        ("paused", None, Preemption),
        ("", 1, Preemption),  # of a workload that saves nothing
    ],
)
def test_worker_holds_nothing_when_it_says_how_a_run_ended(
    tmp_path: Path, end: str, until: int | None, kind: type[Event]
) -> None:
    for event in events_of(tmp_path, end, until):
        if not isinstance(event, Epoch):
            assert isinstance(event, kind)
            assert networks[-1]() is None
            return
    raise AssertionError("the run did not end")


def test_worker_holds_nothing_when_a_run_was_stopped(tmp_path: Path) -> None:
    events = events_of(tmp_path, "")
    next(events)
    assert networks[-1]() is not None
    events.close()  # type: ignore[attr-defined]
    assert networks[-1]() is None


def test_reason_of_a_lost_device_is_that_of_the_workload(tmp_path: Path) -> None:
    *_, last = events_of(tmp_path, "lost")
    assert isinstance(last, DeviceLoss)
    assert last.outcome.reason == "DeviceLost: the workload broke"
    assert "in train" in last.outcome.details
