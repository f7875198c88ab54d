"""The section on single images: tables, sentences, pictures, and what is said where there are none."""

from __future__ import annotations

import base64
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweeps.artifacts.layout import trial_folder
from sweeps.artifacts.thumbnails import encode_png, write_thumbnails
from sweeps.evidence.findings import Findings
from sweeps.evidence.images.flips import FlippedImage
from sweeps.evidence.images.shown import MOST, shown_images
from sweeps.report.data import ReportData
from sweeps.report.figures.images.panels import IMAGE_PANELS
from sweeps.report.images.frames import quality_frame
from sweeps.report.images.sentences import image_sentences
from sweeps.report.tables.interval import Interval
from sweeps.report.write import write_report

from ..evidence.images.made import leave
from .reading import Element, read_page
from .staged import ablation_stage, final_stage, staged

SHARES = {"baseline": 0.9, "relu": 0.1, "batch_norm": 0.85, "dropout": 0.9}


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    """A study whose runs have kept their predictions for validation and test images."""
    leave(tmp_path, ablation_stage(), "validation", SHARES, logits=False)
    leave(tmp_path, final_stage(), "test", SHARES, logits=True)
    return staged(tmp_path)


def section(findings: Findings, folder: Path) -> Element:
    return read_page(write_report(findings, (), folder / "report")).find("section", id="images")[0]


def test_page_shows_tables_figure_and_sentences(findings: Findings, tmp_path: Path) -> None:
    shown = section(findings, tmp_path)
    assert "relu against baseline (3 pairs): of 90 images of the test set, " in shown.text
    assert "The ensemble of the 3 models of baseline (the mean of their probabilities) is right on " in shown.text
    assert "it is not to be compared with means of single models" in shown.text
    assert [div.attributes["id"] for div in shown.find("div", **{"class": "plot"})] == ["plot-reliability"]
    tables = tmp_path / "report" / "tables"
    for name in ("image_flips", "class_differences", "agreement"):
        assert all((tables / f"{name}.{kind}").exists() for kind in ("csv", "md", "tex")), name
    with (tables / "image_flips.csv").open(encoding="utf-8") as file:
        counted = {(row["set"], row["arm"]): int(row["lost"]) + int(row["gained"]) for row in csv.DictReader(file)}
    with (tables / "flipped_images.csv").open(encoding="utf-8") as file:
        images = [(row["set"], row["arm"]) for row in csv.DictReader(file)]
    assert counted["test", "relu"] > 0
    assert {key: images.count(key) for key in counted} == counted
    assert "## Images one by one" in (tmp_path / "report" / "README.md").read_text(encoding="utf-8")


def test_images_that_flip_are_shown_with_their_classes(findings: Findings, tmp_path: Path) -> None:
    main = findings.images.main
    assert main is not None
    chosen = shown_images(main)
    assert 0 < len(chosen) <= MOST
    pixels = {image.image: np.full((4, 4, 3), image.image, np.uint8) for _, image in chosen}
    write_thumbnails(tmp_path, main.stage, main.name, pixels)
    shown = section(findings, tmp_path)
    pictures = [element.attributes["src"] for element in shown.find("img")]
    first = base64.b64encode(encode_png(pixels[chosen[0][1].image])).decode()
    assert pictures[0] == f"data:image/png;base64,{first}"
    assert len(pictures) == len(chosen)
    assert "Right in baseline, wrong in relu: " in shown.text
    assert "(3/3 right)" in shown.text


def test_images_are_taken_from_every_arm_in_turn(findings: Findings) -> None:
    main = findings.images.main
    assert main is not None
    chosen = shown_images(main, 4)
    flipping = [one for one in main.flips if one.images]
    assert len({flips.arm.name for flips, _ in chosen}) == min(4, len(flipping))


def test_hostile_names_of_arms_and_classes_stay_text(tmp_path: Path) -> None:
    leave(tmp_path, final_stage(), "test", SHARES, logits=False, names=("<b>cat</b>", "=1+1", "a|b"))
    findings = staged(tmp_path)
    main = findings.images.main
    assert main is not None
    write_thumbnails(
        tmp_path, main.stage, main.name, {image.image: np.zeros((2, 2, 3), np.uint8) for _, image in shown_images(main)}
    )
    assert not section(findings, tmp_path).find("b")
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<b>cat" not in text
    assert ",=1+1" not in (tmp_path / "report" / "tables" / "class_differences.csv").read_text(encoding="utf-8")


def test_without_predictions_there_is_a_line_that_says_why(tmp_path: Path) -> None:
    page = read_page(write_report(staged(tmp_path), (), tmp_path / "report"))
    assert not page.find("section", id="images")
    assert "Images one by one: no run of final has kept its predictions" in page.find("section", id="test")[0].text
    assert not list((tmp_path / "report" / "tables").glob("*flip*"))


def test_damaged_predictions_are_told_of_and_the_others_are_counted(findings: Findings, tmp_path: Path) -> None:
    number = final_stage().trials[0].number
    next(trial_folder(tmp_path, number, "final").glob("predictions/test.npz")).write_bytes(b"nonsense")
    text = section(staged(tmp_path), tmp_path).text
    assert "test.npz is no intact file of predictions" in text
    assert "(2 pairs): of 90 images of the test set" in text


def test_reliability_has_fifteen_bins_for_each_arm_on_the_test_set(findings: Findings) -> None:
    rows = IMAGE_PANELS[0].compute(ReportData(findings))
    assert set(rows.groupby("arm").size()) == {15}
    assert set(rows.groupby("arm")["images"].sum()) == {270}


def test_no_interval_of_a_calibration_reaches_below_zero(findings: Findings) -> None:
    cells = quality_frame(findings.images, further=False)[["ECE", "NLL", "Brier"]].to_numpy().ravel()
    lows = [cell.low for cell in cells if isinstance(cell, Interval)]
    assert lows
    assert min(lows) >= 0


@pytest.mark.parametrize(("lost", "words"), [(1, ", 1 is right in nearly"), (2, ", 2 are right in nearly")])
def test_single_image_that_flips_is_told_in_the_singular(findings: Findings, lost: int, words: str) -> None:
    main = findings.images.main
    assert main is not None
    image = FlippedImage(0, 0, 3, reference_right=3, arm_right=0, reference_class=0, arm_class=1)
    one = replace(main.flips[0], images=(image,) * lost)
    assert words in image_sentences(replace(findings.images, sets=(replace(main, flips=(one,)),)))[0]
