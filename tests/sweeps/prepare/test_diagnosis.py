"""What `sweep doctor` finds wrong with a machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sweeps.prepare.devices.inventory import Devices
from sweeps.prepare.diagnosis import disk, gpu, libraries, other_rays, shared_memory
from tests.sweeps.support import ROOT, sweep


@pytest.mark.parametrize(
    ("versions", "required", "expected"),
    [
        ({"torch": "2.9.0", "torchvision": "0.24.0"}, ["numpy", "torch==2.9.0"], ""),
        ({"torch": "2.9.0+cu132", "torchvision": "0.24.0+cu132"}, ["torch==2.9.0"], ""),
        ({"torch": "2.9.0", "torchvision": "0.24.0"}, ["torch (==2.8.0)"], "0.24.0 is built for torch 2.8.0"),
        ({"torch": "2.9.0+cu132", "torchvision": "0.24.0+cpu"}, ["torch==2.9.0"], "is built for cpu, but torch for"),
        ({"torch": "2.9.0"}, [], "is not installed"),
        ({"torch": "2.9.0", "torchvision": "0.24.0"}, [], ""),
    ],
)
def test_a_torchvision_for_another_torch_is_an_error_with_the_command(
    versions: dict[str, str], required: list[str], expected: str
) -> None:
    findings = [*libraries(versions, required)]
    assert len(findings) == bool(expected)
    for finding in findings:
        assert (finding.level, finding.subject) == ("error", "torchvision")
        assert finding.text.startswith(expected)
        assert finding.fix.startswith("pip ")


def test_a_gpu_that_is_not_used_on_purpose_is_no_finding() -> None:
    devices = Devices(sign="/dev/nvidia0", reason="the driver is too old")
    (finding,) = gpu(devices, "")
    assert finding.text == "/dev/nvidia0 is there, but torch cannot use it: the driver is too old"
    assert finding.fix.startswith("export SWEEP_DEVICE=cpu")
    assert not [*gpu(devices, "cpu")]
    assert not [*gpu(Devices(), "")]


def test_folders_that_are_not_there_yet_are_judged_by_those_above(tmp_path: Path) -> None:
    assert [*disk([tmp_path])] == [*disk([tmp_path / "runs" / "mine", tmp_path])]


def test_memory_shared_by_too_little_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [*shared_memory(tmp_path / "absent")]
    monkeypatch.setattr("sweeps.prepare.diagnosis.SHARED_BYTES", 1 << 62)
    (finding,) = shared_memory(tmp_path)
    assert (finding.level, finding.subject) == ("warning", "shared memory")
    assert f"remount,size=1G {tmp_path}" in finding.fix


def test_another_ray_on_the_machine_is_named_by_its_processes(tmp_path: Path) -> None:
    program = shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / "raylet")
    with subprocess.Popen([program, "60"]) as process:
        (finding,) = other_rays()
        process.kill()
    assert (finding.level, finding.subject) == ("warning", "ray")
    assert str(process.pid) in finding.fix


def test_doctor_names_the_mismatch_the_data_and_the_fix(tmp_path: Path) -> None:
    # A distribution that stands before the installed one on the path: what `pip install torchvision==9.9` may leave.
    package = tmp_path / "path" / "torchvision-9.9.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torchvision\nVersion: 9.9\nRequires-Dist: torch==9.9\n"
    )
    data = tmp_path / "data" / "cifar-10-batches-py"
    data.mkdir(parents=True)
    (data / "data_batch_1").write_bytes(bytes(2000))
    path = os.pathsep.join([str(tmp_path / "path"), str(ROOT)])
    examined = sweep(
        "doctor",
        "--json",
        "--data-dir",
        data.parent,
        cwd=tmp_path,
        PYTHONPATH=path,
        SWEEP_DEVICE="cpu",
    )
    content = json.loads(examined.stdout)
    assert examined.returncode == 1
    assert not content["usable"]
    (finding,) = [finding for finding in content["findings"] if finding["subject"] == "torchvision"]
    assert finding["fix"] == "pip install 'torch==9.9' 'torchvision==9.9'"
    assert content["data"] == {"cifar-10-batches-py": 2000}
    assert content["versions"]["torchvision"] == "9.9"
