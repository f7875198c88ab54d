"""Whether Ray's head node still answers, and the end of workers for which it does not."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress

import ray

CONNECT_S = 5.0
CHECK_S = 1.0  # between two checks
# A head is gone after so many checks without an answer: after 5 s where its machine refuses the connection, and 25 s
# where the machine does not answer either, for then the network may only be slow.
MISSED = 5
_watched = threading.Lock()


def reachable(address: str) -> bool:
    """Return whether something listens at `address` ("host:port"); True where it is no such address."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except OSError:
        return False
    return True


class HeadWatch:
    """Follows whether a head answers.

    Args:
        address: Its address.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._checked_at = time.monotonic()
        self._missed = 0

    def lost(self) -> bool:
        """Return whether the head has not answered `MISSED` times; it is asked once in `CHECK_S` at most."""
        if time.monotonic() - self._checked_at >= CHECK_S:
            self._missed = 0 if reachable(self._address) else self._missed + 1
            self._checked_at = time.monotonic()
        return self._missed >= MISSED


def end_without_head() -> None:
    """End this worker's process soon after the head is gone, so that it keeps no device.

    Its node would go on for a minute. Only the first call has an effect.
    """
    if not _watched.acquire(blocking=False):
        return
    address = str(ray.get_runtime_context().gcs_address)
    threading.Thread(target=_watch, args=(HeadWatch(address),), daemon=True).start()


def _watch(head: HeadWatch) -> None:
    while not head.lost():
        time.sleep(CHECK_S)  # a machine that is switched off sends no message, so the head must be asked
    with suppress(OSError):
        os.write(2, b"Ray's head is gone; the worker ends\n")  # into the worker's log
    os._exit(1)
