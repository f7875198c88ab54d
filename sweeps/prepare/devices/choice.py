"""Choose the device on which the trials of a study train.

In this order: the study's `device`; `$SWEEP_DEVICE`; `resources.gpu`, where 0 is the CPU and another number a GPU;
else a GPU where torch can use one, and the CPU where not. What was asked for is trained on or refused, never replaced.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sweeps.formatting import count
from sweeps.io.errors import Refused, UserError
from sweeps.prepare.devices.inventory import Device, Devices, begin, devices
from sweeps.runners.cluster import cluster_gpus
from sweeps.study.sections import AUTO
from sweeps.study.study import Study

VARIABLE = "SWEEP_DEVICE"
DEVICES = (AUTO, "cpu", "cuda", "mps")
GPU = "gpu"  # any of them
UNMEASURED = "settings that are auto are not measured, so give them as values"
ON_CPU = "train on the CPU with device: cpu (--set device=cpu) or resources: {gpu: 0}"


class BadDevice(UserError):
    """`$SWEEP_DEVICE` has a value that is not allowed."""


@dataclass(frozen=True)
class DeviceChoice:
    """The device of a study's trials.

    Attributes:
        device: "cpu", "cuda" or "mps".
        count: How many there are on this machine; 0 for the CPU.
        note: What the user should know, such as that a GPU is there but not usable; "" if nothing.
    """

    device: Device
    count: int = 0
    note: str = ""

    @property
    def is_here(self) -> bool:
        """Whether this machine has the device, so that settings can be measured on it."""
        return self.device == "cpu" or self.count > 0


@dataclass(frozen=True)
class _Wish:
    """What is asked for ("cpu", "cuda", "mps", "gpu" or "auto"), and by what: "resources.gpu is 1"."""

    device: str
    origin: str = ""


def choose_device(study: Study, *, training: bool = True, cluster: str | None = None) -> DeviceChoice:
    """Choose the device for `study` on this machine.

    Args:
        study: The study as its file has it.
        training: Whether its trials are to run. Otherwise, for a forecast or a trial at the smallest scale, the CPU
            stands in for what the study asks for and the machine does not have, and the note says so.
        cluster: The address of the Ray cluster on which the trials run. It is asked for GPUs where this machine has
            none.

    Raises:
        Refused: What is asked for is not usable here, or two requests contradict each other.
        BadDevice: `$SWEEP_DEVICE` names no device.
    """
    wish = _wish(study)
    if wish.device == "cpu":
        return DeviceChoice("cpu")
    found = devices(asked=wish.device != AUTO)
    if found.kind and wish.device in (AUTO, GPU, found.kind):
        if found.reason:
            raise Refused(f"not every GPU works: {found.reason}; leave it out with CUDA_VISIBLE_DEVICES")
        return DeviceChoice(found.kind, len(found.accelerators))
    if cluster is not None and wish.device != "mps" and (gpus := cluster_gpus(cluster)):
        return DeviceChoice("cuda", note=f"the cluster has {count(gpus, 'GPU')}, this machine none: {UNMEASURED}")
    if wish.device == AUTO:
        return DeviceChoice("cpu", note=_missed(found))
    refusal = f"{wish.origin}, but {_reason(found, wish.device)}"
    if training or wish.origin.startswith(VARIABLE):
        raise Refused(f"{refusal}; mend that, or {ON_CPU}")
    return DeviceChoice("cpu", note=f"on the CPU, where sweep run would refuse to train: {refusal}")


def begin_choice(study: Study) -> None:
    """Start to ask torch, beside other work, where the choice for `study` will need its answer.

    Raises:
        Refused: Two requests contradict each other.
        BadDevice: `$SWEEP_DEVICE` names no device.
    """
    wish = _wish(study)
    if wish.device != "cpu":
        begin(asked=wish.device != AUTO)


def device_for_use(study: Study) -> Device:
    """Return the device on which trained models of `study` are used, whatever they were trained on.

    Raises:
        Refused: `$SWEEP_DEVICE` asks for a device that is not usable here, or contradicts the study.
        BadDevice: `$SWEEP_DEVICE` names no device.
    """
    if _variable() != AUTO or _wish(study).device == "cpu":
        return choose_device(study).device
    return devices().kind or "cpu"


def _wish(study: Study) -> _Wish:
    """What the study and the environment ask for. Raises Refused where they contradict each other."""
    variable, gpu = _variable(), study.resources.gpu
    if study.device not in (None, AUTO):
        if variable not in (AUTO, study.device):
            raise Refused(
                f"{study.name}: {VARIABLE} is {variable}, but the study says device: {study.device}; drop either"
            )
        return _Wish(str(study.device), f"device is {study.device}")
    if variable not in (AUTO, "cpu") and gpu == 0:
        raise Refused(f"{study.name}: {VARIABLE} is {variable}, but the study says resources: {{gpu: 0}}; drop either")
    if variable != AUTO:
        return _Wish(variable, f"{VARIABLE} is {variable}")
    if gpu is None or isinstance(gpu, str):
        return _Wish(AUTO)
    return _Wish(GPU, f"resources.gpu is {gpu:g}") if gpu else _Wish("cpu")


def _variable() -> str:
    value = os.environ.get(VARIABLE, "").strip().lower() or AUTO
    if value not in DEVICES:
        raise BadDevice(f"{VARIABLE} must be {', '.join(DEVICES[:-1])} or {DEVICES[-1]} but is {value!r}")
    return value


def _missed(found: Devices) -> str:
    if not found.missed:
        return ""
    return f"trials train on the CPU: there is a GPU ({found.sign}), but torch cannot use it: {found.reason}"


def _reason(found: Devices, wanted: str) -> str:
    if found.kind:
        return f"what torch can use here is {found}"
    noun = "no GPU" if wanted == GPU else f"no {wanted} device"
    return f"{noun} is usable: {found.reason} ({found.software})"
