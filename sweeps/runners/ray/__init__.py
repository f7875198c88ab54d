"""The Ray runner: Ray Tune as a disposable executor.

Tune places jobs on devices and keeps nothing that a study needs. Each start builds a new Tuner over reusable actors;
which job runs next, when it stops and how it ended is decided by the scheduler and recorded in the study's storage.
"""

from __future__ import annotations

import os

# Set before Ray is imported, since Ray reads some of these then. Nothing is sent anywhere, and the only output is ours.
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_AUTH_MODE="disabled",
    RAY_ENABLE_AUTO_CONNECT="0",  # after the loss of its Ray, Tune would join any other that it finds on the machine
    RAY_AIR_NEW_OUTPUT="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_CHDIR_TO_TRIAL_DIR="0",  # workloads are imported from the folder in which the command was given
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",
    TUNE_PRINT_ALL_TRIAL_ERRORS="0",
    TUNE_GLOBAL_CHECKPOINT_S="86400",
    RAY_gcs_rpc_server_reconnect_timeout_s="86400",  # otherwise Ray ends the driver when its head has died
    TUNE_FUNCTION_THREAD_TIMEOUT_S="120",  # a reused worker may be inside an epoch when it is told to stop
)

from sweeps.runners.ray.runner import RayRunner

__all__ = ["RayRunner"]
