"""The storage in memory has the same content as Optuna's own storage of the same database."""

from __future__ import annotations

import math
import warnings
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.samplers.tpe import Tpe
from sweeps.storage.database.rdb import CachedRDBStorage

KINDS = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "depth": IntDistribution(1, 9, step=2),
    "norm": CategoricalDistribution(["batch", None, 3, '{"groups": 4}']),
}
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask")),
        st.tuples(st.just("enqueue"), st.floats(1e-4, 1.0)),
        st.tuples(st.just("add"), st.dictionaries(st.integers(1, 5), FLOATS, max_size=3), st.none() | FLOATS),
        st.tuples(st.just("epoch"), st.integers(0, 5), st.integers(1, 4), FLOATS),
        st.tuples(st.just("note"), st.integers(0, 5), st.sampled_from("ab"), PLAIN),
        st.tuples(st.just("limit"), st.integers(0, 5), st.floats(-5, 5)),
        st.tuples(st.just("tell"), st.integers(0, 5), st.sampled_from(["COMPLETE", "PRUNED", "FAIL"])),
        st.tuples(st.just("fail"), st.integers(0, 5)),
    ),
    max_size=14,
)


def opened(path: Path) -> RDBStorage:
    return RDBStorage(f"sqlite:///{path}")


def known(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """Return all attributes of trials in a form that can be compared: NaN as text, mappings sorted."""
    return [
        {name: repr(sorted(value.items(), key=repr) if isinstance(value, dict) else value) for name, value in facts}
        for facts in (vars(trial).items() for trial in trials)
    ]


def do(study: optuna.Study, storage: CachedRDBStorage, step: tuple[Any, ...]) -> None:
    running = [trial for trial in study.get_trials(deepcopy=False) if trial.state is TrialState.RUNNING]
    match step:
        case ("ask",):
            with storage.together():
                study.ask(KINDS)
        case ("enqueue", lr):
            study.enqueue_trial({"lr": lr})
        case ("add", curve, value):
            whole = value is not None and not math.isnan(value)
            state = TrialState.COMPLETE if whole else TrialState.PRUNED
            study.add_trial(create_trial(state=state, value=value if whole else None, intermediate_values=curve))
        case ("epoch", index, epoch, value) if index < len(running):
            storage.set_trial_intermediate_value(running[index]._trial_id, epoch, value)
        case ("note", index, key, value) if index < len(running):
            storage.set_trial_user_attr(running[index]._trial_id, key, value)
        case ("limit", index, violation) if index < len(running):
            optuna.Trial(study, running[index]._trial_id).set_constraint(f"c{violation}", violation)
        case ("tell", index, state) if index < len(running):
            study.tell(running[index].number, 0.5 if state == "COMPLETE" else None, state=TrialState[state])
        case ("fail", index) if index < len(running):
            with suppress(ZeroDivisionError), storage.together():
                storage.set_trial_user_attr(running[index]._trial_id, "lost", 1)
                storage.set_trial_state_values(running[index]._trial_id, TrialState.FAIL)
                _ = 1 / 0


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_memory_is_what_optuna_reads_from_the_database(tmp_path_factory: pytest.TempPathFactory, steps: Any) -> None:
    path = tmp_path_factory.mktemp("storage") / "study.db"
    with closing(CachedRDBStorage(opened(path))) as storage:
        others = optuna.create_study(storage=storage, study_name="others", sampler=RandomSampler(seed=1))
        study = optuna.create_study(storage=storage, study_name="search", sampler=RandomSampler(seed=0))
        for number, step in enumerate(steps):
            do(others if number % 4 == 3 else study, storage, step)
        for each in (study, others):
            kept = known(storage.get_all_trials(each._study_id))
            assert known(opened(path).get_all_trials(each._study_id)) == kept
            storage.refresh()
            assert known(storage.get_all_trials(each._study_id)) == kept


def test_tpe_draws_as_on_optunas_own_storage(tmp_path: Path) -> None:
    def drawn(storage: Any) -> list[dict[str, Any]]:
        study = optuna.create_study(storage=storage, direction="maximize")
        for number in range(25):
            study.sampler = TPESampler(seed=number, n_startup_trials=5, multivariate=True, constant_liar=True)
            trial = study.ask(KINDS)
            trial.report(trial.params["lr"], 1)
            if number % 3:
                study.tell(trial, trial.params["lr"] - (number % 5 == 0))
            elif number % 2:
                study.tell(trial, state=TrialState.PRUNED)
        return [trial.params for trial in study.get_trials()]

    with closing(CachedRDBStorage(opened(tmp_path / "a.db"))) as ours:
        assert drawn(ours) == drawn(opened(tmp_path / "b.db"))


@pytest.mark.parametrize("group", [False, True], ids=["plain", "conditional"])
def test_tpe_that_inherits_draws_as_one_that_reads_everything_anew(tmp_path: Path, group: bool) -> None:
    settings = {"n_startup_trials": 5, "multivariate": True, "constant_liar": True, "group": group}

    def drawn(sampler: Any) -> list[dict[str, Any]]:
        study = optuna.create_study(direction="maximize")
        for number in range(40):
            study.sampler = sampler(study.sampler, number)
            trial = study.ask()
            lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
            if not group or lr > 0.01:
                trial.suggest_categorical("norm", KINDS["norm"].choices)
            trial.report(lr, 1)
            if number % 4:
                study.tell(trial, lr)
            elif number % 8:
                study.tell(trial, state=TrialState.PRUNED)
        return [trial.params for trial in study.get_trials()]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inheriting = drawn(lambda before, number: Tpe(before, seed=number, **settings))
        assert inheriting == drawn(lambda before, number: TPESampler(seed=number, **settings))


def test_what_breaks_within_a_step_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with closing(CachedRDBStorage(opened(path))) as storage:
        study = optuna.create_study(storage=storage, study_name="search")
        study.ask()
        with suppress(ZeroDivisionError), storage.together():
            study.ask(KINDS)
            _ = 1 / 0
        assert [trial.number for trial in study.get_trials()] == [0]
        study.ask(KINDS)
        assert [trial.number for trial in opened(path).get_all_trials(1)] == [0, 1]


def test_reader_beside_a_driver_sees_one_moment_until_it_looks_again(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with closing(CachedRDBStorage(opened(path))) as driver, closing(CachedRDBStorage(opened(path))) as reader:
        study = optuna.create_study(storage=driver, study_name="search")
        study.ask(KINDS)
        assert len(reader.get_all_trials(1)) == 1
        study.ask(KINDS)
        assert len(reader.get_all_trials(1)) == 1
        reader.refresh()
        assert len(reader.get_all_trials(1)) == 2


def test_what_was_handed_out_does_not_change_later(tmp_path: Path) -> None:
    with closing(CachedRDBStorage(opened(tmp_path / "study.db"))) as storage:
        study = optuna.create_study(storage=storage)
        study.ask()
        before = study.get_trials(deepcopy=False)[0]
        storage.set_trial_user_attr(before._trial_id, "key", 1)
        storage.set_trial_intermediate_value(before._trial_id, 1, 0.5)
        study.tell(0, 1.0)
        assert (before.state, before.user_attrs, before.intermediate_values) == (TrialState.RUNNING, {}, {})


def test_trial_that_has_ended_cannot_be_changed(tmp_path: Path) -> None:
    with closing(CachedRDBStorage(opened(tmp_path / "study.db"))) as storage:
        study = optuna.create_study(storage=storage)
        study.tell(study.ask(), 1.0)
        with pytest.raises(UpdateFinishedTrialError):
            storage.set_trial_user_attr(1, "key", 1)
        with pytest.raises(KeyError):
            storage.get_trial(7)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE trials SET number = 5 WHERE number = 1", "not numbered from 0 without gaps"),
        ("DELETE FROM trials WHERE number = 1", "the id 2, but no such trial"),
        ("UPDATE trials SET state = 'DONE'", "DONE"),
        ("UPDATE trial_params SET trial_id = 99 WHERE param_id = 1", "the id 99, but no such trial"),
        ("UPDATE trial_params SET distribution_json = '{'", "Expecting"),
        ("UPDATE trial_intermediate_values SET intermediate_value_type = 'ODD'", "ODD"),
        ("UPDATE trial_intermediate_values SET intermediate_value = NULL", "a finite number is missing"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(tmp_path: Path, damage: str, message: str) -> None:
    path = tmp_path / "study.db"
    with closing(CachedRDBStorage(opened(path))) as storage:
        study = optuna.create_study(storage=storage)
        for _ in range(3):
            study.ask(KINDS).report(0.5, 1)
        with storage.engine.connect() as connection:
            connection.exec_driver_sql(damage)
            connection.commit()
        storage.refresh()
        with pytest.raises((ValueError, LookupError), match=message):
            study.get_trials()
