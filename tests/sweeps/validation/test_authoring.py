from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.study.document import from_text
from sweeps.study.study import Study, StudyError, parse
from sweeps.validation.authoring import SCHEMA_FILE, extend, schema_text
from sweeps.validation.checks import accept
from sweeps.validation.draft.choices import Choices
from sweeps.validation.draft.compose import compose
from sweeps.validation.draft.write import write_new
from tests.sweeps.recipes import workload

COUNTED = "tests.sweeps.recipes:counted_blobs"
BASE = """\
name: x
question: Which?
workload: tests.sweeps.recipes:blobs
metric: {name: val_accuracy, goal: maximize}
run_cap: 8
constraints: [macs <= 1G, parameters <= 9M]
parameters:
  optimizer: {parameters: {lr: {min: 0.1, max: 0.5}}}
toggles: [relu]
"""


def composed(*search: str, **options: Any) -> tuple[str, Study]:
    choices = Choices(**{"name": "mine", "data": "blobs", "search": search or None, "trials": 12, **options})
    text = compose(choices, workload(COUNTED)).text
    return text, accept(from_text(text, "mine.yaml"))[0]


def report(*search: str, **options: Any) -> str:
    with pytest.raises(StudyError) as caught:
        composed(*search, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("word", "spec"),
    [
        ("optimizer.lr=log:1e-4..1e-1", {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1}),
        ("optimizer.lr=0.1..0.9", {"min": 0.1, "max": 0.9}),
        ("optimizer.lr=.1..1.", {"min": 0.1, "max": 1.0}),
        ("batch_size=32..256", {"min": 32, "max": 256}),
        ("batch_size=log:32..256", {"distribution": "q_log_uniform_values", "q": 1, "min": 32, "max": 256}),
        ("model.widths=[[8, 8], [16, 16]]", {"values": ([8, 8], [16, 16])}),
        ("optimizer.name=[sgd, adam]", {"values": ("sgd", "adam")}),
        ("batch_size={min: 8, max: 64, q: 8, distribution: q_uniform}", {"min": 8, "max": 64, "q": 8}),
    ],
)
def test_a_search_word_means_a_parameter(word: str, spec: dict[str, Any]) -> None:
    _, study = composed(word)
    parameter = study.parameters[word.partition("=")[0]]
    assert {name: getattr(parameter, name) for name in spec} == spec
    assert all(type(getattr(parameter, name)) is type(value) for name, value in spec.items())


def test_a_composed_study_is_commented_and_complete() -> None:
    text, study = composed("optimizer.lr=log:1e-4..1e-1", toggles=("relu",), budget="5M", trials=12)
    lines = text.splitlines()
    assert lines[0] == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    sections = {line.partition(":")[0] for line in lines if line[:1].isalpha()}
    assert sections == {
        *("name", "question", "workload", "baseline", "constraints", "method", "metric", "run_cap", "parameters"),
        *("toggles", "early_terminate", "confirm", "ablation", "device", "resources", "seed"),
    }
    for section in sections - {"question"}:
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{section}:"))
        assert lines[place - 1].startswith("# "), section
    assert [str(constraint) for constraint in study.constraints] == ["parameters <= 5_000_000"]
    assert (study.run_cap, study.toggles) == (12, ("relu",))


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        (["optimizer.lr"], {}, "--search optimizer.lr: write KEY=A..B, KEY=log:A..B or KEY=[A, B, …]"),
        (["=1..2"], {}, "write KEY=A..B"),
        (["batch_size=3"], {}, "--search batch_size: 3 is a single value"),
        (["batch_size=a..b"], {}, "--search batch_size: 'a' is not a number"),
        (["optimizer.lr=log:1e-4...1e-1"], {}, "--search optimizer.lr: '1e-4.' is not a number: write KEY=A..B"),
        (["batch_size=[1, 2"], {}, "--search batch_size: is not YAML"),
        (["batch_size=8..4"], {}, "--search batch_size: parameters.batch_size.min: must be below max"),
        (["optimizer.lr=log:0..1"], {}, "--search optimizer.lr: parameters.optimizer.lr.min: must be above 0"),
        (["optimizer.rate=0.1..1.0"], {}, "--search optimizer.rate: parameters.optimizer.rate: unknown setting"),
        (["optimizer.name=[sgd, lion]"], {}, "--search optimizer.name: parameters.optimizer.name.values.1: must be"),
        (["optimizer.momentum=0..1"], {}, "write min: 0.0"),
        (["batch_size=8..64"], {"toggles": ("rely",)}, "--toggle rely: toggles.0: unknown toggle 'rely'"),
        (["batch_size=8..64"], {"budget": "5Q"}, "--budget 5Q: constraints.0: must read like"),
        (["batch_size=8..64"], {"trials": 0}, "--trials 0: run_cap: is required"),
        (["batch_size=8..64"], {"data": 3}, "--data 3: baseline.data.name: must be a valid string"),
        (["batch_size=8..64"], {"ablate": ("rely",)}, "--ablate rely: unknown toggle 'rely'; did you mean 'relu'?"),
        (["batch_size=8..64"], {"device": "tpu"}, "--device tpu: device: must be"),
        (["batch_size=8..64"], {"epochs": -1}, "--epochs -1: baseline.epochs: "),
        (["batch_size=8..64"], {"trials": None, "trainings": 0.5}, "--trainings 0.5: budget.trainings: must be at"),
        ([], {"search": (), "ablate": ()}, "the new study: nothing to search and nothing to ablate: give --search"),
    ],
)
def test_mistakes_in_the_words_name_the_option(words: list[str], options: dict[str, Any], expected: str) -> None:
    assert expected in report(*words, **options)


