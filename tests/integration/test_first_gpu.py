"""The command for the first minutes on a GPU: every step in its CPU form, and how its parts may end."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.first_gpu import needs, runner
from benchmarks.first_gpu.machine import NOT_A_GPU, Machine
from benchmarks.first_gpu.records import PartRecord, StepRecord, load
from benchmarks.first_gpu.setting import Setting
from benchmarks.first_gpu.steps import STEPS, Step
from benchmarks.first_gpu.summary import heading, overview, problems
from tests.sweeps.support import ROOT

SCRIPT = ROOT / "benchmarks" / "first_gpu.sh"
BLOCKED = (*needs.ENGINE, *needs.RAY)
MACHINE = Machine(
    device="cpu", device_name="a processor", memory_mib=None, capability="", cores=2, versions={}, note=NOT_A_GPU
)


def run_script(folder: Path, *words: str, blocked: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the script in a Python that does not find the modules `blocked`."""
    hooks = folder / "hooks"
    hooks.mkdir()
    finder = f"""
import sys
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in {blocked!r} else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Hiding, sys.meta_path)
"""
    (hooks / "sitecustomize.py").write_text(finder, encoding="utf-8")
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(hooks)}
    environment.pop("SWEEP_DATA", None)
    return subprocess.run(
        ["bash", str(SCRIPT), "--out", str(folder / "out"), "--seconds", "100000", *words],
        env=environment,
        capture_output=True,
        text=True,
    )


def statuses(step: StepRecord) -> dict[str, str]:
    return {record.part: record.status for record in step.records}


def test_every_step_runs_on_a_cpu_without_the_engines_libraries(tmp_path: Path) -> None:
    done = run_script(tmp_path, "--device", "cpu", "--short", blocked=BLOCKED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].count("missing: ") == 2
    records = {name: load(tmp_path / "out" / f"{step.file}.json") for name, step in STEPS.items()}
    for name, record in records.items():
        assert {"ok"} <= set(statuses(record).values()) <= {"ok", "not here"}, (name, record, done.stderr)
        assert record.machine["note"] == NOT_A_GPU
    assert statuses(records["study"]) == {"plain loop": "ok"}
    assert NOT_A_GPU in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_study_runs_through_the_engine_where_it_is_installed(tmp_path: Path) -> None:
    done = run_script(tmp_path, "--device", "cpu", "--short", "--only", "study")
    assert done.returncode == 0, done.stdout + done.stderr
    study = load(tmp_path / "out" / f"{STEPS['study'].file}.json")
    figures = {record.part: record.figures for record in study.records}["through the engine"]
    assert (figures["runner"], figures["complete"]) == ("inline", 2)


def test_device_that_torch_cannot_use_is_refused(tmp_path: Path) -> None:
    done = run_script(tmp_path, "--device", "mps")
    assert (done.returncode, "finds no MPS device" in done.stderr) == (2, True), done.stderr


def test_missing_trainer_is_refused_with_what_to_bring(tmp_path: Path) -> None:
    done = run_script(tmp_path, "--device", "cpu", "--short", blocked=("pydantic", "ruamel"))
    assert done.returncode == 2, done.stderr
    assert "missing: pydantic, ruamel.yaml: no step can run" in done.stdout
    assert "-d wheels pydantic ruamel.yaml" in done.stderr


def test_wheels_are_unpacked_onto_the_path_and_removed_afterwards(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "brought-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("brought.py", "")
    python = tmp_path / "python"
    last = '[ "$2" = zipfile ] && exec "$REAL" "$@"; echo "${PYTHONPATH##*:} $(ls "${PYTHONPATH##*:}")"'
    python.write_text(f"#!/bin/sh\n{last}\n", encoding="utf-8")
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "REAL": sys.executable, "PYTHONPATH": "elsewhere"}
    words = ["bash", str(SCRIPT), "--wheels", str(tmp_path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    folder, content = done.stdout.split()
    assert (content, Path(folder).exists()) == ("brought.py", False)


@pytest.fixture(scope="module")
def every_end(tmp_path_factory: pytest.TempPathFactory) -> StepRecord:
    """A step whose parts end in every way."""
    folder = tmp_path_factory.mktemp("first_gpu")
    step = Step("07_ends", "How does a part end?", 1.0, ("tests.integration.first_gpu_parts",))
    setting = Setting("cpu", folder, None, short=True, ends=0.0)
    return runner.run_steps([step], setting, MACHINE, folder, 1000.0)[0]


@pytest.mark.parametrize(
    ("part", "status", "reason"),
    [
        ("measures", "ok", ""),
        ("finds", "wrong", "the loss is 2.3"),
        ("raises", "failed", "RuntimeError: no kernel"),
        ("lacks", "not here", "no CIFAR-10"),
        ("dies", "failed", "its process was ended by signal 9"),
        ("goes on", "ok", ""),
        ("takes too long", "skipped", "it needs about 1000000"),
    ],
)
def test_each_part_is_recorded_and_the_next_one_runs(
    every_end: StepRecord, part: str, status: str, reason: str
) -> None:
    record = next(record for record in every_end.records if record.part == part)
    assert record.status == status
    assert reason in record.reason


def test_results_outlive_the_death_of_their_process(every_end: StepRecord) -> None:
    figures = {record.part: record.figures for record in every_end.records}
    assert figures["measures"] == {"images_per_s": 12.5}
    assert figures["finds"] == {"loss": 2.3}
    assert [line.split(": ")[0] for line in problems([every_end])] == [
        f"How does a part end? {part}" for part in ("finds", "raises", "dies")
    ]


def test_step_that_cannot_be_imported_is_recorded_as_failed(tmp_path: Path) -> None:
    step = Step("07_absent", "Is it there?", 1.0, ("tests.integration.no_such_module",))
    setting = Setting("cpu", tmp_path, None, short=True, ends=0.0)
    record = runner.run_steps([step], setting, MACHINE, tmp_path, 1000.0)[0]
    assert [(part.part, part.status) for part in record.records] == [("start", "failed")]
    assert "no_such_module" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_part_that_runs_when_its_time_is_up_is_cut_off_and_no_failure() -> None:
    record = runner._closed(PartRecord("hangs", "running"), None)
    assert (record.status, problems([StepRecord("How fast?", MACHINE, ("hangs",), (record,))])) == ("cut off", [])


def test_summary_of_a_cpu_says_that_no_figure_is_a_gpus(every_end: StepRecord) -> None:
    assert NOT_A_GPU in heading([every_end])
    assert "How does a part end?" in overview([every_end])
