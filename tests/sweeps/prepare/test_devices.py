"""The accelerators of this machine as torch's answer says, and the device that a study trains on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine.launch import Folders, Options, launch
from sweeps.io.errors import Refused
from sweeps.prepare.devices import choice, signs
from sweeps.prepare.devices.choice import BadDevice, DeviceChoice, choose_device, device_for_use
from sweeps.prepare.devices.inventory import Accelerator, Devices, Inquiry
from sweeps.prepare.prepared import settle
from sweeps.runners.cluster import cluster_gpus
from sweeps.storage.runs import open_results
from sweeps.study.problems import StudyError
from sweeps.study.study import Study, diff, dump
from sweeps.workload import load
from tests.sweeps.support import toy_study

H200 = Accelerator("NVIDIA H200", 140 << 10, "9.0", bf16=True)
APPLE = Accelerator("Apple M3", 18 << 10, "", bf16=True)
CUDA = Devices("/dev/nvidia0", "2.15.0", "CUDA 13.2", "cuda", (H200, H200))
MPS = Devices("an Apple processor (arm64)", "2.15.0", "MPS", "mps", (APPLE,))
OLD = Devices("/dev/nvidia0", "2.15.0", "CUDA 13.2", reason="The NVIDIA driver on your system is too old")
NONE = Devices(torch="2.15.0", build="CUDA 13.2", reason="Found no NVIDIA driver")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWEEP_DEVICE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def on(monkeypatch: pytest.MonkeyPatch, found: Devices) -> None:
    """Let a machine have these devices; where it shows no sign of them, torch is not asked unless it must be."""
    monkeypatch.setattr(choice, "devices", lambda asked=False: found if asked or found.sign else Devices())


def answering(text: str) -> list[str]:
    """A command that prints `text` in place of asking torch."""
    return [sys.executable, "-c", f"print({text!r})"]


@pytest.mark.parametrize(
    ("found", "settings", "chosen"),
    [
        (CUDA, {}, DeviceChoice("cuda", 2)),
        (CUDA, {"device": "auto"}, DeviceChoice("cuda", 2)),
        (CUDA, {"device": "cuda"}, DeviceChoice("cuda", 2)),
        (CUDA, {"device": "cpu"}, DeviceChoice("cpu")),
        (CUDA, {"resources": {"gpu": 0}}, DeviceChoice("cpu")),
        (CUDA, {"resources": {"gpu": "auto"}}, DeviceChoice("cuda", 2)),
        (CUDA, {"device": "cpu", "resources": {"gpu": 1}}, DeviceChoice("cpu")),
        (MPS, {}, DeviceChoice("mps", 1)),
        (MPS, {"device": "mps"}, DeviceChoice("mps", 1)),
        (MPS, {"resources": {"gpu": 0.5}}, DeviceChoice("mps", 1)),
        (NONE, {}, DeviceChoice("cpu")),
        (NONE, {"resources": {"gpu": "auto"}}, DeviceChoice("cpu")),
    ],
)
def test_device_is_what_the_study_asks_for_or_the_best_that_torch_can_use(
    found: Devices, settings: dict[str, Any], chosen: DeviceChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, found)
    assert choose_device(toy_study(**settings)) == chosen


@pytest.mark.parametrize(
    ("found", "settings", "why"),
    [
        (OLD, {"resources": {"gpu": 1}}, "resources.gpu is 1, but no GPU is usable: The NVIDIA driver .* is too old"),
        (NONE, {"resources": {"gpu": 0.5}}, "resources.gpu is 0.5, but no GPU is usable: Found no NVIDIA driver"),
        (NONE, {"device": "cuda"}, r"device is cuda, but no cuda device is usable: .* \(torch 2.15.0, for CUDA 13.2\)"),
        (CUDA, {"device": "mps"}, "device is mps, but what torch can use here is cuda: 2 × NVIDIA H200"),
        (MPS, {"device": "cuda"}, "device is cuda, but what torch can use here is mps: 1 × Apple M3"),
    ],
)
def test_device_that_is_asked_for_and_not_usable_is_refused_with_torchs_reason_and_a_way_out(
    found: Devices, settings: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, found)
    with pytest.raises(Refused, match=f"^{why}.*; mend that, or train on the CPU with device: cpu"):
        choose_device(toy_study(**settings))
    shown = choose_device(toy_study(**settings), training=False)
    assert shown.device == "cpu"
    assert shown.note.startswith("on the CPU, where sweep run would refuse to train: ")


@pytest.mark.parametrize(
    ("variable", "settings", "device"),
    [
        ("cpu", {}, "cpu"),
        ("cpu", {"resources": {"gpu": 1}}, "cpu"),
        ("auto", {"device": "cpu"}, "cpu"),
        ("CUDA", {}, "cuda"),
        ("cuda", {"device": "cuda"}, "cuda"),
        ("", {}, "cuda"),
    ],
)
def test_variable_decides_where_the_study_leaves_the_device_open(
    variable: str, settings: dict[str, Any], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, CUDA)
    monkeypatch.setenv("SWEEP_DEVICE", variable)
    assert choose_device(toy_study(**settings)).device == device


@pytest.mark.parametrize(
    ("variable", "settings", "why"),
    [
        ("cpu", {"device": "cuda"}, "SWEEP_DEVICE is cpu, but the study says device: cuda; drop either"),
        ("cuda", {"device": "cpu"}, "SWEEP_DEVICE is cuda, but the study says device: cpu; drop either"),
        ("cuda", {"resources": {"gpu": 0}}, r"SWEEP_DEVICE is cuda, but the study says resources: {gpu: 0}"),
        ("mps", {}, "SWEEP_DEVICE is mps, but what torch can use here is cuda"),
    ],
)
def test_variable_against_the_study_or_the_machine_is_refused(
    variable: str, settings: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, CUDA)
    monkeypatch.setenv("SWEEP_DEVICE", variable)
    for training in (True, False):
        with pytest.raises(Refused, match=why):
            choose_device(toy_study(**settings), training=training)


def test_variable_that_names_no_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_DEVICE", "gpu")
    with pytest.raises(BadDevice, match="SWEEP_DEVICE must be auto, cpu, cuda or mps but is 'gpu'"):
        choose_device(toy_study())


def test_gpu_that_is_there_and_not_usable_is_said_where_none_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, OLD)
    study = toy_study()
    note = "trials train on the CPU: there is a GPU (/dev/nvidia0), but torch cannot use it: The NVIDIA driver"
    assert choose_device(study).note.startswith(note)
    assert settle(study, load(study.workload), tmp_path, {}).notes[0].startswith(note)


def test_one_failing_gpu_is_refused_even_where_the_device_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, Devices("/dev/nvidia0", "2.15.0", "CUDA 13.2", "cuda", (H200, H200), "cuda:1 (NVIDIA H200): ECC"))
    with pytest.raises(Refused, match=r"cuda:1 \(NVIDIA H200\): ECC; leave it out with CUDA_VISIBLE_DEVICES"):
        choose_device(toy_study())


@pytest.mark.parametrize("settings", [{}, {"resources": {"gpu": 0.5}}, {"device": "cuda"}])
def test_on_a_cluster_the_gpus_need_not_be_here(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, NONE)
    monkeypatch.setattr(choice, "cluster_gpus", lambda address: 8)
    study = toy_study(**settings)
    chosen = choose_device(study, cluster="head:6379")
    assert (chosen.device, chosen.is_here) == ("cuda", False)
    assert chosen.note.startswith("the cluster has 8 GPUs, this machine none: ")
    prepared = settle(study, load(study.workload), tmp_path, {}, choice=chosen)
    assert (prepared.site.device, prepared.site.measure) == ("cuda", False)


def test_cluster_without_a_gpu_is_as_a_machine_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, NONE)
    monkeypatch.setattr(choice, "cluster_gpus", lambda address: 0)
    assert choose_device(toy_study(), cluster="head:6379") == DeviceChoice("cpu")
    with pytest.raises(Refused, match="device is cuda, but no cuda device is usable"):
        choose_device(toy_study(device="cuda"), cluster="head:6379")


@pytest.mark.parametrize(("code", "gpus"), [("print('4')", 4), ("print('none')", 0), ("raise SystemExit(1)", 0)])
def test_cluster_that_gives_no_answer_has_no_gpus(code: str, gpus: int) -> None:
    assert cluster_gpus("head:6379", [sys.executable, "-c", code]) == gpus


def test_models_are_used_on_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, NONE)
    assert device_for_use(toy_study(device="cuda")) == "cpu"
    on(monkeypatch, CUDA)
    assert device_for_use(toy_study()) == "cuda"
    assert device_for_use(toy_study(resources={"gpu": 0})) == "cpu"


def test_device_may_change_and_leaves_the_file_of_a_study_without_it_as_it_was() -> None:
    plain, named = toy_study(), toy_study(device="cpu")
    assert "device" not in dump(plain)
    assert "device: cpu" in dump(named)
    assert [(change.key, change.may_grow) for change in diff(plain, named)] == [("device", True)]


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"device": "gpu"}, "device: must be 'auto', 'cpu', 'cuda' or 'mps' but got 'gpu'"),
        ({"device": "cuda", "resources": {"gpu": 0}}, "resources.gpu: is 0, which is the CPU, but device is cuda"),
        ({"resources": {"gpu": 2}}, "resources.gpu: must be at most 1 but got 2: one trial uses one GPU"),
        ({"resources": {"gpu": 1.5}}, "resources.gpu: must be a share of one GPU .* but got 1.5"),
    ],
)
def test_device_that_no_trial_can_have_is_a_mistake(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(StudyError, match=rule):
        toy_study(**settings)


def test_study_begun_with_several_gpus_for_a_trial_can_still_be_read() -> None:
    study = Study.model_validate({**toy_study().written(), "resources": {"gpu": 2.0}})
    assert study.resources.gpu_share == 2


def test_answer_is_the_last_line_and_is_asked_for_once(tmp_path: Path) -> None:
    gpu = {"name": "NVIDIA H200", "memory_mib": 140 << 10, "capability": "9.0", "bf16": True}
    content = {"torch": "2.15.0", "build": "CUDA 13.2", "kind": "cuda", "accelerators": [gpu, gpu], "reason": ""}
    asked = tmp_path / "asked.txt"
    code = f"open({str(asked)!r}, 'a').write('.'); print('a warning'); print({json.dumps(content)!r})"
    inquiry = Inquiry([sys.executable, "-c", code])
    inquiry.begin(asked=True)
    found = inquiry.devices(asked=True)
    assert found == inquiry.devices(asked=True)
    assert asked.read_text() == "."
    assert found.accelerators == (H200, H200)
    assert str(found) == "cuda: 2 × NVIDIA H200 (140 GiB, capability 9.0, bf16); torch 2.15.0, for CUDA 13.2"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('no torch here')", "ended with status 1: no torch here"),
        ("print('{}')", "ended with status 0"),
        ("input()\nwhile True: pass", "ended with status 1: EOFError"),
    ],
)
def test_process_that_gives_no_answer_is_the_reason(code: str, reason: str) -> None:
    assert reason in Inquiry([sys.executable, "-c", code]).devices(asked=True).reason


def test_process_that_hangs_is_killed_and_is_the_reason() -> None:
    inquiry = Inquiry([sys.executable, "-c", "import signal; signal.pause()"], timeout_s=0.01)
    assert inquiry.devices(asked=True).reason.startswith("torch has not answered within 0.01 s")


def test_torch_is_not_asked_where_nothing_shows_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("device_sign", "has_cuda_library"):
        monkeypatch.setattr(f"sweeps.prepare.devices.inventory.{name}", lambda: "")
    inquiry = Inquiry(["no-such-command"])
    inquiry.begin()
    assert inquiry.devices() == Devices()


def test_signs_are_the_files_of_each_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "PLACES", ((str(tmp_path), "nvidia[0-9]*"), (str(tmp_path), "dxg")))
    assert signs.device_sign() == ""
    (tmp_path / "dxg").touch()
    assert signs.device_sign() == str(tmp_path / "dxg")
    (tmp_path / "nvidia1").touch()
    assert signs.device_sign() == str(tmp_path / "nvidia1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    assert signs.device_sign() == ""


@pytest.mark.parametrize(
    ("visible", "reason"),
    [("7", "torch sees no GPU (CUDA_VISIBLE_DEVICES='7')"), ("-1", "CUDA_VISIBLE_DEVICES='-1' hides every GPU")],
)
def test_reason_names_the_variable_that_hides_the_gpus(
    visible: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    content = {"torch": "2.15.0", "build": "CUDA 13.2", "kind": "", "accelerators": [], "reason": "torch sees no GPU"}
    assert Inquiry(answering(json.dumps(content))).devices(asked=True).reason == reason


def test_study_that_trained_on_the_cpu_although_it_says_gpu_opens_and_goes_on_when_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, NONE)
    monkeypatch.setattr(choice, "begin", lambda asked: None)
    monkeypatch.setattr("sweeps.engine.launch.write_report", lambda results, reports: reports)  # which takes seconds
    options = Options(Folders(tmp_path / "runs", tmp_path / "reports", tmp_path / "data"), runner="inline", quiet=True)
    study = toy_study(run_cap=1, resources={"gpu": 1})
    monkeypatch.setenv("SWEEP_DEVICE", "cpu")  # as every version before did by itself
    assert launch(study, load(study.workload), options).complete
    monkeypatch.delenv("SWEEP_DEVICE")
    assert launch(study, load(study.workload), options).complete  # nothing is left to train
    grown = study.edited({"run_cap": 2})
    with pytest.raises(Refused, match=r"resources.gpu is 1, but no GPU is usable: .*; mend that, or train on the CPU"):
        launch(grown, load(study.workload), options)
    assert open_results(tmp_path / "runs", study.name).counted == 1
    assert launch(grown.edited({"device": "cpu"}), load(study.workload), options).results.counted == 2
