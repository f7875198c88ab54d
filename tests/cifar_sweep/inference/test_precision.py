"""What `precision: auto` becomes, and the switches of torch that a run on a GPU sets for its time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from cifar_sweep import workload
from cifar_sweep.inference.precision import backends, resolve_precision
from sweeps.workload import Site

TORCHS = ("highest", False, True, False)  # what a process starts with: see `switches`


def switches() -> tuple[str, bool, bool, bool]:
    """Precision of matrix products; whether those and convolutions use TF32; whether cuDNN times its algorithms."""
    with warnings.catch_warnings(action="ignore"):
        return (
            torch.get_float32_matmul_precision(),
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.benchmark,
        )


@pytest.mark.parametrize(
    ("bf16", "capability", "resolved"),
    [
        (True, (9, 0), "bf16"),
        (False, (7, 5), "fp16"),  # T4, RTX 20xx
        (False, (7, 0), "fp16"),  # V100
        (False, (6, 1), "fp32"),  # GTX 10xx: its fp16 is slower than its fp32
    ],
)
def test_auto_precision_is_what_the_gpu_computes_fastest(monkeypatch, bf16: bool, capability: Any, resolved: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert resolve_precision("auto", "cuda") == resolved


def test_auto_precision_for_a_clusters_gpus_is_fp32_where_this_machine_has_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_precision("auto", "cuda") == "fp32"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"precision": "fp32", "cudnn_benchmark": True}, ("highest", False, False, True)),
        ({"precision": "tf32", "cudnn_benchmark": False}, ("high", True, True, False)),
        ({"precision": "bf16", "cudnn_benchmark": True}, ("highest", False, False, True)),
        ({"precision": "fp32"}, TORCHS),  # of a study begun before the setting: as it was
    ],
)
@pytest.mark.filterwarnings("error")
def test_run_on_a_gpu_sets_switches_for_its_time_only(make_recipe, overrides: dict[str, Any], expected: tuple):
    recipe = make_recipe(**overrides)
    with backends(recipe, "cuda", training=True):
        assert switches() == expected
        # What torch.compile reads too: the newer names agree with the older ones.
        newer = getattr(torch.backends.cuda.matmul, "fp32_precision", "tf32" if expected[1] else "ieee")
        assert (newer == "tf32") == expected[1]
    assert switches() == TORCHS
    with backends(recipe, "cuda", training=False):
        assert switches() == (*expected[:3], False)
    with backends(recipe, "cpu", training=True):
        assert switches() == TORCHS


def test_no_trial_inherits_the_switches_of_the_one_before(monkeypatch, make_recipe, make_run):
    def training(recipe: Any, run: Any) -> Iterator[Any]:
        yield switches()
        raise torch.OutOfMemoryError

    monkeypatch.setattr("cifar_sweep.train.train_network", training)
    run = make_run(device="cuda")
    tf32 = workload.train(make_recipe(precision="tf32", cudnn_benchmark=True), run)
    assert next(tf32) == ("high", True, True, True)
    with pytest.raises(torch.OutOfMemoryError):
        next(tf32)
    fp32 = workload.train(make_recipe(cudnn_benchmark=False), run)
    assert next(fp32) == ("highest", False, False, False)
    fp32.close()  # as when the study stops
    assert switches() == TORCHS


@pytest.mark.parametrize(
    ("device", "overrides", "settled"),
    [
        ("cuda", {}, True),
        ("cuda", {"cudnn_benchmark": False}, None),
        ("cuda", {"model": {"name": "hierarchical", "groups": [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]}}, False),
        ("cpu", {}, None),
    ],
)
def test_a_study_settles_whether_algorithms_are_timed(make_recipe, data_dir, device: str, overrides: Any, settled: Any):
    prepared = workload.prepare(make_recipe(**overrides), Site(data_dir, device, measure=False))
    assert prepared.settings.get("cudnn_benchmark") == settled


def test_recipe_without_the_setting_is_recorded_as_before_it_existed(make_recipe):
    assert "cudnn_benchmark" not in make_recipe().model_dump(mode="json")
    assert make_recipe(cudnn_benchmark=True).model_dump(mode="json")["cudnn_benchmark"] is True
