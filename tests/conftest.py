"""What holds for all tests."""

from __future__ import annotations

import signal

# Under nohup SIGHUP is ignored, and the drivers that the tests start would inherit that: they would not stop.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
