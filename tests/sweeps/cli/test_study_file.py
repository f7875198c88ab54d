"""The study file that a word of the command line stands for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sweeps.cli.app import app
from sweeps.cli.study_file import study_file
from sweeps.study.problems import StudyError
from tests.sweeps.support import toy_text

RUNS = Path("runs")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(path: str) -> Path:
    """Write a toy study file."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(toy_text())
    return file


def recorded(name: str, *commands: str) -> None:
    """Leave what a study that was run by these commands has in the runs folder, as far as it matters here."""
    written(f"runs/{name}/study.yaml")
    environment = {"commands": [{"at": "2026-01-01T00:00:00+00:00", "command": command} for command in commands]}
    Path(f"runs/{name}/environment.json").write_text(json.dumps(environment))


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def refusal(word: str) -> str:
    with pytest.raises(StudyError) as error:
        study_file(Path(word), RUNS)
    return str(error.value)


def test_path_is_taken_as_it_is() -> None:
    written("studies/a.yaml")
    assert study_file(written("a"), RUNS) == Path("a")
    assert study_file(written("elsewhere/a.yml"), RUNS) == Path("elsewhere/a.yml")


def test_name_is_the_file_in_studies_before_the_one_at_hand() -> None:
    written("a.yaml")
    assert study_file(Path("a"), RUNS) == Path("a.yaml")
    written("studies/a.yml")
    assert study_file(Path("a"), RUNS) == Path("studies/a.yml")
    Path("a").mkdir()  # a folder of the name does not hide the file
    assert study_file(Path("a"), RUNS) == Path("studies/a.yml")


def test_name_of_a_run_is_the_file_of_its_last_run_that_is_still_there() -> None:
    written("my files/first.yaml")
    recorded("a", "sweep run 'my files/first.yaml' --set epochs=1", "sweep run gone.yaml", "sweep resume a")
    assert study_file(Path("a"), RUNS) == Path("my files/first.yaml")


@pytest.mark.parametrize("text", ["", "[]", '{"commands": [{"at": 1}]}', '{"commands": [{"command": "sweep \'"}]}'])
def test_run_whose_file_is_not_known_is_to_be_resumed(text: str) -> None:
    recorded("a")
    Path("runs/a/environment.json").write_text(text)
    assert refusal("a") == (
        "a: no study file studies/a.yaml or a.yaml; runs has a study of this name: `sweep resume a` goes on with it"
    )


def test_unknown_name_is_refused_with_what_there_is() -> None:
    assert refusal("quikstart") == "quikstart: no such file; `sweep new NAME` writes a study file"
    written("studies/quickstart.yaml")
    recorded("other")
    assert refusal("quikstart") == (
        "quikstart: no such file; did you mean quickstart? studies has quickstart.yaml; "
        "runs has other: `sweep resume NAME` goes on with one; `sweep new NAME` writes a study file"
    )
    assert refusal("studies/quick.yaml").startswith("studies/quick.yaml: no such file; did you mean quickstart? ")
    for number in range(9):
        written(f"studies/s{number}.yaml")
    assert "s6.yaml, … (10 in all); " in refusal("nothing")


def test_folder_is_left_to_the_reader_of_the_file() -> None:
    written("studies/a.yaml")
    refused = invoke("validate", "studies")
    assert "studies: is a folder; name a study file in it" in str(refused.exception)


def test_commands_that_take_a_study_file_take_its_name() -> None:
    written("studies/toy.yaml")
    assert invoke("validate", "toy").stdout.startswith("ok: studies/toy.yaml: ")
    planned = invoke("plan", "toy", "--no-probe", "--data-dir", "data", "--json")
    assert planned.exit_code == 0, planned.exception
    done = invoke("run", "toy", "--runner", "inline", "--data-dir", "data", "--set", "run_cap=1", "--quiet")
    assert "Best of 1 trial: " in done.stdout
