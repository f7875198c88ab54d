"""Run a command on a terminal and keep what it writes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

from tests.sweeps.support import clean


def on_a_terminal(words: list[str], folder: Path) -> str:
    """What a command writes to a terminal of 110 columns, as text without its colours and movements."""
    control, terminal = pty.openpty()
    environment = {**clean({"TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"})}
    environment.pop("NO_COLOR")
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=terminal, stderr=terminal, stdin=terminal)
    os.close(terminal)
    content = b""
    while True:
        try:
            part = os.read(control, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        content += part
    os.close(control)
    assert process.wait() == 0, content.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", content.decode())


def stopped_lines(name: str) -> re.Pattern[str]:
    """What the last lines of a driver match that a signal has stopped: before its study had begun, or after."""
    begun = r": .+; go on with:\n  sweep (?:run|resume) .+"
    return re.compile(rf"^stopped by {name}(?:; run the same command again to go on|{begun})$", re.M)
