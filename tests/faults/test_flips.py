"""Flipped bits and lost files: damage is refused or repaired, never shown as a result."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.references import find
from sweeps.engine.repair import in_words, repair
from sweeps.io.errors import Unavailable, UserError
from sweeps.storage.integrity import Damaged
from sweeps.storage.results import Results
from sweeps.storage.runs import NotFound, open_results
from sweeps.trial.trial import Status
from tests.sweeps.support import ASHA, Events, Interrupting, acknowledged, run_inline, toy_study

FLIPS = 30
WHOLE: dict[str, Any] = {
    "run_cap": 6,
    "early_terminate": ASHA,
    "constraints": ["parameters <= 500"],
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1.0},
        "net.width": {"values": [8, 12, 64]},
        "net.blocks": {"values": [[1, 1], [2, 2]]},
    },
    "ablation": {"components": {"momentum": {"momentum": 0.0}}, "seeds": 2},
    "final": {"seeds": 2},
}
TABLES = {  # columns that hold finished trials and the decisions of stages
    "trials": ("number", "study_id", "state"),
    "trial_params": ("param_name", "param_value", "distribution_json"),
    "trial_values": ("value", "objective"),
    "trial_intermediate_values": ("step", "intermediate_value"),
    "trial_user_attributes": ("key", "value_json"),
    "study_user_attributes": ("key", "value_json"),
    "studies": ("study_name",),
    "study_directions": ("direction",),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a finished study with every stage."""
    folder = tmp_path_factory.mktemp("finished")
    assert run_inline(toy_study(**WHOLE), folder).complete
    return folder


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "runs"))


def facts(results: Results) -> Any:
    """Return a study's trials, their curves, and the arms and facts of its stages."""
    rows = {(trial.stage, trial.number): results.rows(trial.number, trial.stage) for trial in results.everything}
    return results.everything, rows, {name: (stage.arms, stage.facts) for name, stage in results.stages.items()}


def shown(runs: Path) -> Any:
    return facts(open_results(runs, "toy"))


def shown_or_refused(runs: Path) -> Any:
    """Return the study's facts, or the message of the error."""
    try:
        return shown(runs)
    except UserError as error:
        return str(error)


def flip(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def flip_file(path: Path, rng: random.Random) -> None:
    path.write_bytes(flip(path.read_bytes(), rng))


def flip_cell(database: Path, rng: random.Random) -> str:
    """Change one value in the database slightly; return which one."""
    table = rng.choice(list(TABLES))
    column = rng.choice(TABLES[table])
    with closing(sqlite3.connect(database)) as connection, suppress(sqlite3.IntegrityError):
        connection.text_factory = bytes
        row, value, kind = rng.choice(
            connection.execute(f"SELECT rowid, {column}, typeof({column}) FROM {table}").fetchall()
        )
        if kind == b"null":
            return "nothing"
        if kind in (b"integer", b"real"):
            changed: Any = value + 1 if kind == b"integer" else value * (1 + 2.0 ** -rng.randrange(1, 50))
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (changed, row))
        else:
            text = "CAST(? AS TEXT)"
            connection.execute(f"UPDATE {table} SET {column} = {text} WHERE rowid = ?", (flip(value, rng), row))
        connection.commit()
    return f"{table}.{column}, row {row}"


def test_flipped_value_of_the_database_is_refused_or_changes_nothing(finished: Path, tmp_path: Path) -> None:
    expected, refused = shown(finished), 0
    for seed in range(FLIPS):
        runs = Path(shutil.copytree(finished, tmp_path / str(seed)))
        where = flip_cell(runs / "toy" / "study.db", random.Random(seed))
        outcome = shown_or_refused(runs)
        assert outcome == expected or "sweep repair toy" in outcome, where
        refused += outcome != expected
        shutil.rmtree(runs)
    assert refused >= FLIPS // 2


