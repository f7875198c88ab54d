"""How large a search may be in full trainings, and the rungs that fit: settled when a study begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweeps.formatting import count, duration
from sweeps.pruners.factory import epochs_of
from sweeps.pruners.ladder import ETA, ladder, pays
from sweeps.pruners.size import budgeted, trainings
from sweeps.runners.probe import EPOCHS, Probe, probe
from sweeps.runners.protocol import Job
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.study.resources import device_share
from sweeps.study.stages import SEARCH, limits
from sweeps.study.study import Study
from sweeps.trial.seeds import stream
from sweeps.workload import Site


@dataclass(frozen=True)
class SearchSize:
    """The size of a search.

    Attributes:
        promotion: The first rung in epochs and the ratio of successive rungs. None where the trainings that it may take
            are so few for each of the trials that train at once that stopping pays.
        note: What was measured and what follows from it; empty where nothing was.
    """

    promotion: tuple[int, int] | None
    note: str = ""


def sized_by_hours(study: Study) -> bool:
    """Return whether the time of an epoch decides on the rungs of a search.

    It does where `budget.gpu_hours` limits the search and the file leaves open where its trials pause.
    """
    section = study.early_terminate
    if section is None or SEARCH.name not in limits(study) or "mode" not in section.defaults[section.type]:
        return False
    return section.mode is None or (section.mode == "promote" and section.min_iter is None)


def search_size(study: Study, gate: ConstraintGate, at_once: int, site: Site, probed: Probe | None) -> SearchSize:
    """Return the size of a search that begins now.

    Args:
        study: The study.
        gate: Has the workload and the baseline.
        at_once: The trials that train at once.
        site: Has the device.
        probed: What two epochs of the baseline took; None: not measured, so `budget.gpu_hours` says nothing.
    """
    section = study.early_terminate
    epochs = section.max_iter if section is not None and section.max_iter else epochs_of(study, gate.workload)
    if epochs is None:
        return SearchSize((1, ETA))
    epoch_s = probed.epoch_s if probed is not None else None
    share = device_share(study, site.device)
    limited = budgeted(study, epochs, epoch_s, share)
    if limited is not None and not pays(limited, at_once):
        return SearchSize(None, _note(study, epoch_s, limited, "trials are stopped rather than paused"))
    size = trainings(study, epochs, epoch_s=epoch_s, share=share)
    if size is None:
        return SearchSize((1, ETA))
    first, eta = ladder(epochs, size)
    return SearchSize((first, eta), _note(study, epoch_s, limited, f"trials pause first after {count(first, 'epoch')}"))


def probe_baseline(study: Study, gate: ConstraintGate, site: Site, pauses: bool = True) -> Probe:
    """Train the baseline for two epochs in a process of its own, and return what they took.

    Args:
        study: The study.
        gate: Has the workload and the baseline.
        site: Has the device and the data.
        pauses: Whether it then saves a checkpoint as a trial that pauses does.
    """
    job = Job(
        stage=SEARCH.name,
        number=0,
        workload=gate.workload.name,
        settings=gate.baseline().settings,
        seed=stream(study.seed, "probe"),
        split_seed=0,
        device=site.device,
        data_dir=site.data_dir,
        folder=Path(),  # the probe gives it one of its own
        access=SEARCH.access,
        until=EPOCHS if pauses else None,
    )
    return probe(job, threads=max(1, int(study.resources.cpu)))


def _note(study: Study, epoch_s: float | None, size: float | None, result: str) -> str:
    if epoch_s is None or size is None or SEARCH.name not in limits(study):
        return ""
    took = duration(epoch_s) if epoch_s >= 1 else f"{1000 * epoch_s:.0f} ms"
    return f"an epoch of the baseline takes {took}, so the search may take about {size:,.0f} full trainings: {result}"
