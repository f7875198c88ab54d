"""The page that combines the ablations of several studies."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.findings import Findings
from sweeps.evidence.meta import Incompatible, agreement, headline, meta_analyses, reservations
from sweeps.report.across.meta import write_meta
from sweeps.stats import random_effects
from sweeps.storage.results import Results

from .conftest import ENVIRONMENT
from .reading import read_page
from .staged import arm_of, factorial, findings_of, stage_of, stepped, without

RELU = [[90.0, 88.0, 91.0], [92.0, 90.0, 90.5, 94.5], [91.2, 91.9, 90.8]]
NORM = [[94.9, 94.2, 95.4], [93.1, 94.0, 95.5, 94.4], [95.2, 95.9, 94.1]]
BASE = [[95.0, 94.0, 95.5], [94.8, 94.1, 95.2, 94.9], [95.3, 95.6, 94.9]]


def _study(folder: Path, place: int, **changes: Any) -> Findings:
    rows: list[Any] = [(arm_of("baseline", "best"), BASE[place]), (without("relu"), RELU[place])]
    stage = stage_of("ablation", [*rows, (without("batch_norm"), NORM[place])], design="leave_one_out")
    findings = findings_of(folder / f"study{place}", [stage], **changes)
    return Findings.of(_with_data(findings.results, f"sha256:{place}"))


def _with_data(results: Results, fingerprint: str) -> Results:
    return replace(results, environment={**ENVIRONMENT, "data": {"fingerprint": fingerprint}})


def _studies(folder: Path, **changes: Any) -> Mapping[str, Findings]:
    return {f"study{place}": _study(folder, place, **changes) for place in range(3)}


def test_each_component_has_the_mean_over_the_studies_and_the_replications(tmp_path: Path) -> None:
    studies = _studies(tmp_path)
    relu, norm = meta_analyses(studies)
    words = studies["study0"].metric_format
    of_relu, of_norm = headline(relu, words), headline(norm, words)
    assert (relu.component, norm.component) == ("relu", "batch_norm")
    assert [each.study for each in relu.differences] == ["study0", "study1", "study2"]
    means = [each.paired.mean for each in relu.differences]
    errors = [each.paired.sd / each.paired.n**0.5 for each in relu.differences]
    assert relu.pooled is not None
    assert relu.pooled.mean == pytest.approx(random_effects(means, errors).mean)
    assert (relu.lowered, relu.raised) == (2, 0)
    assert (norm.lowered, norm.raised) == (0, 0)
    assert relu.p_holm is not None
    assert relu.p_holm == pytest.approx(2 * relu.pooled.p)
    assert of_relu.startswith("Removing relu lowered validation accuracy by ")
    assert "k = 3 studies, Holm p = " in of_relu
    assert agreement(relu, words).startswith("relu: lowered validation accuracy in at least 2 of 3 studies (partial")
    assert agreement(norm, words).startswith("batch_norm: in none of 3 studies is a direction shown")
    assert "Removing batch_norm: over studies inconclusive for validation accuracy (mean difference" in of_norm


def test_page_summary_and_csv_agree(tmp_path: Path) -> None:
    studies = _studies(tmp_path)
    path, meta = write_meta([one.results for one in studies.values()], tmp_path / "out")
    page = read_page(path)
    answer = page.find("section", id="answer")[0].text
    assert meta.sentences[0] in answer
    rows = page.find("section", id="differences")[0].rows()
    assert [row[:2] for row in rows[3:5]] == [["relu", "all studies"], ["batch_norm", "study0"]]
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    pooled = [record for record in records if record["study"] == "all studies"]
    assert [record["component"] for record in pooled] == ["relu", "batch_norm"]
    first = meta.analyses[0].pooled
    assert first is not None
    assert float(pooled[0]["estimate"]) == pytest.approx(first.mean)
    assert float(pooled[0]["tau"]) == pytest.approx(first.tau)
    assert headline(meta.analyses[0], meta.words).split("(")[0] in path.with_suffix(".md").read_text(encoding="utf-8")
    assert len(page.find("svg")) == 2


def test_what_weakens_the_mean_is_said(tmp_path: Path) -> None:
    studies = dict(_studies(tmp_path))
    assert reservations(studies) == []
    studies["again"] = Findings.of(_with_data(studies["study0"].results, "sha256:1"))
    studies["steps"], studies["factors"] = stepped(tmp_path / "steps"), factorial(tmp_path / "factors")
    notes = reservations(studies)
    assert notes[0].startswith("study1 and again use the same data")
    assert any(note.startswith("study0 and again have 9 runs of one recipe and seed in common") for note in notes)
    assert any(note.startswith("steps: the steps of a path") for note in notes)
    assert any(note.startswith("factors: the effects of a factorial") for note in notes)


def test_studies_of_unknown_data_are_listed_and_a_direction_in_all_is_said_so(tmp_path: Path) -> None:
    studies = {name: Findings.of(_with_data(one.results, "")) for name, one in _studies(tmp_path).items()}
    assert "Which data study0, study1 and study2 used is not known." in reservations(studies)
    analysis = replace(meta_analyses(studies)[0], lowered=3)
    told = agreement(analysis, studies["study0"].metric_format)
    assert told.startswith("relu: lowered validation accuracy in all 3 studies (partial conjunction")


def test_studies_without_a_common_metric_or_component_are_refused(tmp_path: Path) -> None:
    loss = _study(tmp_path, 1, metric={"name": "val_loss", "goal": "minimize"})
    with pytest.raises(Incompatible, match=r"study0: val_accuracy .*; loss: val_loss"):
        meta_analyses({"study0": _study(tmp_path, 0), "loss": loss})
    with pytest.raises(Incompatible, match=r"no component has two pairs .*: steps: none; study0: relu, batch_norm"):
        meta_analyses({"steps": stepped(tmp_path / "s"), "study0": _study(tmp_path, 0)})


def test_study_whose_pairs_are_all_equal_is_named_and_not_in_the_mean(tmp_path: Path) -> None:
    base, relu = [90.0, 91.0, 92.0], [88.0, 89.0, 90.0]
    rows = [(arm_of("baseline", "best"), base), (without("relu"), relu)]
    studies = {**_studies(tmp_path), "equal": findings_of(tmp_path / "e", [stage_of("ablation", rows)])}
    analysis = meta_analyses(studies)[0]
    assert analysis.without_spread == ("equal",)
    said = agreement(analysis, studies["equal"].metric_format)
    assert "Not in the mean, because all pairs are equal: equal." in said
    assert analysis.pooled is not None
    assert analysis.pooled.k == 3
    assert len(analysis.differences) == 4


def test_errors_of_an_anytime_study_are_those_of_its_spread_and_not_of_its_wider_interval(tmp_path: Path) -> None:
    looks = {"min": 3, "max": 9, "anytime": True}
    rows: list[Any] = [(arm_of("baseline", "best"), BASE[0]), (without("relu"), RELU[0])]
    stage = stage_of("ablation", rows, design="leave_one_out", anytime=[3, 9])
    section = {"components": ["relu"], "seeds": looks}
    looked = findings_of(tmp_path / "looked", [stage], ablation=section)
    of_looked, of_fixed = meta_analyses({"looked": looked, "fixed": _study(tmp_path, 0)})[0].differences
    assert of_looked.paired.high > of_fixed.paired.high
    assert of_looked.error == pytest.approx(of_fixed.error)