def test_flipped_byte_of_the_database_file_is_refused_or_changes_nothing(finished: Path, tmp_path: Path) -> None:
    expected = shown(finished)
    for seed in range(FLIPS):
        runs = Path(shutil.copytree(finished, tmp_path / str(seed)))
        flip_file(runs / "toy" / "study.db", random.Random(seed))
        outcome = shown_or_refused(runs)
        assert outcome == expected or isinstance(outcome, str), seed
        shutil.rmtree(runs)


def test_flipped_bit_of_a_record_or_a_file_it_hashes_is_refused(runs: Path) -> None:
    patterns = ("*/*/record.json", "*/*/curves.csv", "*/*/recipe.yaml", "stages/*.json")
    files = [sorted((runs / "toy").glob(pattern)) for pattern in patterns]
    expected = shown(runs)
    for seed in range(FLIPS):
        rng = random.Random(seed)
        file = rng.choice(files[seed % len(patterns)])
        before = file.read_bytes()
        flip_file(file, rng)
        with pytest.raises(Damaged, match="sweep repair toy"):
            shown(runs)
        file.write_bytes(before)
    assert shown(runs) == expected


def test_repair_restores_the_study_from_its_records(runs: Path) -> None:
    expected = shown(runs)
    (runs / "toy" / "study.db").write_bytes(b"not a database" * 99)
    done = repair(runs, "toy")
    assert done is not None
    assert not done.lost
    assert "Nothing was lost." in in_words(done)
    assert (runs / "toy" / "study.db.damaged-1").exists()
    assert shown(runs) == expected
    assert repair(runs, "toy") is None
    before = acknowledged(runs)
    assert run_inline(toy_study(**WHOLE), runs).complete
    assert acknowledged(runs) == before  # nothing ran again
    grown = run_inline(toy_study(**{**WHOLE, "run_cap": 9, "final": None}), runs, stage="search").results
    assert grown.counted == 9


def test_sampler_continues_after_a_repair_as_without_damage(finished: Path, tmp_path: Path) -> None:
    grown = toy_study(**{**WHOLE, "run_cap": 12})
    whole = Path(shutil.copytree(finished, tmp_path / "whole"))
    repaired = Path(shutil.copytree(finished, tmp_path / "repaired"))
    (repaired / "toy" / "study.db").unlink()
    assert repair(repaired, "toy") is not None
    uninterrupted, after_repair = (run_inline(grown, runs, stage="search").results.trials for runs in (whole, repaired))
    assert [(trial.status, trial.parameters, trial.curve) for trial in after_repair] == [
        (trial.status, trial.parameters, trial.curve) for trial in uninterrupted
    ]


def test_repair_lists_lost_trials_and_the_next_run_repeats_them(runs: Path) -> None:
    before = open_results(runs, "toy")
    flip_file(runs / "toy" / "trials" / "0002" / "record.json", random.Random(0))
    flip_file(runs / "toy" / "ablation" / "0001" / "curves.csv", random.Random(0))
    done = repair(runs, "toy")
    assert done is not None
    assert [line.partition(":")[0] for line in done.lost] == ["search 2", "ablation 1"]
    assert (runs / "toy" / "trials" / "0002" / "record.json.damaged-1").exists()
    after = run_inline(toy_study(**WHOLE), runs, open_again=True).results
    kept = {(trial.stage, trial.number): trial for trial in before.everything}
    for trial in after.everything:
        if (trial.stage, trial.number) in kept and trial.status is not Status.ABANDONED:
            assert trial == kept[trial.stage, trial.number]
    assert after.counted == 6
    arms = after.stages["ablation"].arms
    assert all(sorted(after.stages["ablation"].replicates(arm)) == [0, 1] for arm in arms)


def test_repair_without_environment_file_keeps_the_opening_of_the_test_set(runs: Path) -> None:
    (runs / "toy" / "environment.json").write_text("{")
    done = repair(runs, "toy")
    assert done is not None
    assert "environment.json" in done.lost[0]
    with pytest.raises(UserError, match="--open-again"):
        run_inline(toy_study(**{**WHOLE, "final": {"seeds": 3}}), runs)


