"""Check whether a trial can use the devices that it asks for."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.io.paths import Violation
from sweeps.validation.case import Case


def check_resources(case: Case) -> Iterator[Violation]:
    """Yield why a trial cannot have several GPUs. Here, not in the section: studies begun with them can still be read.

    Trials on several GPUs at once need no setting: as many run as there are GPUs.
    """
    gpu = case.study.resources.gpu if hasattr(case.study, "resources") else None
    if isinstance(gpu, int | float) and gpu > 1:
        yield (
            ("resources", "gpu"),
            f"must be at most 1 but got {gpu:g}: one trial uses one GPU, and several GPUs run several trials at once, "
            f"one on each; leave gpu out, or write a share such as gpu: 0.5 for two trials on each",
        )
