"""The command line: results on stdout, errors and progress on stderr, and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweeps.storage.runs import open_results
from sweeps.workload import Run
from tests.sweeps.support import ASHA, acknowledged, clean, command, holding, sweep, toy_text


@dataclass(frozen=True)
class Bare:
    """A recipe without a cost."""

    lr: float = 0.1
    epochs: int = 1


def bare(recipe: Bare, run: Run) -> Iterator[dict[str, float]]:
    """Train nothing: a workload without `cost`."""
    yield {"val_accuracy": 1.0}


def write(folder: Path, **settings: Any) -> Path:
    """Write a toy study file into `folder`."""
    path = folder / "toy.yaml"
    path.write_text(toy_text(**settings))
    return path


def run(folder: Path, *words: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a toy study with `sweep run --runner inline`."""
    return sweep(
        "run", write(folder, **settings), "--runner", "inline", "--data-dir", folder / "data", *words, cwd=folder
    )


def listing(folder: Path) -> list[str]:
    """Return all paths below `folder`."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def studies(folder: Path) -> list[str]:
    """Return the names of the studies in the runs folder, without the hidden files beside them."""
    return sorted(path.name for path in (folder / "runs").iterdir() if not path.name.startswith("."))


@pytest.fixture(scope="module")
def three_trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of three trials, for tests that only read it."""
    folder = tmp_path_factory.mktemp("finished")
    done = run(folder, run_cap=3)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def finished(three_trials: Path, tmp_path: Path) -> Path:
    """A copy of `three_trials` that a test may change."""
    return Path(shutil.copytree(three_trials, tmp_path / "copy"))


def test_run_prints_the_result_on_stdout_and_progress_on_stderr_and_writes_the_report(tmp_path: Path) -> None:
    done = run(tmp_path, run_cap=4, early_terminate=ASHA)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"Best of 4 trials: trial \d, validation accuracy \d+\.\d\d % after 4 epochs, 128 parameters", done.stdout
    )
    assert "Report: reports/toy/index.html" in done.stdout
    assert "trial 0 starts: lr=0.05" in done.stderr
    assert (tmp_path / "reports" / "toy" / "index.html").stat().st_size > 1_000_000
    assert (tmp_path / "reports" / "toy" / "tables" / "best.csv").exists()


def test_finished_study_says_so_and_shows_the_result(finished: Path) -> None:
    again = run(finished, run_cap=3)
    assert again.returncode == 0
    assert "toy: nothing was left to run." in again.stdout
    assert "Best of 3 trials" in again.stdout
    assert len(acknowledged(finished)) == 3 * 4


def test_json_is_the_only_output_with_quiet(tmp_path: Path) -> None:
    done = run(tmp_path, "--json", "--quiet", run_cap=3)
    summary = json.loads(done.stdout)
    assert summary["counted"] == summary["counts"]["complete"] == 3
    assert summary["complete"] is True
    assert summary["best"]["value"] == max(summary["best"]["curve"].values())
    assert done.stderr == ""


def test_status_shows_progress(three_trials: Path) -> None:
    status = sweep("status", "toy", cwd=three_trials)
    assert "toy: 3/3 trials, not running" in status.stdout
    assert "3 complete" in status.stdout
    assert json.loads(sweep("status", "toy", "--json", cwd=three_trials).stdout)["driver"] is None


def test_ls_lists_the_studies(three_trials: Path) -> None:
    assert "Does the toy learn?" in sweep("ls", cwd=three_trials).stdout
    assert [row["study"] for row in json.loads(sweep("ls", "--json", cwd=three_trials).stdout)] == ["toy"]


def test_a_tilde_that_the_shell_left_is_the_home_folder(three_trials: Path, tmp_path: Path) -> None:
    words = ["ls", "--runs-dir=~/runs", "--json"]
    done = subprocess.run(
        command(*words), cwd=tmp_path, env=clean({"HOME": str(three_trials)}), capture_output=True, text=True
    )
    assert [study["study"] for study in json.loads(done.stdout)] == ["toy"]


