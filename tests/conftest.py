"""What holds for all tests."""

from __future__ import annotations

import os
import signal

# Before anything imports torch, here and in the processes that tests start: one thread each, as in `.ci/run`. With more
# the pretended device of tests/cuda was seen to abort in a backward pass that runs out of memory.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Under nohup SIGHUP is ignored, and SIGINT and SIGQUIT in a job that a shell has put into the background. The drivers
# that the tests start would inherit that: they would not stop.
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
