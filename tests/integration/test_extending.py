"""The recipes of docs/extending.md work as they stand: each is applied to a copy of the packages and run."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sweeps.artifacts.record import read_record, write_record
from tests.sweeps.support import ROOT, clean, sweep, toy_text

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^## (Add .*)$", PAGE, re.MULTILINE)
MOST_LINES = 45  # of a recipe's code, its imports included
STUDY_OF_0_1_0 = ROOT / "tests" / "fixtures" / "studies_of_0_1_0" / "studies" / "digits"

# Opens a study, which compares its storage with its records, and prints why that is refused, if it is.
OPENED = """
from pathlib import Path
from sweeps.storage.integrity import Damaged
from sweeps.storage.runs import open_results
try:
    open_results(Path("runs"), "toy")
    print("opened")
except Damaged as error:
    print(error)
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and its text without the fences."""

    language: str
    text: str

    @property
    def path(self) -> str:
        """The file that the first line names ("# a/b.py", "--- a/b.py"); empty for a block that stands by itself."""
        named = re.match(r"(?:#|---) (\S+/\S+)\n", self.text)
        return named.group(1) if named else ""

    @property
    def body(self) -> str:
        """The text below the line that names the file."""
        return self.text.partition("\n")[2] if self.path else self.text


def blocks(title: str) -> list[Block]:
    """The fenced blocks of a recipe."""
    (section,) = re.findall(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return [Block(*groups) for groups in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)]


def apply(block: Block, folder: Path) -> None:
    """Write or change the file that a block names, inside `folder`."""
    file = folder / block.path
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if block.language == "python":
        file.write_text(f"{before}\n\n{block.body}" if before else block.body, encoding="utf-8")
        return
    for hunk in block.body.split("@@\n"):
        lines = hunk.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line[:1] in " -")
        new = "".join(f"{line[1:]}\n" for line in lines if line[:1] in " +")
        assert before.count(old) == 1, f"{block.path} has these lines {before.count(old)} times, not once:\n{old}"
        before = before.replace(old, new)
    file.write_text(before, encoding="utf-8")


@pytest.fixture
def extended(tmp_path: Path) -> Callable[[str], Path]:
    """Apply a recipe to a copy of both packages; the folder with the copy, and with the recipe's study file if any."""

    def extend(title: str) -> Path:
        for package in ("sweeps", "cifar_sweep"):
            shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
        for block in blocks(title):
            if block.path:
                apply(block, tmp_path)
            elif block.language == "yaml":
                (tmp_path / "study.yaml").write_text(block.text, encoding="utf-8")
        return tmp_path

    return extend


def run(folder: Path, *words: str) -> list[dict[str, object]]:
    """Run the study file in `folder` in one process; the records of all its trials, by stage and number."""
    done = sweep("run", "study.yaml", "--runner", "inline", "--quiet", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*/*/*/record.json"))]


def in_python(folder: Path, text: str) -> str:
    """Execute Python code with the copy's packages; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, env=clean({}), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_the_eight_recipes() -> None:
    things = ["model", "augmentation", "pruner", "sampler", "design", "figure", "runner", "storage check"]
    assert [title.split(maxsplit=2)[2] for title in RECIPES] == things


@pytest.mark.parametrize("title", RECIPES)
def test_recipe_is_short(title: str) -> None:
    code = [block.body for block in blocks(title) if block.path]
    assert code
    assert sum(bool(line.strip()) for body in code for line in body.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("title", RECIPES)
def test_recipe_names_where_it_is_registered(title: str) -> None:
    changed = [block.path for block in blocks(title) if block.language == "diff"]
    assert changed
    assert all((ROOT / path).exists() for path in changed)


def test_model_trains(extended: Callable[[str], Path]) -> None:
    records = run(extended("Add a model"))
    assert [(record["parameters"], record["status"]) for record in records] == [
        ({"model.width": width}, "complete") for width in (4, 8)
    ]
    # A convolution of 3x3 with bias, and a linear layer to ten classes.
    parameters = [record["cost"]["parameters"] for record in records]  # type: ignore[index]
    assert parameters == [10 * width + 10 * width + 10 for width in (4, 8)]


def test_augmentation_trains_and_is_ablated(extended: Callable[[str], Path]) -> None:
    records = run(extended("Add an augmentation"))
    assert [(record["variant"], record["status"]) for record in records] == [
        (arm, "complete") for _ in range(2) for arm in ("baseline", "darken")
    ]
    plain, dark = (
        [record["curve"] for record in records if record["variant"] == arm] for arm in ("baseline", "darken")
    )
    assert plain != dark


def test_pruner_decides_and_stops_trials(extended: Callable[[str], Path]) -> None:
    folder = extended("Add a pruner")
    (check,) = (block for block in blocks("Add a pruner") if block.language == "python" and not block.path)
    in_python(folder, check.text)
    reasons = {record["reason"] for record in run(folder) if record["status"] == "pruned"}
    assert reasons == {"in the worse half at epoch 1"}


def test_sampler_proposes_and_keeps_values_of_the_best(extended: Callable[[str], Path]) -> None:
    records = run(extended("Add a sampler"))
    complete = [record["parameters"] for record in records if record["status"] == "complete"]
    assert len(complete) == 8
    rates = [parameters["lr"] for parameters in complete]  # type: ignore[index]
    assert len(set(rates)) < len(rates), "no value of the best trial was kept"


def test_design_lists_its_arms(extended: Callable[[str], Path]) -> None:
    folder = extended("Add a design")
    records = run(folder)
    arms = {"baseline", "penalty and decay", "penalty and rate", "decay and rate"}
    assert {record["variant"] for record in records} == arms
    assert all(record["status"] == "complete" for record in records)
    warnings = sweep("validate", "study.yaml", cwd=folder)
    assert "over 3 comparisons" in warnings.stdout + warnings.stderr


def test_figure_is_drawn(extended: Callable[[str], Path]) -> None:
    folder = extended("Add a figure")
    shutil.copytree(STUDY_OF_0_1_0, folder / "runs" / "digits")
    done = sweep("report", "digits", cwd=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "reports" / "digits" / "index.html").read_text(encoding="utf-8")
    assert "Device time of each trial" in page
    assert '"device_time":' in page


def test_runner_trains_and_survives_a_death(extended: Callable[[str], Path]) -> None:
    folder = extended("Add a runner")
    (folder / "study.yaml").write_text(toy_text(run_cap=2, baseline={"fault": "die"}), encoding="utf-8")
    done = sweep("run", "study.yaml", "--runner", "process", "--quiet", "--data-dir", "data", cwd=folder)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("toy/trials/*/record.json"))]
    assert [(record["status"], record["deaths"]) for record in records] == [("complete", 1), ("complete", 1)]


def test_storage_check_refuses_what_the_records_alone_allow(extended: Callable[[str], Path]) -> None:
    folder = extended("Add a storage check")
    (folder / "study.yaml").write_text(toy_text(run_cap=1), encoding="utf-8")
    run(folder, "--data-dir", "data")
    assert in_python(folder, OPENED) == "opened\n"
    record = folder / "runs" / "toy" / "trials" / "0000" / "record.json"
    write_record(record, replace(read_record(record), value=99.5))  # record and storage agree on a wrong value
    with sqlite3.connect(folder / "runs" / "toy" / "study.db") as database:
        database.execute("UPDATE trial_values SET value = 99.5")
    assert "has the value 99.5, which is not on its curve" in in_python(folder, OPENED)
