"""Milliseconds, images per second and kernels of training steps, eagerly and as graphs; waits; the data path."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from benchmarks.first_gpu.parts import Part
from benchmarks.first_gpu.recipes import RESNET, large, merged, rehearsing, run_of
from benchmarks.first_gpu.records import Wrong
from benchmarks.first_gpu.setting import Setting, synchronise
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.tune.rate import batches
from cifar_sweep.tune.rehearsal import Rehearsal

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "resnet 128": {**RESNET, "batch_size": 128},
    "resnet 512": {**RESNET, "batch_size": 512},
    "resnet 512 + RandAugment": {**RESNET, "batch_size": 512, "augment": {"rand_augment": {}}},
    "preset fast 1024": {"preset": "fast", "batch_size": 1024},
}
NETWORKS = ("resnet 512", "preset fast 1024", "resnet 128")  # those on which cuDNN's algorithms are timed
TECHNIQUES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "mixing": {"augment": {"mix": {"mixup": 0.2, "cutmix": 1.0}}},
    "operations": {"augment": {"rand_augment": {}, "erasing": {"value": "random"}, "rotation": {"degrees": 15}}},
    "regularised": {"regularization": {"ema": 0.99, "grad_clip": 1.0, "label_smoothing": 0.1}},
    "muon": {"optimizer": {"name": "muon", "lr": 0.02}},
    "adamw": {"optimizer": {"name": "adamw", "lr": 0.002}},
}
WARM_UP, PROFILED = 10, 5  # steps


def parts(setting: Setting) -> list[Part]:
    """Return the measurements that take seconds each; those that compile are `compiled`'s."""
    steps = [
        Part(f"{name}, {way}{', cudnn.benchmark' * benchmark}", partial(step_speed, setting, settings, way, benchmark))
        for benchmark in (False, True)
        for name, settings in RECIPES.items()
        for way in ("eager", "graph")
        if not benchmark or name in (NETWORKS[:1] if setting.short else NETWORKS)
    ]
    waits = [Part(f"waits, {name}", partial(_waits, setting, settings)) for name, settings in TECHNIQUES.items()]
    return [*steps, *waits, Part("data path", partial(_data_path, setting))]


def step_speed(setting: Setting, settings: Mapping[str, Any], way: str, benchmark: bool) -> dict[str, Any]:
    """Return what a training step takes in one way of execution.

    Returns:
        `step_ms` until the device has done it, `host_ms` until the host has given it to the device, `images_per_s`,
        `setup_s` of the first step beyond another, `peak_mib` of the device's memory, and the counts of `_profiled`.
    """
    recipe = large(setting, merged(settings, {"execution": way, "cudnn_benchmark": benchmark}))
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with rehearsing(recipe, setting) as rehearsal:
        first_s = rehearsal.losses()[1]
        host_s, step_s = _timed(rehearsal, setting)
        figures = {
            "step_ms": 1000 * step_s,
            "host_ms": 1000 * host_s,
            "images_per_s": recipe.images_per_step / step_s,
            "setup_s": max(0.0, first_s - step_s),
            "batch_size": recipe.images_per_step,
            "precision": str(rehearsal.trainer.precision),
            **_peak(setting.device),
            **_profiled(rehearsal.step, setting.device),
        }
    if rehearsal.failure:
        raise Wrong(f"it fell back to eager steps: {rehearsal.failure}", figures)
    return figures


def _timed(rehearsal: Rehearsal, setting: Setting) -> tuple[float, float]:
    """Return the seconds of a step on the host, and until the device has done it."""
    steps = 5 if setting.short else 60
    for _ in range(1 if setting.short else WARM_UP):
        rehearsal.step()
    synchronise(setting.device)
    started = time.perf_counter()
    for _ in range(steps):
        rehearsal.step()
    host_s = time.perf_counter() - started
    synchronise(setting.device)
    return host_s / steps, (time.perf_counter() - started) / steps


def _profiled(step: Callable[[], object], device: str) -> dict[str, float]:
    """Return, per step, the calls of operators on the host and, on CUDA, the kernels and copies of the device."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(PROFILED):
            step()
        synchronise(device)
    counts = {"operators": 0, "kernels": 0, "copies": 0, "launches": 0, "kernel_ms": 0.0}
    for event in profile.key_averages():
        if getattr(event, "is_user_annotation", False):  # a range of the host, shown on the device too
            continue
        if event.device_type.name == "CUDA":
            counts["copies" if event.key.startswith(("Memcpy", "Memset")) else "kernels"] += event.count
            counts["kernel_ms"] += event.self_device_time_total / 1000
        elif event.key.startswith(("cudaLaunch", "cudaGraphLaunch", "cuLaunch", "hipLaunch", "hipExtModuleLaunch")):
            counts["launches"] += event.count
        elif event.key.startswith("aten::"):
            counts["operators"] += event.count
    of_device = ("kernels", "copies", "launches", "kernel_ms")
    return {f"{name}_per_step": n / PROFILED for name, n in counts.items() if device == "cuda" or name not in of_device}


def _waits(setting: Setting, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Check that no step of a technique waits for the device; only CUDA devices report it."""
    recipe = large(setting, merged({**RESNET, "batch_size": 128, "execution": "eager"}, settings))
    with rehearsing(recipe, setting) as rehearsal:
        rehearsal.step()
        synchronise(setting.device)
        if setting.device != "cuda":
            return {"reported": "no: only CUDA devices report it"}
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(3):
                rehearsal.step()
        except RuntimeError as error:
            raise Wrong(f"a step waits for the device: {(str(error).splitlines() or [''])[0]}", {}) from error
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return {"reported": "no step waits"}


def _data_path(setting: Setting) -> dict[str, Any]:
    """Return the images per second of crop, flip and scaling, including the epoch's random draws and order."""
    recipe = large(setting, {**RESNET, "batch_size": 512})
    images = TrainingSet.of(recipe, run_of(setting), 0)
    steps = (1 if setting.short else 5) * (len(images.train) // recipe.images_per_step)
    made = batches(recipe, images, 0)
    started = time.perf_counter()
    for _ in range(steps):
        next(made)
    synchronise(setting.device)
    return {"images_per_s": steps * recipe.images_per_step / (time.perf_counter() - started)}


def _peak(device: str) -> dict[str, float]:
    return {"peak_mib": torch.cuda.max_memory_allocated() / 2**20} if device == "cuda" else {}