def test_show_prints_settings_and_curves_of_a_trial(three_trials: Path) -> None:
    shown = sweep("show", "toy", "1", cwd=three_trials).stdout
    assert "net.width" in shown
    assert "train_loss" in shown
    detail = json.loads(sweep("show", "toy", "1", "--json", cwd=three_trials).stdout)
    assert (detail["number"], len(detail["curves"]), detail["recipe"]["net.width"]) == (1, 4, 8)


def test_unknown_trial_is_an_error_that_lists_the_known_ones(three_trials: Path) -> None:
    done = sweep("show", "toy", "7", cwd=three_trials)
    assert (done.returncode, done.stdout) == (2, "")
    assert "toy has no trial 7; there are: 0 to 2" in done.stderr


def test_report_is_written_again(finished: Path) -> None:
    page = finished / "reports" / "toy" / "index.html"
    page.unlink()
    assert sweep("report", "toy", cwd=finished).stdout.strip() == "reports/toy/index.html"
    assert page.exists()


def test_report_of_a_study_without_a_finished_trial_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, baseline={"fault": "raise", "fault_epoch": 1})
    assert done.returncode == 1
    assert "3 trials in a row failed, the last one with: RuntimeError: <b>the toy broke</b>" in done.stderr
    assert "No trial of toy has finished" in done.stdout
    page = (tmp_path / "reports" / "toy" / "index.html").read_text()
    assert "the toy broke" in page
    assert "<b>the toy broke</b>" not in page


def test_set_overrides_any_setting_typed_and_checked(tmp_path: Path) -> None:
    done = run(tmp_path, "--set", "run_cap=2", "--set", "epochs=3", "--set", "net.width=16", "--json")
    best = json.loads(done.stdout)["best"]
    assert (best["cost"]["parameters"], len(best["curve"])) == (2 * 16**2, 3)


def test_search_toggle_and_budget_extend_a_study(tmp_path: Path) -> None:
    words = ("--search", "net.width=[4,8,64]", "--toggle", "depth", "--budget", "500", "--set", "run_cap=4")
    done = run(tmp_path, *words, "--json")
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)["best"]
    assert set(best["parameters"]) == {"lr", "net.width", "toggle.depth"}
    assert best["cost"]["parameters"] <= 500


def test_changed_study_is_refused_with_a_diff_and_fresh_keeps_the_old(finished: Path) -> None:
    before = listing(finished / "runs")
    refused = run(finished, run_cap=3, seed=5)
    assert refused.returncode == 2
    assert "seed: 0 -> 5" in refused.stderr
    assert "--fresh" in refused.stderr
    assert [name for name in listing(finished / "runs") if "lock" not in name] == [
        name for name in before if "lock" not in name
    ]
    fresh = run(finished, "--fresh", run_cap=1, seed=5)
    assert fresh.returncode == 0
    assert studies(finished) == ["toy", "toy.1"]
    assert json.loads(sweep("status", "toy.1", "--json", cwd=finished).stdout)["counted"] == 3
    page = finished / "reports" / "toy" / "index.html"
    newest = page.read_bytes()
    kept = sweep("resume", "toy.1", "--runner", "inline", "--data-dir", finished / "data", cwd=finished)
    assert "toy.1: nothing was left to run." in kept.stdout
    assert "Report: reports/toy.1/index.html" in kept.stdout
    assert page.read_bytes() == newest


def test_fresh_start_that_is_refused_moves_nothing(finished: Path) -> None:
    refused = run(finished, "--fresh", run_cap=3, baseline={"data": "missing"})
    assert refused.returncode == 2
    assert studies(finished) == ["toy"]


def test_unreadable_study_does_not_hide_the_others(finished: Path) -> None:
    (finished / "runs" / "broken").mkdir()
    (finished / "runs" / "broken" / "study.yaml").write_text("name: [\n")
    listed = sweep("ls", cwd=finished)
    assert listed.returncode == 0
    assert "Does the toy learn?" in listed.stdout
    assert "broken cannot be read" in listed.stderr


def test_exhausted_space_is_reported(tmp_path: Path) -> None:
    done = run(tmp_path, run_cap=5, constraints=["parameters <= 500"], parameters={"net.width": {"values": [4, 8, 64]}})
    assert done.returncode == 0, done.stderr
    assert "No configuration is left to try after 2 of 5 trials." in done.stdout