def test_all_mistakes_in_the_words_come_together() -> None:
    text = report("optimizer.rate=0.1..1.0", "batch_size=8..4", toggles=("rely",), budget="5Q")
    assert len(text.splitlines()) == 4
    assert len(report("a=1", "b", "c=x..y").splitlines()) == 3


def test_toggles_of_one_run_each_name_their_own_option() -> None:
    text = report("batch_size=8..64", toggles=("rely", "relu", "droput"))
    assert [line.split(":")[0] for line in text.splitlines()] == ["--toggle droput", "--toggle rely"]


def test_extend_adds_to_a_study_and_replaces_what_it_names() -> None:
    document = extend(
        from_text(BASE, "s.yaml"), ["optimizer.lr=0.2..0.3", "batch_size=8..64"], ["relu", "momentum"], "5M"
    )
    study = parse(document)
    assert (study.parameters["optimizer.lr"].min, study.parameters["optimizer.lr"].max) == (0.2, 0.3)
    assert list(study.parameters) == ["optimizer.lr", "batch_size"]
    assert study.toggles == ("relu", "momentum")
    assert [str(limit) for limit in study.constraints] == ["macs <= 1_000_000_000", "parameters <= 5_000_000"]
    assert document.place(("name",)) == "s.yaml:1"


@pytest.mark.parametrize("budget", ["macs <= 2M", "macs<=2M", "macs < 2_000_001"])
def test_a_budget_may_be_any_limit(budget: str) -> None:
    study = parse(extend(from_text(BASE, "s.yaml"), [], [], budget))
    assert [str(limit) for limit in study.constraints] == ["parameters <= 9_000_000", "macs <= 2_000_000"]


@pytest.mark.parametrize("budget", ["3M", "3_000_000", "parameters<=3M", "parameters < 3000001"])
@pytest.mark.parametrize(
    "written", ["parameters<=9M", "parameters <9M", " parameters  <=  9_000_000", "parameters<9e6"]
)
def test_budget_replaces_the_limit_however_it_is_written(written: str, budget: str) -> None:
    text = BASE.replace("parameters <= 9M", f"'{written}', trainable_parameters<=9k")
    study = parse(extend(from_text(text, "s.yaml"), [], [], budget))
    limits = ["macs <= 1_000_000_000", "trainable_parameters <= 9_000", "parameters <= 3_000_000"]
    assert [str(limit) for limit in study.constraints] == limits


def test_extending_by_nothing_changes_nothing() -> None:
    document = from_text(BASE, "s.yaml")
    assert extend(document, [], [], None) == document


def test_a_new_study_is_written_once_with_the_schema_beside_it(tmp_path: Path) -> None:
    name, choices = COUNTED, Choices("mine", data="blobs", search=("batch_size=8..64",), trials=9)
    out = tmp_path / "studies" / "mine.yaml"
    assert write_new(choices, name, out)[0] == out
    assert accept(from_text(out.read_text(encoding="utf-8"), "mine.yaml"))[0].run_cap == 9
    beside = out.with_name(SCHEMA_FILE).read_text(encoding="utf-8")
    assert beside == schema_text(name)
    assert "optimizer.lr" in json.loads(beside)["properties"]["parameters"]["properties"]
    with pytest.raises(StudyError, match="exists already"):
        write_new(choices, name, out)


def test_a_new_study_goes_to_the_studies_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    choices = Choices("mine", search=("batch_size=8..64",))
    assert write_new(choices, COUNTED)[0] == Path("studies/mine.yaml")
    with pytest.raises(StudyError, match="names the study's folder"):
        write_new(replace(choices, name="../mine"), COUNTED)
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["mine.yaml", SCHEMA_FILE]
