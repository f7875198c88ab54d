"""The function that Tune runs in a worker: one job, or a pause between two jobs."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ray import tune

from sweeps.runners.protocol import DeviceLoss, Job
from sweeps.runners.ray.head import end_without_head
from sweeps.runners.watchdog import Exit
from sweeps.runners.worker import execute

DEVICE_LOST = 1  # the exit status of a worker that has lost its device


@dataclass(frozen=True)
class Pause:
    """A sleep in a worker that has no job while another one still trains.

    Tune releases an actor that is idle even for a moment and has no public setting against it; a new one costs 5 to 7 s
    of imports. It also starts the new one only if no running trial ends sooner: between two stages of short runs, a
    study would continue with a single worker (docs/decisions.md, "One Tuner run for all stages, and workers that
    rest").
    """

    seconds: float


def trainable(config: dict[str, Any]) -> None:
    """Execute the Job, or sleep for the Pause, under `config["job"]`, and report each event as it happens."""
    end_without_head()
    job: Job | Pause = config["job"]
    if isinstance(job, Pause):
        time.sleep(job.seconds)  # all that a Pause is: Tune would end an idle worker
        tune.report({"event": job})
        return
    watch = Exit(job.folder, job.timeout_s) if job.timeout_s is not None else None
    # `tune.report` raises when Tune stops the trial; closing the generator then stops the watchdog at once.
    with closing(execute(job, watch)) as events:  # type: ignore[type-var]
        for event in events:
            tune.report({"event": event})  # returns when the driver has recorded it
            if isinstance(event, DeviceLoss):
                os._exit(DEVICE_LOST)  # Tune then gives this worker no other job
