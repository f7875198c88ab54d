"""The Ray runner: the same promises as the inline one, through real workers."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.protocol import RunnerError, TrialResources
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.study.stages import RunRequest, stages_of
from sweeps.trial.trial import Status
from sweeps.workload import load
from tests.security.listening import listening_elsewhere
from tests.sweeps.support import ASHA, Events, acknowledged, clean, command, sweep, toy_study, toy_text
from tests.sweeps.terminal import stopped_lines

PATIENCE_S = 120
pytestmark = pytest.mark.xdist_group("ray")  # one Ray at a time on a small machine


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Ray for the tests of this module that stay in this process."""
    from sweeps.runners.ray import RayRunner

    threads, os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS"), "1"
    started = RayRunner(TrialResources(cpu=1, gpu=0, workers=2))
    yield started
    started.close()
    os.environ.pop("OMP_NUM_THREADS")
    if threads:
        os.environ["OMP_NUM_THREADS"] = threads


def run_ray(runner: Any, folder: Path, events: Events | None = None, **settings: Any) -> engine.RunResult:
    study = toy_study(**settings)
    prepared = settle(study, load(study.workload), folder / "data", {})
    request = RunRequest(stages_of(study))
    return engine.run(prepared, folder / study.name, lambda: runner, events or Events(), request)


def test_search_through_ray_is_pruned_rejected_and_counted_exactly(tmp_path: Path, runner: Any) -> None:
    results = run_ray(
        runner, tmp_path, method="tpe", run_cap=14, baseline={"epochs": 8}, early_terminate=ASHA,
        constraints=["parameters <= 500"],
        parameters={"lr": {"min": 0.001, "max": 1.0}, "net.width": {"values": [8, 16, 64]}},
    ).results  # fmt: skip
    assert results.counted == 14
    counts, done = results.counts(), acknowledged(tmp_path)
    assert counts[Status.PRUNED] >= 3
    assert counts[Status.REJECTED] >= 1
    for trial in results.trials:
        assert sorted(trial.curve) == [epoch for number, epoch in done if number == trial.number]
        assert trial.status is not Status.COMPLETE or trial.epochs == 8


def test_two_rounds_through_ray_pause_and_go_on_from_their_checkpoints(tmp_path: Path, runner: Any) -> None:
    events = Events()
    results = run_ray(
        runner, tmp_path, events, run_cap=5, early_terminate={"type": "one_epoch", "epochs": 2, "top": 2}
    ).results
    assert sorted(events.paused) == [(number, 2) for number in range(5)]
    assert results.counts()[Status.COMPLETE] == 2
    order = acknowledged(tmp_path)
    assert len(order) == len(set(order)) == 5 * 2 + 2 * 2
    assert all(epoch <= 2 for _, epoch in order[:10])
    for trial in results.trials:
        assert sorted(trial.curve) == [epoch for number, epoch in order if number == trial.number]


