"""What a report says about images that a study has twice, and the test figure without those that were trained on."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

import sweeps
from sweeps.report.duplicates.sentences import NOT_CHECKED
from tests.sweeps import letters

STUDY: dict[str, Any] = {
    "name": "letters",
    "question": "Are they known?",
    "workload": "tests.sweeps.letters",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "method": "random",
    "run_cap": 0,
    "final": {"seeds": 2},
}
LEAKY = {"train": "abWcXd", "test": "wxyWzzkl", "duplicates": "keep"}


def answer(folder: Path, baseline: dict[str, Any], **settings: Any) -> list[str]:
    """Run the study and return the sentences of its answer; its report is in the folder `reports/letters`."""
    folders = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder / "data"}
    outcome = sweeps.run({**STUDY, "baseline": baseline, **settings}, **folders, runner="inline", quiet=True)
    assert outcome.complete
    return list(sweeps.load("letters", runs_dir=folder / "runs").answer)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "reports" / "letters" / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def provenance(folder: Path) -> dict[str, str]:
    return {row["what"]: row["value"] for row in rows(folder, "provenance")}


def test_kept_images_are_counted_and_the_figure_is_shown_without_them(tmp_path: Path) -> None:
    told = answer(tmp_path, LEAKY)
    assert "3 of 8 test images are also among the training images (1 equal and 2 near duplicates)." in told
    # Right: w, x and W, which were seen, and of the five others those at the even places 2, 4 and 6.
    without = "Without these test images, on the 5 others, the baseline reaches test accuracy 60.00 % ("
    (figure,) = [each for each in told if each.startswith(without)]
    assert figure.endswith(
        "reaches test accuracy 60.00 % (n = 2 seeds: 60.00 % and 60.00 %, too few for an interval); with them 75.00 % "
        "(n = 2 seeds: 75.00 % and 75.00 %, too few for an interval)."
    )
    (figures,) = rows(tmp_path, "test_without_duplicates")
    assert (figures["all test images"], figures["without duplicates"], figures["images left"]) == ("75.0", "60.0", "5")
    assert [tuple(row.values()) for row in rows(tmp_path, "duplicates")] == [
        ("train", "2", "test", "3", "equal"),
        ("train", "2", "test", "0", "near"),
        ("train", "4", "test", "1", "near"),
    ]
    page = (tmp_path / "reports" / "letters" / "index.html").read_text()
    summary = (tmp_path / "reports" / "letters" / "README.md").read_text()
    for text in (page, summary):
        assert "First images that occur twice" in text
        assert "Test accuracy without images that were trained on" in text
    assert provenance(tmp_path)["duplicates"] == "train 6, test 8: 3 test images in train (1 equal, 2 near)"


@pytest.mark.parametrize(
    ("baseline", "damage", "sentence"),
    [
        ({"predictions": False}, False, "is not available: predictions or the list of pairs are missing"),
        ({}, True, "is not available: predictions or the list of pairs are missing"),
        (
            {"train": "wxyzkl"},
            False,
            "Every test image is also a training image, so no figure without them can be given.",
        ),
    ],
    ids=["no predictions", "list of pairs damaged", "nothing left"],
)
def test_figure_without_them_that_cannot_be_had_is_said_so(
    tmp_path: Path, baseline: dict[str, Any], damage: bool, sentence: str
) -> None:
    told = answer(tmp_path, {**LEAKY, **baseline})
    if damage:
        file = tmp_path / "runs" / "letters" / "duplicates.json"
        file.write_text(file.read_text().replace("[2,3]", "[2,5]"))
        told = list(sweeps.load("letters", runs_dir=tmp_path / "runs").answer)
    assert any(sentence in each for each in told)


def test_equal_figures_have_the_interval_of_one_image_as_any_other_mean_has(tmp_path: Path) -> None:
    told = answer(tmp_path, LEAKY, final={"seeds": 3})
    (figure,) = [each for each in told if each.startswith("Without these test images")]
    half = 4.302653 * 100 / 5 / math.sqrt(12) / math.sqrt(3)
    assert f"60.00 % (95 % CI {60 - half:.2f} to {60 + half:.2f} %, n = 3 seeds); with them 75.00 % (95 % CI" in figure


def test_figure_without_them_is_that_of_the_run_from_the_result_cache(tmp_path: Path) -> None:
    told = answer(tmp_path, LEAKY)
    (tmp_path / "runs" / "letters").rename(tmp_path / "runs" / "first")
    for entry in (tmp_path / "runs" / ".cache").glob("*.json"):
        entry.write_text(entry.read_text().replace('"letters"', '"first"'))
    again = answer(tmp_path, LEAKY)
    for each in (told, again):
        assert any("on the 5 others, the baseline reaches test accuracy 60.00 %" in sentence for sentence in each)
    results = sweeps.load("letters", runs_dir=tmp_path / "runs").records
    assert all(trial.source.startswith("first/final/") for trial in results.stages["final"].trials)


def test_dropped_images_are_counted(tmp_path: Path) -> None:
    told = answer(tmp_path, {**LEAKY, "duplicates": "drop"})
    dropped = "Dropped from training: 2 training images of 6, because they are test images too (1 equal and 1 near "
    assert f"{dropped}duplicate)." in told
    assert not [each for each in told if "Without these" in each]


def test_copies_within_training_and_further_sets_are_counted(tmp_path: Path) -> None:
    told = answer(tmp_path, {"train": "aaAbcb", "unlabelled": "zq", "duplicates": "keep"}, evaluate=["wpb"])
    assert [each for each in told if "also among the t" in each or "copies" in each] == [
        "3 of 6 training images are copies of another (2 equal and 1 near duplicate): an image and its copies stay on "
        "one side of every split into training and validation.",
        "1 of 3 images of wpb is also among the training images (1 equal).",
        "1 of 3 images of wpb is also among the test images (1 equal).",
    ]
    assert "1 of 4 test images is also among the unlabelled training images (1 equal)." in told


def test_nothing_found_is_said_in_the_provenance_only(tmp_path: Path) -> None:
    told = answer(tmp_path, {})
    assert not [each for each in told if "duplicate" in each or "copies" in each or each == NOT_CHECKED]
    assert provenance(tmp_path)["duplicates"] == "train 4, test 4: none found"


@pytest.mark.parametrize("opened", [True, False])
def test_images_that_were_not_checked_are_labelled_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    monkeypatch.delattr(letters, "image_hashes")
    searched = {"run_cap": 1, "parameters": {"lr": {"min": 0.1, "max": 1.0}}, "final": None}
    told = answer(tmp_path, LEAKY, **({} if opened else searched))
    assert (NOT_CHECKED in told) == opened
    assert provenance(tmp_path)["duplicates"] == "not checked"


def test_equal_images_alone_are_no_whole_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(letters, "confirm_duplicates")
    assert "Only equal images were looked for, not those that look alike." in answer(tmp_path, {})


def test_study_begun_before_the_check_says_what_was_found(tmp_path: Path) -> None:
    answer(tmp_path, LEAKY)
    file = tmp_path / "runs" / "letters" / "environment.json"
    environment = json.loads(file.read_text())
    environment["duplicates"]["late"] = True
    file.write_text(json.dumps(environment))
    told = list(sweeps.load("letters", runs_dir=tmp_path / "runs").answer)
    assert "This was found after the study had begun, so it was not refused." in told