def test_smoke_run_has_its_own_folder_and_can_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        done = run(tmp_path, "--smoke", "--json", run_cap=9, early_terminate=ASHA, confirm={"top": 5, "seeds": 3})
        summary = json.loads(done.stdout)
        assert (summary["study"], summary["counted"], len(summary["best"]["curve"])) == ("toy-smoke", 2, 1)
    assert studies(tmp_path) == ["toy-smoke"]
    assert sweep("status", "toy-smoke", cwd=tmp_path).returncode == 0


ABLATION = {"components": ["relu"], "seeds": 6}
SEVEN = {
    "width": {"net.width": 4},
    "depth": {"net.depth": 1},
    "relu": "relu",
    "momentum": "momentum",
    "handicap": {"handicap": 1.0},
    "unused": {"unused": 1},
    "spread": {"spread": 1.0},
}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("unknown key", {"run_cpa": 3}, r"toy\.yaml:\d+.*run_cpa.*run_cap"),
    ("unknown setting", {"baseline": {"net": {"widht": 3}}}, r"toy\.yaml:\d+.*widht.*width"),
    ("bad value", {"baseline": {"epochs": "many"}}, r"toy\.yaml:\d+.*epochs.*many"),
    ("empty space", {"parameters": {"lr": {"values": []}}}, r"toy\.yaml:\d+.*lr"),
    ("contradictory space", {"parameters": {"lr": {"min": 2.0, "max": 1.0}}}, r"toy\.yaml:\d+.*lr"),
    (
        "searched epochs with ASHA",
        {"parameters": {"epochs": {"values": [2, 4]}}, "early_terminate": ASHA},
        r"toy\.yaml:\d+.*epochs",
    ),
    (
        "baseline over the budget",
        {"constraints": ["parameters <= 100"], "parameters": {"net.width": {"values": [4, 8]}}},
        r"the baseline does not fit: 128 parameters, over the limit of 100",
    ),
    (
        "nothing feasible",
        {"constraints": ["parameters <= 200"], "parameters": {"net.width": {"values": [16, 32]}}},
        r"no configuration fits: the smallest one found has 512 parameters",
    ),
    (
        "uncounted quantity",
        {"constraints": ["macs <= 5"], "workload": "tests.sweeps.cli.test_cli:bare"},
        r"yaml:\d+: constraints: .*has no .cost",
    ),
    ("nothing to search", {"parameters": {"lr": {"value": 0.1}}}, r"toy"),
    (
        "component with an unknown key",
        {"ablation": {"components": {"norm": {"net.nrom": "none"}}, "seeds": 6}},
        r"toy\.yaml:\d+: ablation\.components\.norm.*net\.nrom",
    ),
    (
        "component that is an unknown toggle",
        {"ablation": {"components": ["rely"], "seeds": 6}},
        r"toy\.yaml:\d+: ablation\.components.*unknown toggle 'rely'.*'relu'",
    ),
    (
        "factorial too large",
        {"ablation": {"design": "factorial", "seeds": 80, "components": SEVEN}},
        r"toy\.yaml:\d+: ablation\.components: a factorial of 7 components is 16 recipes × 80 seeds = 1,280 runs",
    ),
    ("one seed", {"ablation": {"components": ["relu"], "seeds": 1}}, r"toy\.yaml:\d+: ablation\.seeds.*2.*1"),
    (
        "no precision",
        {"ablation": {"components": ["relu"], "seeds": {"min": 4, "max": 8, "precision": 0}}},
        r"toy\.yaml:\d+: ablation\.seeds\.precision.*0",
    ),
    ("no margin", {"ablation": {"components": ["relu"], "seeds": 6, "margin": -0.5}}, r"ablation\.margin.*-0\.5"),
    (
        "shares that do not add up",
        {"budget": {"gpu_hours": 1, "shares": {"search": 0.5, "ablation": 0.4}}, "ablation": ABLATION},
        r"toy\.yaml:\d+: budget\.shares: must sum to 1 but sum to 0\.9",
    ),
    ("missing data", {"baseline": {"data": "missing"}}, r"no data in .*; put it there or give --data-dir"),
    ("unknown workload", {"workload": "no_such.thing"}, r"no module 'no_such'"),
]


