"""One command for a folder of tables that nobody has seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search_quality import __main__ as command
from benchmarks.search_quality.policies import OURS, RANDOM

ROWS, EPOCHS = 40, 9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a minimised table of few rows, without kinds, with a diverged training."""
    rng = np.random.default_rng(0)
    points = rng.random((ROWS, 2))
    curves = ((points - 0.3) ** 2).sum(axis=1)[:, None] + 1 / np.arange(1, EPOCHS + 1)
    curves[3, 4:] = np.nan
    tables = tmp_path / "tables"
    tables.mkdir()
    np.savez(tables / "unseen.npz", X=points, curves=curves, seconds=rng.uniform(1, 3, ROWS), goal="minimize")
    return tables


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["search_quality", *arguments])
    return command.main()


def test_unseen_table_gives_the_same_report(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "BUDGETS", (5, 10))
    out = tmp_path / "kept" / "result"
    arguments = ["--tables", str(folder), "--out", str(out), "--only", OURS, "--only", RANDOM, "--seeds", "1"]
    assert run(monkeypatch, *arguments) == 0
    report = out.with_suffix(".md").read_text()
    assert "## unseen" in report
    assert "clearly better" in report
    regrets = json.loads(out.with_suffix(".json").read_text())["regret"]["unseen"]
    assert set(regrets) == {f"{OURS}, 1 worker", f"{OURS}, 8 workers", f"{RANDOM}, 1 worker"}
    assert regrets[f"{OURS}, 1 worker"]["10"][0] < 0.5
    lines = out.with_suffix(".jsonl").read_text()
    assert run(monkeypatch, *arguments) == 0
    assert out.with_suffix(".jsonl").read_text() == lines


def test_bad_table_ends_with_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(folder / "broken.npz", X=np.zeros((2, 2)))
    assert run(monkeypatch, "--tables", str(folder), "--out", str(folder / "result")) == 2
    assert "broken.npz: curves: missing" in capsys.readouterr().err


def test_folder_without_tables_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--tables", str(tmp_path), "--out", str(tmp_path / "result")) == 2
    assert f"no table in {tmp_path}" in capsys.readouterr().err


def test_short_form_compares_on_digits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--short") == 0
    assert f"| {OURS}, 1 worker |" in capsys.readouterr().out
