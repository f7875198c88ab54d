"""What holds for all tests."""

from __future__ import annotations

import signal

# Under nohup SIGHUP is ignored, and SIGINT and SIGQUIT in a job that a shell has put into the background. The drivers
# that the tests start would inherit that: they would not stop.
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
