"""What `sweep show` says of a trial."""

from __future__ import annotations

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from sweeps.cli.app import app
from sweeps.cli.log import TAIL_LINES, log_tail
from tests.sweeps.support import run_inline, toy_study

FAILING = {"epochs": 2, "fault": "raise", "fault_epoch": 2}


def show(runs: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["show", "toy", *words, "--runs-dir", str(runs)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_failed_trial_has_the_end_of_its_traceback_and_the_place_of_its_log(tmp_path: Path) -> None:
    run_inline(toy_study(baseline=FAILING, run_cap=1), tmp_path)
    log = tmp_path / "toy" / "trials" / "0000" / "log.txt"
    log.write_text(log.read_text().replace("<b>", "\x1b[31m"))
    shown = show(tmp_path, "0")
    assert "    raise RuntimeError(" in shown
    *_, error, place = shown.splitlines()
    assert error == "  RuntimeError: \ufffd[31mthe toy broke</b>"
    assert place == f"Log: {log}"
    assert json.loads(show(tmp_path, "0", "--json"))["log"] == str(log)


def test_replicate_has_its_arm_and_seed_its_metric_with_a_unit_and_whole_seconds(tmp_path: Path) -> None:
    run_inline(toy_study(run_cap=1, ablation={"components": ["relu"], "seeds": 2}), tmp_path)
    shown = show(tmp_path, "3", "--stage", "ablation")
    rows = dict(re.findall(r"^ (\S[^│]*?)  +(\S.*?) *$", shown, re.MULTILINE))
    assert re.fullmatch(r"\S+, seed [12]", rows["arm"])
    assert re.fullmatch(r"\d+\.\d\d %", rows["validation accuracy"])
    assert re.fullmatch(r"[\d-]{10} [\d:]{8} [+-][\d:]{5}", rows["started"])
    assert re.search(r"val_accuracy \(%\)", shown)
    assert "Log:" not in shown
    assert json.loads(show(tmp_path, "3", "--stage", "ablation", "--json"))["log"] is None


def test_only_the_end_of_a_long_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    first, *lines = log_tail(log)
    assert first == "…"
    assert lines == [f"line {number}" for number in range(100_000 - TAIL_LINES, 100_000)]
    log.write_text("one\ntwo\n")
    assert log_tail(log) == ["one", "two"]
