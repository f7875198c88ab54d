"""What a person sees while a study runs: a live view on a terminal, one line per event elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sweeps.engine.progress import Progress
from sweeps.storage.results import Results, StageResults
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import PROMOTING, command, toy_study, toy_text
from tests.sweeps.terminal import on_a_terminal


def test_off_a_terminal_every_event_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(toy_study(), None, 4, percentages=["accuracy"]) as progress:
        progress.on_start("search", 3, "lr=0.1", 0)
        progress.on_epoch("search", 3, 1, {"val_accuracy": 50.0})
        progress.on_end(Trial(3, "search", Status.COMPLETE, {"lr": 0.1}, 61.5, {1: 61.5}))
        progress.on_end(Trial(4, "search", Status.REJECTED, {}, reason="[bold]too large[/bold]"))
        progress.on_start("search", 5, "lr=0.2", 2)
    assert capfd.readouterr().err.splitlines() == [
        "trial 3 starts: lr=0.1",
        "trial 3 complete after epoch 1: validation accuracy 61.50 %",
        "trial 4 rejected: [bold]too large[/bold]",
        "trial 5 goes on after epoch 2: lr=0.2",
    ]


def test_quiet_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(toy_study(), None, 4, quiet=True) as progress:
        progress.on_start("search", 0, "", 0)
        progress.on_interrupt("SIGTERM")
    assert capfd.readouterr().err == ""


def test_on_a_terminal_a_live_view_shows_progress_best_and_time(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(
        toy_text(run_cap=30, early_terminate=PROMOTING, constraints=["parameters <= 500"])
    )
    seen = on_a_terminal(command("run", "toy.yaml", "--runner", "inline", "--data-dir", "data"), tmp_path)
    assert "search · random · Does the toy learn?" in seen
    assert re.search(r"\d+/30 trials begun", seen)
    assert re.search(r"\d+ running · \d+ paused", seen)
    assert re.search(r"epoch 1: \d+ · 2: \d+ · to the end: [1-9]", seen)
    assert re.search(r"best of the search: validation accuracy \d+\.\d\d %\s+trial \d+, one run", seen)
    assert re.search(r"so far · \S+ m?s of CPU time · about \d+(\.\d)? s until its last new trial", seen)
    assert "trial 0 starts" not in seen


@pytest.mark.parametrize(("goal", "best"), [("maximize", "90.00"), ("minimize", "20.00")])
def test_best_so_far_follows_the_goal(goal: str, best: str) -> None:
    study = toy_study(metric={"name": "val_accuracy", "goal": goal})
    progress = Progress(study, None, 4, percentages=["accuracy"])
    for number, value in enumerate((50.0, 90.0, 20.0)):
        progress.on_end(Trial(number, "search", Status.COMPLETE, {}, value, {1: value}))
    assert best in progress._best().plain


def test_replicate_that_is_run_again_counts_once(capfd: pytest.CaptureFixture[str]) -> None:
    runs = [Trial(number, "confirm", Status.COMPLETE, {}, variant="trial 0", replicate=number) for number in range(4)]
    runs[1], runs[2] = (replace(runs[1], status=Status.FAILED), replace(runs[2], status=Status.RUNNING))
    previous = Results(toy_study(), (), {}, Path(), {"confirm": StageResults("confirm", (), tuple(runs))})
    with Progress(toy_study(), previous, 4) as progress:
        progress.on_stage("confirm", 4)
        assert "2/4 runs" in shown(progress)
        progress.on_end(replace(runs[1], number=4, status=Status.OUT_OF_MEMORY))
        progress.on_end(replace(runs[2], status=Status.FAILED))
        assert "4/4 runs" in shown(progress)
    assert capfd.readouterr().err.startswith("confirm: 4 runs\n")


def shown(progress: Progress) -> str:
    """The progress bar as text."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(progress._bar())
    return capture.get()


def paused(number: int, epoch: int) -> Trial:
    """A trial that an earlier start left paused after an epoch."""
    decision = {"order": number, "from": 0, "until": epoch, "why": "new"}
    return Trial(number, "search", Status.RUNNING, {}, curve={epoch: 50.0}, decisions=(decision,))


