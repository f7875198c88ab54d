"""The real command line on machines that this one is not: what it trains on, what it says and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.machines import pretended
from tests.sweeps.support import clean, sweep, toy_text

NO_DRIVER = "Found no NVIDIA driver on your system"  # torch's words, where it is built for CUDA and finds no GPU

# Count the usable GPUs for each value of CUDA_VISIBLE_DEVICES.
REPORT_FOR = """
import json, os, sys
from sweeps.prepare.devices.torch_report import report
counts = []
for os.environ["CUDA_VISIBLE_DEVICES"] in sys.argv[1:]:
    counts.append(len(report()["accelerators"]))
print(json.dumps(counts))
"""


def on(
    machine: str, folder: Path, *words: str, visible: str = "0,1", **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Give a command about a toy study, with the inline runner, on a pretended machine."""
    study = folder / "toy.yaml"
    study.write_text(toy_text(run_cap=1, **settings))
    environment = pretended(machine, CUDA_VISIBLE_DEVICES=visible)
    inline = ["--runner", "inline", "--data-dir", str(folder / "data")] if words[0] == "run" else []
    return sweep(words[0], study, *inline, *words[1:], cwd=folder, **environment)


def provenance(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "runs" / "toy" / "environment.json").read_text())
    return content


def test_gpu_that_torch_cannot_use_is_named_and_the_study_trains_on_the_cpu(tmp_path: Path) -> None:
    done = on("unusable", tmp_path, "run")
    assert done.returncode == 0, done.stderr
    note = "trials train on the CPU: there is a GPU (/dev/nvidia0), but torch cannot use it: "
    assert [line.startswith(note) for line in done.stderr.splitlines()].count(True) == 1
    content = provenance(tmp_path)
    assert content["device"] == "cpu"
    assert content["host"]["devices"]["sign"] == "/dev/nvidia0"
    assert content["host"]["devices"]["reason"] in done.stderr


@pytest.mark.parametrize("settings", [{"resources": {"gpu": 0.5}}, {"device": "cuda"}])
def test_gpu_that_was_asked_for_and_is_not_usable_is_refused_before_anything_is_made(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    refused = on("unusable", tmp_path, "run", **settings)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: resources.gpu is 0.5, but no GPU" if "resources" in settings else "error: device is")
    assert line.endswith("mend that, or train on the CPU with device: cpu (--set device=cpu) or resources: {gpu: 0}")
    assert not (tmp_path / "runs").exists()


def test_gpu_that_only_torch_sees_is_trained_on(tmp_path: Path) -> None:
    done = on("wsl", tmp_path, "run", resources={"gpu": 1})
    assert done.returncode == 0, done.stderr
    content = provenance(tmp_path)
    assert (content["device"], content["host"]["gpus"]) == ("cuda", 1)
    assert content["host"]["devices"]["accelerators"] == ["1 × Pretended H200 (140 GiB, capability 9.0, bf16)"]


def test_plan_shows_the_gpus_and_a_trial_on_each(tmp_path: Path) -> None:
    planned = on("two", tmp_path, "plan", "--no-probe")
    assert planned.returncode == 0, planned.stderr
    assert "2 at once on the GPU" in planned.stdout
    assert "device: cuda: 2 × Pretended H200 (140 GiB, capability 9.0, bf16); torch " in planned.stdout


def test_as_many_gpus_are_visible_as_torch_says(tmp_path: Path) -> None:
    expected = {"": 0, "-1": 0, "NoDevFiles": 0, "void": 0, "7": 0, "0": 1, "1,-1,0": 1, "0,0": 0, "0,1": 2, "1,0": 2}
    words = [sys.executable, "-c", REPORT_FOR, *expected]
    counted = subprocess.run(words, env=clean(pretended("two")), capture_output=True, text=True, check=True).stdout
    assert json.loads(counted) == [*expected.values()]


def test_one_broken_gpu_of_two_is_refused_with_the_way_to_leave_it_out(tmp_path: Path) -> None:
    refused = on("broken", tmp_path, "run")
    assert refused.returncode == 2
    assert "cuda:1 (Pretended H200): CUDA error: no kernel image is available" in refused.stderr
    assert refused.stderr.endswith("leave it out with CUDA_VISIBLE_DEVICES\n")
    assert on("broken", tmp_path, "run", visible="0").returncode == 0


@pytest.mark.parametrize(("machine", "code"), [("unusable", 1), ("wsl", 0)])
def test_doctor_says_what_is_there_and_fails_where_a_gpu_is_not_usable(tmp_path: Path, machine: str, code: int) -> None:
    found = sweep("doctor", "--json", cwd=tmp_path, **pretended(machine))
    assert found.returncode == code, found.stderr
    content = json.loads(found.stdout)
    assert content["cores"] > 0
    assert (content["devices"]["kind"] == "cuda") == (machine != "unusable")
    assert bool(content["devices"]["reason"]) == bool(code)


def test_mac_runs_a_study(tmp_path: Path) -> None:
    done = on("macos", tmp_path, "run")
    assert done.returncode == 0, done.stderr
    assert provenance(tmp_path)["host"]["cores"] > 0


def test_windows_is_refused_with_one_line_that_names_wsl2(tmp_path: Path) -> None:
    refused = on("windows", tmp_path, "run")
    assert refused.returncode == 2
    assert refused.stderr == "error: studies run on Linux and macOS; on Windows use WSL2, which sees the GPU as well\n"
