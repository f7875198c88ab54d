"""Times are recorded in UTC: a study opens under every time zone, whatever Optuna's columns of local time say."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sweeps.cli.tables import trial_table
from sweeps.engine.repair import repair
from sweeps.evidence.findings import Findings
from sweeps.formatting import metric_format
from sweeps.report import save_report
from sweeps.report.tables.catalogue import provenance
from sweeps.storage.integrity import Damaged
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status
from tests.sweeps.support import ROOT, Events, Interrupting, run_inline, toy_study

ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
FIXTURE = ROOT / "tests" / "fixtures" / "studies_of_0_1_0" / "studies"
SetZone = Callable[[str], None]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetZone]:
    """Set the time zone of this process; the old one is restored."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


def moments(results: Results) -> list[tuple[datetime | None, datetime | None]]:
    return [(trial.started, trial.finished) for trial in results.everything]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a finished toy study of two trials."""
    folder = tmp_path_factory.mktemp("finished")
    assert run_inline(toy_study(run_cap=2), folder).complete
    return folder


def test_study_opens_and_grows_under_every_time_zone(tmp_path: Path, zone: SetZone) -> None:
    zone(ZONES[0])
    expected = moments(run_inline(toy_study(run_cap=1), tmp_path).results)
    for number, name in enumerate(ZONES, start=2):
        zone(name)
        assert moments(open_results(tmp_path, "toy")) == expected
        expected = moments(run_inline(toy_study(run_cap=number), tmp_path).results)
        assert len(expected) == number
    now = datetime.now(UTC)
    assert all(started <= ended <= now for started, ended in expected if started and ended)


class Travelling(Events):
    """Moves the process to another time zone at every event."""

    def __init__(self, zone: SetZone) -> None:
        super().__init__()
        self.zone, self.moves = zone, 0

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        self.moves += 1
        self.zone(ZONES[self.moves % len(ZONES)])

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: object) -> None:
        self.on_start(stage, number, "", 0)


def test_zone_that_changes_during_a_run_changes_no_moment(tmp_path: Path, zone: SetZone) -> None:
    results = run_inline(toy_study(run_cap=3), tmp_path, Travelling(zone)).results
    times = [moment for pair in moments(results) for moment in pair]
    assert None not in times
    assert times == sorted(times, key=str)  # one trial at a time: none starts before the one before it has ended
    assert moments(open_results(tmp_path, "toy")) == moments(results)


def test_clock_that_is_set_back_makes_no_negative_duration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The texts of the moments, as a clock gives them that an administrator sets back by a day between two events.
    days = iter(range(28, 0, -1))
    monkeypatch.setattr(
        "sweeps.storage.stage_storage._now", lambda: f"2026-10-{next(days):02d}T02:30:00.000000+00:00", raising=True
    )
    (trial,) = run_inline(toy_study(run_cap=1), tmp_path).results.trials
    assert trial.started == trial.finished == datetime(2026, 10, 28, 2, 30, tzinfo=UTC)


def test_times_in_optunas_columns_are_not_compared(finished: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(finished, tmp_path / "runs"))
    before = open_results(runs, "toy")
    with closing(sqlite3.connect(runs / "toy" / "study.db")) as database, database:
        database.execute("UPDATE trials SET datetime_start = NULL, datetime_complete = '2001-01-01 00:00:00.000000'")
    assert open_results(runs, "toy").trials == before.trials


def test_edited_moment_of_a_trial_is_refused(finished: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(finished, tmp_path / "runs"))
    with closing(sqlite3.connect(runs / "toy" / "study.db")) as database, database:
        edited = json.dumps("2026-01-01T00:00:00.000000+00:00")
        changed = "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'finished' AND trial_id = 1"
        assert database.execute(changed, (edited,)).rowcount == 1
    with pytest.raises(Damaged, match="trial 0 of the search differs"):
        open_results(runs, "toy")


@pytest.mark.parametrize("name", ZONES)
def test_study_of_version_0_1_0_has_the_times_of_its_records_under_every_zone(
    tmp_path: Path, zone: SetZone, name: str
) -> None:
    zone(name)
    for study in ("whole", "interrupted"):
        shutil.copytree(FIXTURE / study, tmp_path / study)
    trials = open_results(tmp_path, "whole").trials
    for trial in trials:
        record = json.loads((tmp_path / f"whole/trials/{trial.number:04d}/record.json").read_text())
        assert trial.started is not None
        assert trial.started.isoformat() == record["started"]
    running = [trial for trial in open_results(tmp_path, "interrupted").trials if trial.status is Status.RUNNING]
    assert all(trial.started is None for trial in running)


@pytest.mark.parametrize("stopped_at", [3, 1000])
def test_repair_in_one_zone_leaves_a_study_that_opens_in_every_other(
    tmp_path: Path, zone: SetZone, stopped_at: int
) -> None:
    with suppress(KeyboardInterrupt):
        run_inline(toy_study(run_cap=2, baseline={"epochs": 2}), tmp_path, Interrupting(stopped_at))
    expected = [trial for trial in open_results(tmp_path, "toy").trials if trial.ended]
    (tmp_path / "toy" / "study.db").unlink()
    zone("Asia/Kolkata")
    assert repair(tmp_path, "toy") is not None
    for name in ZONES:
        zone(name)
        assert repair(tmp_path, "toy") is None
        assert [trial for trial in open_results(tmp_path, "toy").trials if trial.status is Status.COMPLETE] == expected


def test_shown_times_are_local_with_their_offset_and_files_have_utc(finished: Path, zone: SetZone) -> None:
    results = open_results(finished, "toy")
    trial = replace(results.trials[0], started=datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC))
    environment = {"started": "2026-10-25T00:30:00+00:00", "commands": [{"at": "2026-10-25T01:30:00+00:00"}]}
    for name, shown in (("Asia/Kolkata", "2026-03-01 17:30:05 +05:30"), ("UTC", "2026-03-01 12:00:05 +00:00")):
        zone(name)
        rows = trial_table(trial, metric_format(results.study.metric, results.percentages), {}).columns[1].cells
        assert shown in [str(cell) for cell in rows]
    zone("Europe/Berlin")  # 02:30 comes twice in this night
    table = provenance(Findings.of(replace(results, environment=environment)))
    assert dict(table.grid.rows) == {
        "started": "2026-10-25 02:30:00 +02:00",
        "commands.1.at": "2026-10-25 02:30:00 +01:00",
        "duplicates": "not checked",
    }
    assert "2026-10-25T00:30:00+00:00" in list(table.data["value"])


def test_the_head_of_a_report_is_in_local_time(finished: Path, tmp_path: Path, zone: SetZone) -> None:
    results = open_results(finished, "toy")
    results = replace(results, environment={**results.environment, "updated": "2026-10-25T00:30:00+00:00"})
    zone("Asia/Kolkata")
    page = save_report(results, (), tmp_path / "report").read_text(encoding="utf-8")
    assert "<span>last run started 2026-10-25 06:00:00 +05:30</span>" in page