def test_paused_trials_are_counted_by_themselves_and_once(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(toy_study(), None, 4, percentages=["accuracy"]) as progress:
        progress.on_stage("search", 6)
        for number in range(3):
            progress.on_start("search", number, f"lr=0.{number}", 0)
        for number in range(2):
            progress.on_epoch("search", number, 1, {"val_accuracy": 50.0})
            progress.on_pause("search", number, 1)
        assert progress._tally() == "1 running · 2 paused"
        progress.on_start("search", 0, "lr=0.0", 1)
        assert progress._tally() == "2 running · 1 paused"
        progress.on_end(Trial(1, "search", Status.PRUNED, {}, curve={1: 50.0}))
        assert progress._tally() == "2 running · 1 pruned"
    lines = capfd.readouterr().err.splitlines()
    assert lines[4] == "trial 0 pauses after epoch 1: validation accuracy 50.00 %"
    assert lines[6] == "trial 0 goes on after epoch 1: lr=0.0"


def test_view_shows_how_many_trials_have_reached_each_rung() -> None:
    previous = Results(toy_study(), (paused(0, 1), paused(1, 2)), {}, Path())
    progress = Progress(toy_study(), previous, 4, quiet=True)
    progress.on_stage("search", 6)
    progress.on_start("search", 2, "", 0)
    progress.on_end(Trial(3, "search", Status.COMPLETE, {}, 60.0, {4: 60.0}))
    progress.on_end(Trial(4, "search", Status.REJECTED, {}))
    assert progress._tally() == "1 running · 2 paused · 1 complete · 1 rejected"
    assert [line.plain for line in progress._ladder()] == ["epoch 1: 3 · 2: 2 · to the end: 1"]
    assert "4/6 trials begun" in shown(progress)


def test_time_left_is_that_until_the_last_new_trial_where_trials_pause() -> None:
    progress = Progress(toy_study(), None, 4, quiet=True)
    progress.on_stage("search", 2)
    progress.on_start("search", 0, "", 0)
    progress.on_pause("search", 0, 1)
    assert progress._time().endswith("until its last new trial")
    progress.on_start("search", 1, "", 0)
    assert "about" not in progress._time()


def test_without_pauses_there_is_no_ladder() -> None:
    progress = Progress(toy_study(), None, 4, quiet=True)
    progress.on_stage("search", 2)
    progress.on_start("search", 0, "", 0)
    assert progress._ladder() == []
    assert "0/2 trials" in shown(progress)


def test_search_that_only_trainings_limit_shows_how_many_are_used(capfd: pytest.CaptureFixture[str]) -> None:
    study = toy_study(run_cap=0, budget={"trainings": 20})
    with Progress(study, None, 4) as progress:
        progress.on_stage("search", None)
        progress.on_trainings(0.0, 20.0)
        progress.on_end(Trial(0, "search", Status.COMPLETE, {}, 50.0, {4: 50.0}))
        progress.on_trainings(1.25, 20.0)
        assert "1 trial, 1.2 of 20 trainings" in shown(progress)
        assert re.search(r"about .* left of this stage", progress._time())
        progress.on_stage("confirm", 4)
        assert "0/4 runs" in shown(progress)
    assert capfd.readouterr().err.splitlines()[0] == "search: 20 trainings"


def test_bar_follows_whichever_limit_ends_the_search_first() -> None:
    progress = Progress(toy_study(run_cap=10, budget={"trainings": 20}), None, 4, quiet=True)
    progress.on_stage("search", 10)
    progress.on_trainings(15.0, 20.0)
    assert progress._share_done() == (15.0, 20.0)
    assert "0/10 trials, 15 of 20 trainings" in shown(progress)
    progress.on_trainings(0.0, 20.0)
    progress.on_end(Trial(0, "search", Status.COMPLETE, {}, 50.0, {4: 50.0}))
    assert progress._share_done() == (1.0, 10.0)
