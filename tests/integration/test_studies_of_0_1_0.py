"""A studies folder that version 0.1.0 left behind is read, continued and reported by the same commands.

`tests/fixtures/studies_of_0_1_0` was made at the last commit before the packages were laid out anew: `whole` ran to its
end, `interrupted` was stopped by SIGTERM in its search, `digits` is one of the workload `cifar_sweep`. The workload
`hill` appends every epoch that it trains to `data/trained.txt`.
"""

from __future__ import annotations

import csv
import json
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests.sweeps.support import ROOT, sweep

FIXTURE = ROOT / "tests" / "fixtures" / "studies_of_0_1_0"
FOLDERS = ("--runs-dir", "studies", "--reports-dir", "reports", "--data-dir", "data")
# Tables whose content depends on the day and on the machine.
DATED = {"provenance.csv", "openings.csv"}
# What is no longer claimed: an interval from two runs, one of three equal differences of unknown resolution, and that
# the test figures of final were measured on validation data.
LAPSED = {
    "ablation.csv": {"difference low", "difference high"},
    "ablation_checks.csv": {"simultaneous interval low", "simultaneous interval high", "detectable difference"},
    "confirmed.csv": {"confirmed low", "confirmed high", "test low", "test high"},
    "replicates.csv": {"val_accuracy"},
    "test.csv": {"test low", "test high"},
}
RULES_OF_0_1_0 = ("method=tpe", "early_terminate.mode=stop")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the fixture, whose studies were begun with the libraries of this machine."""
    copy = tmp_path / "project"
    shutil.copytree(FIXTURE, copy)
    for file in copy.glob("studies/*/environment.json"):
        environment = json.loads(file.read_text())
        environment["versions"] = {name: _version(name) for name in environment["versions"]}
        file.write_text(json.dumps(environment))
    return copy


def _version(name: str) -> str:
    return platform.python_version() if name == "python" else metadata.version(name)


def run(folder: Path, *words: str) -> Any:
    """The JSON that `sweep` prints; the command must succeed."""
    done = sweep(*words, "--json", cwd=folder, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def records(folder: Path, study: str) -> dict[str, bytes]:
    """The record of every trial that has ended, by its place."""
    return {
        str(file.relative_to(folder)): file.read_bytes() for file in folder.glob(f"studies/{study}/*/*/record.json")
    }


def trained(folder: Path) -> list[str]:
    """The epochs that the workload has trained since."""
    file = folder / "data" / "trained.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_whole_study_is_read_and_nothing_of_it_is_trained_again(folder: Path) -> None:
    before = records(folder, "whole")
    assert run(folder, "status", "whole", "--runs-dir", "studies")["counted"] == 6
    assert (
        run(folder, "show", "whole", "0", "--runs-dir", "studies")["value"]
        == json.loads(before["studies/whole/trials/0000/record.json"])["value"]
    )
    assert run(folder, "run", "whole.yaml", "--runner", "inline", *FOLDERS)["complete"]
    assert not trained(folder)
    assert records(folder, "whole") == before


def test_report_has_the_tables_that_it_had(folder: Path) -> None:
    done = sweep("report", "whole", *FOLDERS[:4], cwd=folder)
    assert done.returncode == 0, done.stderr
    tables = folder / "reports" / "whole" / "tables"
    expected = sorted(file.name for file in (FIXTURE / "reports_then" / "whole").glob("*.csv"))
    assert set(expected) <= {file.name for file in tables.glob("*.csv")}
    for name in set(expected) - DATED:
        then, now = (_rows(place / name) for place in (FIXTURE / "reports_then" / "whole", tables))
        if name in LAPSED:
            columns = [column for column in then[0] if column not in LAPSED[name]]
            kept = [[row[rows[0].index(column)] for column in columns] for rows in (then, now) for row in rows[1:]]
            assert kept[: len(then) - 1] == kept[len(then) - 1 :], name
        else:
            width = len(then[0])  # columns that came since stand to the right
            assert then[1:] == [row[:width] for row in now[1:]], name


def _rows(file: Path) -> list[list[str]]:
    return list(csv.reader(file.read_text().splitlines()))


def test_grown_study_trains_only_what_is_new(folder: Path) -> None:
    before = records(folder, "whole")
    assert run(folder, "run", "whole.yaml", "--runner", "inline", "--set", "ablation.seeds=4", *FOLDERS)["complete"]
    assert {line.split()[0] for line in trained(folder)} == {"ablation/0006", "ablation/0007"}
    assert records(folder, "whole").items() > before.items()


def test_interrupted_study_continues_from_its_checkpoint_as_if_it_had_not_been_interrupted(folder: Path) -> None:
    before = records(folder, "interrupted")
    assert run(folder, "resume", "interrupted", "--runner", "inline", *FOLDERS)["complete"]
    assert records(folder, "interrupted").items() > before.items()
    epochs = trained(folder)
    assert epochs[0] == "trials/0005 3", "the trial that was stopped after epoch 2 goes on with epoch 3"
    assert len(epochs) == len(set(epochs))
    ended = {place.split("/")[-3] + "/" + place.split("/")[-2] for place in before}
    assert not {line.split()[0] for line in epochs} & ended, "no trial that had ended is trained"

    shutil.rmtree(folder / "studies")
    # A study that begins now proposes otherwise and pauses its trials, unless its file says the rules of then.
    rules = [part for rule in RULES_OF_0_1_0 for part in ("--set", rule)]
    assert run(folder, "run", "interrupted.yaml", "--runner", "inline", *rules, *FOLDERS)["complete"]
    unbroken = {place: json.loads(record) for place, record in records(folder, "interrupted").items()}
    for place, record in before.items():
        assert unbroken[place]["curve"] == json.loads(record)["curve"], place


def test_study_of_the_image_workload_grows_without_drift(folder: Path) -> None:
    before = records(folder, "digits")
    assert run(folder, "run", "digits.yaml", "--runner", "inline", "--set", "run_cap=3", *FOLDERS)["complete"]
    after = records(folder, "digits")
    assert after.items() > before.items()
    assert "studies/digits/trials/0002/record.json" in after.keys() - before.keys()