def test_repair_without_a_study_file_says_what_to_do(runs: Path) -> None:
    (runs / "toy" / "study.yaml").write_text("name: [")
    with pytest.raises(Damaged, match=r"put the one that\s+the study was run with back as .*study\.yaml"):
        repair(runs, "toy")


def test_repair_of_unknown_study_lists_the_known_ones(runs: Path) -> None:
    with pytest.raises(NotFound, match=r"^no study 'nope' in .*; there are: toy$"):
        repair(runs, "nope")


# -- checkpoints ------------------------------------------------------------------------------------------------------

ONE: dict[str, Any] = {"run_cap": 1, "baseline": {"epochs": 6, "lr": 0.1}, "method": "random"}


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a study interrupted after five of six epochs, with two checkpoints."""
    folder = tmp_path_factory.mktemp("interrupted")
    with suppress(KeyboardInterrupt):
        run_inline(toy_study(**ONE), folder, Interrupting(5))
    assert len(list((folder / "toy/trials/0000/checkpoint").iterdir())) == 2
    return folder


def copies(folder: Path, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    for seed in range(FLIPS):
        yield seed, Path(shutil.copytree(folder, tmp_path / str(seed)))


def test_flipped_checkpoint_falls_back_to_the_previous_one_with_the_same_curve(
    interrupted: Path, tmp_path: Path
) -> None:
    uninterrupted = run_inline(toy_study(**ONE), tmp_path / "straight").results.trials[0].curve
    for seed, runs in copies(interrupted, tmp_path):
        rng = random.Random(seed)
        saved = sorted((runs / "toy/trials/0000/checkpoint").iterdir())[-1]
        flip_file(rng.choice(sorted(file for file in saved.iterdir() if file.is_file())), rng)
        events = Events()
        results = run_inline(toy_study(**ONE), runs, events).results
        assert results.trials[0].curve == uninterrupted
        message = f"the checkpoint of epoch {int(saved.name)} fails its SHA-256; continuing from epoch"
        assert any(message in note for note in events.notes), (seed, events.notes)
        assert message in (runs / "toy/trials/0000/log.txt").read_text()


def test_truncated_checkpoints_restart_the_trial(interrupted: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(interrupted, tmp_path / "runs"))
    for file in (runs / "toy/trials/0000/checkpoint").glob("*/state.json"):
        file.write_bytes(file.read_bytes()[:5])
    uninterrupted = run_inline(toy_study(**ONE), tmp_path / "straight").results.trials[0].curve
    assert run_inline(toy_study(**ONE), runs).results.trials[0].curve == uninterrupted


def test_flipped_model_of_a_finished_trial_is_unavailable(runs: Path) -> None:
    trial = open_results(runs, "toy").ranked()[0].number
    checkpoint = CheckpointFolder(runs / f"toy/trials/{trial:04d}/checkpoint").newest()
    assert checkpoint is not None
    assert find(runs, f"toy:{trial}").folder == checkpoint
    flip_file(checkpoint / "state.json", random.Random(0))
    with pytest.raises(Unavailable, match="no intact checkpoint"):
        find(runs, f"toy:{trial}")


def test_model_damaged_before_the_opening_is_trained_again_and_measured(tmp_path: Path) -> None:
    settings = {"parameters": {}, "run_cap": 0, "baseline": {"epochs": 3}, "final": {"seeds": 2}}
    uninterrupted = run_inline(toy_study(**settings), tmp_path / "straight").results.stages["final"].trials
    with suppress(KeyboardInterrupt):
        run_inline(toy_study(**settings), tmp_path / "broken", Interrupting(5))  # the second model is in training
    saved = sorted((tmp_path / "broken/toy/final/0000/checkpoint").iterdir())[-1]
    flip_file(saved / "state.json", random.Random(0))
    after_repair = run_inline(toy_study(**settings), tmp_path / "broken").results.stages["final"].trials
    assert [trial.metrics for trial in after_repair] == [trial.metrics for trial in uninterrupted]
