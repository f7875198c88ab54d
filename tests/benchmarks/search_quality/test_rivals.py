"""Searches of other tools as policies."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from benchmarks.search_quality.__main__ import main
from benchmarks.search_quality.policies import OPTUNA, POLICIES, SMAC, SYNE_TUNE
from benchmarks.search_quality.rivals import remote
from benchmarks.search_quality.rivals.optuna_hyperband import OptunaHyperband
from benchmarks.search_quality.rivals.remote import PYTHON, RIVALS, MissingRival, Remote, Rival, end_servers, require
from benchmarks.search_quality.searches import BUDGETS, MOMENTS, Plan, Records, run, searches
from benchmarks.search_quality.simulator import Task, Trace, simulate
from benchmarks.search_quality.tables import OWN, read_csv
from sweeps.space.space import Numeric, Space

DIGITS = read_csv(OWN / "digits.csv.gz")


def task(seed: int, workers: int = 1) -> Task:
    return Task(DIGITS.space, DIGITS.epochs, workers, 5, seed)


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv(PYTHON, raising=False)
    monkeypatch.setitem(RIVALS, "pairs", Rival("tests.benchmarks.search_quality.pairs_rival", "pairs==1"))
    yield "pairs"
    end_servers()
    del remote._idle["pairs"]


def searched(name: str, seed: int) -> Trace:
    policy = Remote(task(seed), name)
    trace = simulate(DIGITS, policy, 20)
    assert policy.outside_cpu_s > 0
    policy.close()
    return trace


def test_rival_in_its_own_process_decides_who_goes_on(pairs: str) -> None:
    trace = searched(pairs, seed=3)
    epochs = Counter(step.trial for step in trace.steps)
    first = {step.trial: step.value for step in trace.steps if step.epoch == 1}
    assert list(first) == [0, 1, 2, 3]
    for pair in ((0, 1), (2, 3)):
        better, worse = sorted(pair, key=lambda trial: -first[trial])
        assert epochs[worse] == 1
        assert epochs[better] == 5  # where `told` ended it, before its job did


def test_one_process_serves_search_after_search_each_by_its_seed(pairs: str) -> None:
    first = searched(pairs, seed=1)
    (server,) = remote._idle[pairs]
    other, again = searched(pairs, seed=2), searched(pairs, seed=1)
    assert remote._idle[pairs] == [server]
    assert first == again != other


def test_rival_that_ends_is_an_error_of_its_search(pairs: str) -> None:
    policy = Remote(task(0), pairs)
    policy._server._process.kill()
    with pytest.raises((RuntimeError, BrokenPipeError)):
        policy.next(0.0)


def test_missing_rival_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, sys.executable)
    monkeypatch.setitem(RIVALS, "absent", Rival("benchmarks.search_quality.rivals.absent", "absent==1"))
    with pytest.raises(MissingRival, match=rf"absent: No module named .*; pip install absent==1, and set {PYTHON}"):
        require("absent")


def test_python_that_is_not_there_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PYTHON, "/no/such/python")
    monkeypatch.setattr(sys, "argv", ["search_quality", "--rivals", "smac"])
    assert main() == 2
    assert capsys.readouterr().err == (
        "smac: No such file or directory in /no/such/python; pip install smac==2.4.1, and set RIVALS_PYTHON to that "
        "python\n"
    )


def test_rivals_take_one_worker_and_plain_dimensions(pairs: str) -> None:
    with pytest.raises(ValueError, match="one worker only, not 8"):
        Remote(task(0, workers=8), pairs)
    logarithmic = Space((Numeric(key="lr", low=0.01, high=1.0, log=True),))
    with pytest.raises(ValueError, match="lr: the rivals take choices and plain numbers"):
        Remote(Task(logarithmic, 27, 1, 5, 0), pairs)


@pytest.mark.parametrize("name", [SMAC, SYNE_TUNE])
def test_slow_rivals_are_not_given_the_largest_budget(name: str) -> None:
    (search,) = searches([DIGITS], [Plan(name, 1, 1)], [5, 10, 20, 40])
    assert search.trainings == POLICIES[name].longest == 20


def test_optuna_hyperband_prunes_on_digits_and_repeats_itself() -> None:
    (search,) = searches([DIGITS], [Plan(OPTUNA, 1, 1)], [5])
    first, again = run(DIGITS, search), run(DIGITS, search)
    assert first["regret"] == again["regret"]
    assert len(first["regret"]) == MOMENTS.index(5) + 1
    assert 0 < first["trained_fully"] < first["trials"]
    assert 0 <= first["regret"][-1] < 1


def test_optuna_is_told_how_each_trial_ended() -> None:
    policy = OptunaHyperband(task(0))
    trace = simulate(DIGITS, policy, 5)
    ended = policy._study.get_trials(states=(optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED))
    last = trace.last()
    for trial in ended:
        assert trial.params == trace.parameters[trial.number]
        assert (trial.state.name == "COMPLETE") == (last[trial.number].epoch == DIGITS.epochs)
        assert trial.intermediate_values[last[trial.number].epoch] == last[trial.number].value
    assert len(last) - len(ended) <= 1  # the one whose next epoch the budget did not reach
    assert {trial.state.name for trial in ended} == {"COMPLETE", "PRUNED"}


def test_rival_need_not_be_there_for_searches_that_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PYTHON, "/no/such/python")
    (search,) = searches([DIGITS], [Plan(SMAC, 1, 1)], BUDGETS)
    outcome = {"regret": [0.25] * (MOMENTS.index(20) + 1), "trials": 1, "trained_fully": 1}
    Records(tmp_path / "kept.jsonl").append(search, {**outcome, "policy_cpu_s": 1, "simulator_cpu_s": 1, "cpu_s": 1})
    arguments = ["--rivals", "smac", "--only", SMAC, "--problem", "digits", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["search_quality", *arguments, "--out", str(tmp_path / "kept")])
    assert main() == 0
    assert "0.250" in capsys.readouterr().out