def test_trials_that_pause_at_rungs_go_on_through_ray_once_they_have_earned_it(tmp_path: Path, runner: Any) -> None:
    events = Events()
    rule = {"type": "asha", "mode": "promote", "eta": 2}
    results = run_ray(runner, tmp_path, events, run_cap=9, baseline={"epochs": 8}, early_terminate=rule).results
    counts, order = results.counts(), acknowledged(tmp_path)
    assert results.counted == 9
    assert counts[Status.COMPLETE] >= 1
    assert counts[Status.COMPLETE] + counts[Status.PRUNED] == 9
    assert len(order) == len(set(order))  # each went on from its checkpoint
    decisions = [decision for trial in results.trials for decision in trial.decisions]
    assert sorted(decision["order"] for decision in decisions) == list(range(len(decisions)))
    promoted = [decision["rung"] for decision in decisions if decision["why"] == "promoted"]
    assert len(promoted) > 3
    assert all(rung["place"] <= rung["go_on"] == rung["reached"] // 2 for rung in promoted)
    for trial in results.trials:
        assert sorted(trial.curve) == [epoch for number, epoch in order if number == trial.number]
        assert [each["from"] for each in trial.decisions[1:]] == [each["until"] for each in trial.decisions[:-1]]


def test_nothing_listens_to_other_machines(runner: Any) -> None:
    processes = psutil.Process().children(recursive=True)
    assert any(process.name() == "gcs_server" for process in processes)
    assert listening_elsewhere(os.getpid()) == []


def test_rejected_configuration_never_reaches_a_worker(tmp_path: Path, runner: Any) -> None:
    results = run_ray(
        runner, tmp_path, method="grid", run_cap=3, constraints=["parameters <= 500"],
        parameters={"net.width": {"values": [8, 64, 4]}},
    ).results  # fmt: skip
    assert {number for number, _ in acknowledged(tmp_path)} == {0, 2}
    assert results.trials[1].status is Status.REJECTED


def test_same_configuration_and_seed_give_the_same_curve_as_inline(tmp_path: Path, runner: Any) -> None:
    from tests.sweeps.support import run_inline

    settings: dict[str, Any] = {"method": "grid", "run_cap": 3, "parameters": {"lr": {"values": [0.02, 0.2, 2.0]}}}
    ray = run_ray(runner, tmp_path / "ray", **settings).results
    inline = run_inline(toy_study(**settings), tmp_path / "inline").results
    assert [trial.curve for trial in ray.trials] == [trial.curve for trial in inline.trials]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("nan", Status.DIVERGED),
        ("raise", Status.FAILED),
        ("memory", Status.OUT_OF_MEMORY),
        ("crowded", Status.COMPLETE),
        ("die", Status.COMPLETE),
        ("lost", Status.COMPLETE),
    ],
)
def test_fault_in_a_worker_is_recorded_and_the_others_finish(
    tmp_path: Path, runner: Any, fault: str, status: Status
) -> None:
    events = Events()
    results = run_ray(
        runner, tmp_path, events, method="grid", run_cap=3, parameters={"fault": {"values": [fault, "none", "no"]}}
    ).results
    assert results.trials[0].status is status
    assert results.counts()[Status.COMPLETE] >= 2
    if fault == "die":  # killed in epoch 2, continued from the checkpoint of epoch 1
        assert Counter(acknowledged(tmp_path))[0, 1] == 1
        assert [trial.deaths for trial in results.trials] == [1, 0, 0]
        assert any("search 0: its worker died (killed, or out of host memory)" in note for note in events.notes)
    if fault == "lost":  # the process ended: no other run met it
        (note,) = [note for note in events.notes if "its device failed" in note]
        assert note.startswith("search 0: its device failed after epoch 1 (DeviceLost: CUDA error: an illegal memory")
        assert Counter(acknowledged(tmp_path))[0, 1] == 1
        assert not any(trial.deaths for trial in results.trials)
    if fault == "crowded":
        assert any("once more, with the device for itself" in note for note in events.notes)


def test_run_that_hangs_is_failed_with_where_it_hung_and_the_others_finish(tmp_path: Path, runner: Any) -> None:
    settings = {**GIVEN, "trial_timeout": 2, "ablation": {**GIVEN["ablation"], "components": HANGS}}
    stage = run_ray(runner, tmp_path, **settings).results.stages["ablation"]
    outcomes = {(trial.variant, trial.status, trial.reason, trial.deaths) for trial in stage.trials}
    reason = "timeout: no progress for 2 s (trial_timeout)"
    assert outcomes == {("baseline", Status.COMPLETE, "", 0), ("hangs", Status.FAILED, reason, 0)}
    hung = next(trial.number for trial in stage.trials if trial.variant == "hangs")
    assert "_go_wrong" in (tmp_path / "toy" / "ablation" / f"{hung:04d}" / "log.txt").read_text()


def test_resources_that_do_not_fit_are_refused(tmp_path: Path, runner: Any) -> None:
    from sweeps.runners.ray import RayRunner

    greedy = object.__new__(RayRunner)  # on the Ray that runs already
    greedy._resources, greedy._cluster = TrialResources(cpu=4096, gpu=0), runner._cluster
    with pytest.raises(RunnerError, match=r"cpu: 4096, gpu: 0.*lower resources"):
        run_ray(greedy, tmp_path)


PARTS: dict[str, Any] = {"handicap": {"handicap": 4.0}, "null": {"unused": 3}}
HANGS: dict[str, Any] = {"hangs": {"fault": "hang", "fault_epoch": 1}}
GIVEN: dict[str, Any] = {
    "parameters": {},
    "run_cap": 0,
    "baseline": {"epochs": 2, "spread": 1.0},
    "ablation": {"baseline": "given", "components": PARTS, "seeds": 2},
}


def test_every_stage_keeps_both_workers_at_work(tmp_path: Path, runner: Any) -> None:
    # An epoch ends only when another run is inside one: a stage on one worker would never come to its end.
    results = run_ray(
        runner, tmp_path, method="grid", run_cap=4, baseline={"epochs": 2, "meet": 2, "lr": 0.1},
        parameters={"unused": {"values": [1, 2, 3, 4]}}, confirm={"top": 2, "seeds": 2},
        ablation={"components": {"null": {"momentum": 0.1}}, "seeds": 2}, final={"seeds": 2},
    ).results  # fmt: skip
    assert {trial.status for trial in results.everything} == {Status.COMPLETE}
    assert {name: len(stage.trials) for name, stage in results.stages.items()} == {
        "confirm": 4, "ablation": 4, "final": 2,
    }  # fmt: skip


