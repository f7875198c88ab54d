"""Save the states that a training hands over: seldom enough to cost nothing, and beside the training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from sweeps.artifacts.checkpoint import CheckpointFolder


@dataclass(frozen=True)
class State:
    """What a training continues from after an epoch.

    Attributes:
        epoch: The number of finished epochs.
        name: The name of its file in the checkpoint.
        content: The state itself.
        dump: Writes the content into a binary file, from its beginning to its end.
    """

    epoch: int
    name: str
    content: Any
    dump: Callable[[Any, BinaryIO], None]

    def write(self, folder: CheckpointFolder) -> None:
        """Save the state as a checkpoint. Raises Unwritable if the disk is full or read-only."""
        folder.write(self.epoch, self.name, lambda file: self.dump(self.content, file))


class CheckpointWriter:
    """Saves states of one training from copies, in a thread beside it.

    A state is saved where the training would otherwise run for more than `every_s` seconds until the next one, if that
    epoch takes as long as the last. So a kill repeats at most `every_s` seconds of training, or an epoch if that is
    longer, and what was trained during one write: one copy is made and written at a time.

    An error of the thread is raised by the next call that waits for it.

    Args:
        folder: The checkpoints of the training.
        every_s: Seconds of training between two states that are saved; 0 saves each one.
        clock: Returns seconds.
    """

    def __init__(self, folder: CheckpointFolder, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._every_s, self._clock = folder, every_s, clock
        self._copied_at = self._offered_at = clock()
        self._unsaved: State | None = None  # of the last epoch, which may turn out to be the last of all
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def offer(self, state: State, copy: Callable[[Any], Any], *, keep: bool) -> None:
        """Save a copy of a state if it is time to.

        Args:
            state: The state after an epoch, which the training goes on to change.
            copy: Returns a copy of its content that it does not change.
            keep: Whether to keep a state that is not saved now, for `finish`.
        """
        if not self._due():
            self._unsaved = state if keep else None
            return
        self._unsaved = None
        self.wait()
        self._folder.create()  # here: a thread must not create what has been deleted since
        copied = replace(state, content=copy(state.content))
        self._copied_at = self._clock()
        self._thread = threading.Thread(target=self._write, args=(copied,), name="checkpoint")
        self._thread.start()

    def save(self, state: State) -> None:
        """Save a state before the training goes on, without a copy."""
        self._unsaved = None
        self.wait()
        self._folder.create()
        state.write(self._folder)
        self._copied_at = self._offered_at = self._clock()

    def finish(self, epoch: int) -> None:
        """Save the state of the last epoch, if it was handed over and is not saved. Wait until all is on disk."""
        if self._unsaved is not None and self._unsaved.epoch == epoch:
            self.save(self._unsaved)
        self.wait()

    def wait(self) -> None:
        """Wait for the write under way. Raises its error."""
        self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait for the write under way, whatever becomes of it, and let go of the state that is not saved."""
        self._unsaved = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _due(self) -> bool:
        now = self._clock()
        epoch_s, self._offered_at = now - self._offered_at, now
        return not self._every_s or now + epoch_s > self._copied_at + self._every_s

    def _write(self, state: State) -> None:
        try:
            state.write(self._folder)
        except BaseException as error:  # noqa: BLE001  (raised again in the training's thread)
            self._error = error