@pytest.mark.parametrize(("case", "settings", "message"), BAD, ids=[case for case, _, _ in BAD])
def test_bad_study_is_one_error_exit_2_and_nothing_created(
    tmp_path: Path, case: str, settings: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, **settings)
    before = listing(tmp_path)
    done = sweep("run", path, "--runner", "inline", "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [name for name in listing(tmp_path) if "__pycache__" not in name] == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml.*no such file"),
        (["run", "bomb.yaml"], r"bomb.yaml.*5,000"),
        (["run", "tag.yaml"], "tag.yaml:1.*python"),
        (["run", "twice.yaml"], "twice.yaml:.*name"),
        (["run", "toy.yaml", "--runner", "slurm"], "'slurm' is not a runner; choose ray or inline"),
        (["run", "toy.yaml", "--set", "run_cpa=3"], "--set.*run_cpa"),
        (["run", "toy.yaml", "--toggle", "bacth_norm"], "--toggle.*bacth_norm"),
        (["run", "toy.yaml", "--search", "lr=log:1..0"], "--search.*lr"),
        (["run", "toy.yaml", "--budget", "lots"], "--budget.*lots"),
        (["run", "toy.yaml", "--runs-dir", "toy.yaml/runs"], "cannot write to toy.yaml/runs"),
        (["run", "toy.yaml", "--ray-address", "127.0.0.1:1"], "Ray did not start: .*--runner inline"),
        (["resume", "nothing"], "no study 'nothing' in runs; there are: none yet"),
        (["status", "../../etc"], "'../../etc' is not a study's name"),
        (["show", "nothing", "3"], "no study 'nothing'"),
        (["final", "nothing"], "no study 'nothing'"),
        (["run", "toy.yaml", "--stage", "finale"], "toy has no stage 'finale'; it has: search, confirm, ablation"),
        (
            ["run", "toy.yaml", "--stage", "ablation"],
            "ablation goes on from the best trial of the search, but no trial",
        ),
        (["compare", "toy"], "name two studies or more that differ"),
        (["compare", "toy", "nothing"], "no study 'toy' in runs; there are: none yet"),
        (["toggles", "--workload", "nowhere"], "no module 'nowhere'"),
    ],
)
def test_bad_command_is_one_error_exit_2_and_nothing_created(tmp_path: Path, words: list[str], message: str) -> None:
    write(tmp_path, ablation=ABLATION, confirm={"top": 2, "seeds": 2})
    anchors = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))
    (tmp_path / "bomb.yaml").write_text(f"a0: &a0 [lol]\n{anchors}\n")
    (tmp_path / "tag.yaml").write_text("name: !!python/object/apply:os.system ['true']\n")
    (tmp_path / "twice.yaml").write_text("name: a\nname: b\n")
    before = listing(tmp_path)
    done = sweep(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert re.search(message, done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.stderr
    assert listing(tmp_path) == before


def test_second_driver_is_refused_and_names_the_first(finished: Path) -> None:
    with holding(finished / "runs" / "toy") as first:
        second = run(finished, run_cap=4)
        shown = sweep("status", "toy", cwd=finished)
    assert second.returncode == 2
    assert f"process {first.pid} on {os.uname().nodename} has been running the study" in second.stderr
    assert f"run by process {first.pid}" in shown.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o500)
    assert "cannot write to runs/toy" in run(tmp_path).stderr


def test_storage_that_contradicts_a_record_is_refused_and_left_alone(finished: Path) -> None:
    record = finished / "runs" / "toy" / "trials" / "0000" / "record.json"
    record.write_text(record.read_text().replace('"value"', '"velue"'))
    damaged = record.read_text()
    done = run(finished, run_cap=4)
    assert done.returncode == 2
    assert "record.json" in done.stderr
    assert record.read_text() == damaged


def test_validate_prints_ok_or_every_error(tmp_path: Path) -> None:
    assert sweep("validate", write(tmp_path), cwd=tmp_path).stdout == (
        "ok: " + str(tmp_path / "toy.yaml") + ": random over infinitely many configurations, 6 trials\n"
    )
    bad = write(tmp_path, run_cpa=1, baseline={"epochs": -1.5, "lrr": 3}, seed="x")
    done = sweep("validate", bad, cwd=tmp_path)
    assert done.returncode == 2
    for key in ("run_cpa", "epochs", "lrr", "seed"):
        assert re.search(rf"toy\.yaml:\d+: .*{key}", done.stderr), done.stderr


def test_new_writes_a_study_that_validates_and_runs(tmp_path: Path) -> None:
    words = ("--data", "digits", "--search", "optimizer.lr=log:1e-3..1e-1", "--search", "augment.crop=[0,1]",
             "--toggle", "relu", "--budget", "5M", "--trials", "6")  # fmt: skip
    made = sweep("new", "mine", *words, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == "Next: sweep plan studies/mine.yaml, then sweep run studies/mine.yaml"
    checked = sweep("validate", "studies/mine.yaml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    text = (tmp_path / "studies" / "mine.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    again = sweep("new", "mine", *words, cwd=tmp_path)
    assert again.returncode == 2
    assert (tmp_path / "studies" / "mine.yaml").read_text() == text


def test_schema_is_json_with_the_recipe(tmp_path: Path) -> None:
    content = json.loads(sweep("schema", cwd=tmp_path).stdout)
    assert "zero_init" in json.dumps(content)
    assert sweep("schema", "--out", tmp_path / "s.json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "s.json").read_text()) == content


def test_toggles_lists_the_parts(tmp_path: Path) -> None:
    rows = [line.split() for line in sweep("toggles", cwd=tmp_path).stdout.splitlines()]
    assert ["relu", 'model.activation="identity"'] in rows
    assert json.loads(sweep("toggles", "--json", cwd=tmp_path).stdout)["relu"] == {"model.activation": "identity"}


@pytest.mark.parametrize("module", ["typer", "optuna"])
def test_signal_while_libraries_are_imported_is_resumable_and_loses_nothing(tmp_path: Path, module: str) -> None:
    code = (
        "import os, signal, sys\nfrom sweeps.cli import main\nclass Finder:\n"
        "    def find_spec(self, name, *others):\n"
        f"        if name == {module!r}:\n            os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Finder())\nsys.argv = ['sweep', 'run', 'toy.yaml', '--runner', 'inline']\nmain()"
    )
    write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean({}), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 75, done.stderr
    assert done.stderr == "stopped by SIGTERM; run the same command again to go on\n"
    assert listing(tmp_path) == ["toy.yaml"]


def test_study_goes_on_without_its_terminal(tmp_path: Path) -> None:
    words = ("run", write(tmp_path, run_cap=2, baseline={"wait_for": "go"}), "--runner", "inline", "--data-dir", "data")
    with subprocess.Popen(
        command(*words), cwd=tmp_path, env=clean({}), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as `nohup` does
    ) as driver:  # fmt: skip
        assert driver.stderr is not None
        assert driver.stdout is not None
        assert driver.stderr.readline() == "search: 2 runs\n"
        driver.stderr.close()
        driver.stdout.close()
        driver.send_signal(signal.SIGHUP)
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / "go").touch()
        assert driver.wait(120) == 0
    assert open_results(tmp_path / "runs", "toy").counted == 2


def test_runner_that_does_not_come_up_is_tried_again_and_then_resumable(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom sweeps.cli import main\nfrom sweeps.runners import startup\n"
        "def start(*_):\n    raise startup.RunnerLost('Ray did not start: the machine is busy')\n"
        "startup.RUNNERS['ray'] = start\nsys.argv = ['sweep', 'run', 'toy.yaml']\nmain()"
    )
    write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean({}), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 75, done.stderr
    assert done.stderr.splitlines() == [
        "Ray did not start: the machine is busy; trying once more",
        "error: Ray did not start: the machine is busy; run the same command again to go on",
    ]
    assert listing(tmp_path) == ["toy.yaml"]


def test_interrupted_inline_run_resumes(tmp_path: Path) -> None:
    words = ("run", write(tmp_path, run_cap=3, baseline={"wait_for": "go"}), "--runner", "inline", "--data-dir", "data")
    driver = subprocess.Popen(command(*words), cwd=tmp_path, env=clean({}), stderr=subprocess.PIPE, text=True)
    try:
        assert driver.stderr is not None
        assert driver.stderr.readline() == "search: 3 runs\n"
        assert "trial 0 starts" in driver.stderr.readline()
        driver.send_signal(signal.SIGINT)
        assert "SIGINT: no new trials" in driver.stderr.readline()
        sent = 0
        while driver.poll() is None:  # a repeat within a second belongs to the first; then one does not wait any more
            driver.send_signal(signal.SIGINT)
            sent += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(0.05)
        assert sent > 1
        assert driver.communicate(timeout=60)[1] == "stopped at once; run the same command again to go on\n"
        assert driver.returncode == 130
    finally:
        driver.kill()
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "go").touch()
    assert sweep(*words, cwd=tmp_path).returncode == 0
    assert len(acknowledged(tmp_path)) == 3 * 4


def test_spent_budget_is_reported_and_a_larger_one_completes_the_study(tmp_path: Path) -> None:
    spent = run(tmp_path, run_cap=3, budget={"gpu_hours": 1e-9})
    assert spent.returncode == 75, spent.stderr
    assert "stopped: the stage search has no budget left for another run (budget.gpu_hours is 1e-09" in spent.stderr
    assert "The stage search ended at its share of the budget; not all of its runs were made." in spent.stdout
    done = run(tmp_path, run_cap=3, budget={"gpu_hours": 1})
    assert done.returncode == 0, done.stderr
    assert sorted(acknowledged(tmp_path)) == [(number, epoch) for number in range(3) for epoch in range(1, 5)]


FINAL = {"run_cap": 2, "final": {"seeds": 2}}


def test_final_opens_the_test_set_once_and_again_only_with_open_again(tmp_path: Path) -> None:
    assert run(tmp_path, "--stage", "search", **FINAL).returncode == 0
    assert not (tmp_path / "runs" / ".openings.json").exists()
    options = ("--runner", "inline", "--data-dir", tmp_path / "data")
    done = sweep("final", "toy", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "On the sealed test set the incumbent reaches" in done.stdout
    assert "This test set has been opened once, by this study." in done.stdout
    trained = acknowledged(tmp_path)
    grown = {**FINAL, "final": {"seeds": 3}}
    refused = run(tmp_path, "--stage", "final", **grown)
    assert refused.returncode == 2
    assert "1 further run would open it again; use --open-again (open_again=True) to allow it" in refused.stderr
    assert acknowledged(tmp_path) == trained
    again = run(tmp_path, "--stage", "final", "--open-again", **grown)
    assert again.returncode == 0, again.stderr
    assert "This test set has been opened twice, by this study." in again.stdout


def test_too_few_seeds_for_the_sign_flip_check_are_a_warning(tmp_path: Path) -> None:
    rule = {"baseline": "given", "components": ["relu"], "seeds": 2}
    done = run(tmp_path, parameters={}, run_cap=0, ablation=rule)
    assert done.returncode == 0, done.stderr
    assert "warning: ablation: with 2 seeds the exact sign-flip check cannot confirm any difference" in done.stderr
    assert "6 seeds or more are needed" in done.stderr


def test_result_cache_takes_runs_of_another_study_and_studies_compare(finished: Path) -> None:
    trained = len(acknowledged(finished))
    taken = run(finished, run_cap=3, name="second")
    assert "trial 0 complete after epoch 4" in taken.stderr
    assert "(taken from toy/search/0)" in taken.stderr
    assert len(acknowledged(finished)) == trained
    assert run(finished, "--no-cache", run_cap=3, name="third").returncode == 0
    assert len(acknowledged(finished)) == 2 * trained
    done = sweep("compare", "toy", "second", cwd=finished)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Comparison: reports/toy-vs-second/compare.html"
    assert (finished / "reports" / "toy-vs-second" / "compare.html").exists()


def test_plan_prints_the_runs_of_a_study_and_runs_nothing(tmp_path: Path) -> None:
    words = ("plan", write(tmp_path, ablation=ABLATION), "--no-probe", "--data-dir", tmp_path / "data")
    before = listing(tmp_path)
    shown = sweep(*words, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "6 trials + 12 ablation runs" in shown.stdout
    content = json.loads(sweep(*words, "--json", cwd=tmp_path).stdout)
    assert [(stage["name"], stage["runs"]["likely"]) for stage in content["stages"]] == [
        ("search", 6),
        ("ablation", 12),
    ]
    assert listing(tmp_path) == before