def test_stages_through_ray_give_what_they_give_inline(tmp_path: Path, runner: Any) -> None:
    from tests.sweeps.support import run_inline

    settings = {**GIVEN, "final": {"seeds": 2, "arms": "all"}, "evaluate": ["shifted"]}
    ray = run_ray(runner, tmp_path / "ray", **settings).results
    inline = run_inline(toy_study(**settings), tmp_path / "inline").results
    for name in ("ablation", "final"):
        actual, expected = (
            {(trial.variant, trial.replicate): (trial.value, trial.metrics) for trial in results.stages[name].trials}
            for results in (ray, inline)
        )
        assert actual == expected
    opened = (tmp_path / "ray" / "data" / "opened.txt").read_text().split()
    assert sorted(opened) == [f"{number:04d}" for number in range(6)]
    assert len(ray.stages["final"].facts["openings"]) == 1


@pytest.mark.parametrize(("fault", "reason"), [("no model", "cannot be read"), ("accuracy left out", "it gave: loss")])
def test_evaluation_that_goes_wrong_in_a_worker_is_recorded(
    tmp_path: Path, runner: Any, fault: str, reason: str
) -> None:
    settings: dict[str, Any] = {
        "parameters": {},
        "run_cap": 0,
        "baseline": {"epochs": 1, "fault": fault},
        "final": {"seeds": 2},
    }
    trials = run_ray(runner, tmp_path, **settings).results.stages["final"].trials
    assert [trial.status for trial in trials] == [Status.FAILED] * 2
    assert all(reason in trial.reason for trial in trials)


# -- a driver of its own, killed --------------------------------------------------------------------------------------


class Driver:
    """`sweep run` in a process group of its own, with the toy's epochs held back by a gate."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.study = folder / "toy.yaml"
        self.study.write_text(toy_text(**settings))
        self.words = ("run", self.study, "--data-dir", folder / "data", "--workers", "2")
        self.process = subprocess.Popen(
            command(*self.words), cwd=folder, env=clean({"SWEEP_GRACE_S": "0.5"}), start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def heard(self, text: str) -> str:
        """Read the driver's progress up to a line with `text`."""
        assert self.process.stderr is not None
        timer = threading.Timer(PATIENCE_S, self.process.kill)
        timer.start()
        try:
            for line in self.process.stderr:
                if text in line:
                    return line
        finally:
            timer.cancel()
        raise AssertionError(f"the driver ended without saying {text!r}")

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def wait_for_server(self) -> None:
        """Wait until Ray has begun to start."""
        driver = psutil.Process(self.process.pid)
        while not any(child.name() == "gcs_server" for child in driver.children()):
            assert self.process.poll() is None

    def end(self, number: signal.Signals, *, group: bool = False) -> int:
        """Send the driver, or its whole process group, a signal; its exit code."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        output = "".join(self.process.communicate(timeout=PATIENCE_S))
        assert "Traceback" not in output
        assert stopped_lines(number.name).search(output)
        return self.process.returncode


SLOW: dict[str, Any] = {
    "run_cap": 6,
    "baseline": {"epochs": 6},
    "early_terminate": ASHA,
    "parameters": {"lr": {"min": 0.001, "max": 1.0}, "momentum": {"min": 0.0, "max": 0.9}},
}


def check_whole(folder: Path, kills: int) -> Results:
    """Nothing lost, nothing run again, no epoch repeated more often than there were kills times workers."""
    results = open_results(folder / "runs", "toy")
    assert results.counted == 6
    assert results.counts()[Status.RUNNING] == results.counts()[Status.FAILED] == 0
    times = Counter(acknowledged(folder))
    for trial in results.trials:
        repeated = {epoch: times[trial.number, epoch] for epoch in trial.curve}
        assert all(repeated.values()), (trial, repeated)
        assert sum(repeated.values()) - len(repeated) <= kills
    assert sum(times.values()) - len(times) <= 2 * kills
    return results


def test_signal_ends_the_driver_with_its_code_and_the_study_goes_on(tmp_path: Path) -> None:
    settings = {**SLOW, "baseline": {"epochs": 6, "wait_for": "go"}}
    with Driver(tmp_path, **settings) as driver:
        driver.wait_for_server()
        assert driver.end(signal.SIGTERM) == 75
    for number, group, moment in ((signal.SIGUSR1, True, "trial 1 starts"), (signal.SIGINT, False, "trial ")):
        with Driver(tmp_path, **settings) as driver:
            driver.heard(moment)
            assert driver.end(number, group=group) == 75
        assert acknowledged(tmp_path) == []  # the workers, held in their first epoch, did not hold up the driver
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "go").touch()
    last = sweep("resume", "toy", "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert last.returncode == 0, last.stderr
    check_whole(tmp_path, kills=2)
