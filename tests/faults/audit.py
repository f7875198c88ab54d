"""Check a killed study: compare the workload's progress log and the driver's output with the storage and the files."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from sweeps.artifacts.curves import read_curves
from sweeps.artifacts.layout import ENVIRONMENT, RECORD, trial_folder
from sweeps.artifacts.record import read_record
from sweeps.formatting import in_local_time
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load
from tests.faults import progress_log
from tests.faults.paused import check_decisions, epochs_without_checkpoint
from tests.faults.progress_log import Line

Key = tuple[str, int]  # a trial's stage and number
END_LINE = re.compile(r"^(\w+) (\d+) (complete|pruned|diverged|failed|rejected|duplicate|abandoned)\b", re.MULTILINE)


@dataclass
class Tally:
    """Counts over the checks of all studies."""

    kills: int = 0
    drivers: int = 0
    studies: int = 0
    finished_trials: int = 0
    epochs: int = 0
    repeated_epochs: int = 0
    repeated_evaluations: int = 0
    records_written_later: int = 0
    leftover_files: int = 0
    met: Counter[str] = field(default_factory=Counter)  # kills by the stage that was running
    broken: list[str] = field(default_factory=list)  # failed checks, each with the study's folder

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass
class Audit:
    """Checks of one study over all its kills; they raise AssertionError if anything was lost, changed or run twice.

    Attributes:
        folder: Holds the runs folder `runs`, the data folder `data` and `reports`.
        workers: How many trials may be inside an epoch when a driver is killed.
        repeats: How many epochs of a trial a kill may repeat; None: all that it has trained.
        tracebacks: Whether a driver may have ended with a traceback, because a process of its Ray was killed.
    """

    folder: Path
    name: str
    tally: Tally
    workers: int = 1
    repeats: int | None = 1
    tracebacks: bool = False
    finished: dict[Key, Trial] = field(default_factory=dict)
    begun: dict[Key, Trial] = field(default_factory=dict)
    unsaved: dict[int, int] = field(default_factory=dict)  # epochs that paused trials will repeat, by number
    lines: list[Line] = field(default_factory=list)

    @property
    def study(self) -> Path:
        """Return the study's folder."""
        return self.folder / "runs" / self.name

    def check(self, *, killed: bool = True, other_kills: int = 0) -> Results | None:
        """Run the checks that hold after every kill; return None if the study does not exist yet.

        Args:
            killed: Whether the last driver was killed.
            other_kills: Further kills since the last check, of processes other than the driver.
        """
        self.tally.drivers += 1
        self.tally.kills += killed + other_kills
        fresh = progress_log.read(self.folder / "data", len(self.lines))
        if not (self.study / "study.yaml").exists():
            assert not fresh
            self.tally.met["before the study exists"] += killed
            return None
        with _copied(self.study) as runs:
            results = open_results(runs, self.name)
        self._check_repetitions(fresh, 1 + other_kills)
        self.lines += fresh
        check_decisions(self.begun, results)
        self._check_trials(results)
        self._check_paused(results, killed + other_kills)
        self._check_curves(results)
        self._check_records(results, missing_allowed=self.workers if killed else 0)
        self._check_output(results)
        self._check_documents()
        self.tally.met[_stage_at_work(results)] += killed
        return results

    def check_complete(self, other_kills: int = 0) -> Results:
        """Run all checks of a study that a driver has completed."""
        results = self.check(killed=False, other_kills=other_kills)
        assert results is not None
        study, stages = results.study, results.stages
        assert results.counted == study.run_cap, (results.counted, study.run_cap)
        assert not [trial for trial in results.everything if trial.status is Status.RUNNING]
        assert not [trial for trial in results.everything if trial.status is Status.FAILED]
        for name, expected in expected_runs(results).items():
            runs = [(trial.recipe, trial.replicate) for trial in stages[name].trials]
            assert len(runs) == len(set(runs)) == expected, (name, runs)
        self._check_baseline(results)
        self._check_openings(results)
        self._check_report(results)
        assert results.environment.get("complete")
        self.tally.studies += 1
        self.tally.finished_trials += len(results.everything)
        self.tally.epochs += len({(line.trial, line.epoch) for line in self.lines if line.epoch})
        self.tally.leftover_files += len([*self.study.rglob(".*"), *(self.folder / "runs").glob("..*")])
        return results

    def _check_repetitions(self, fresh: list[Line], kills: int) -> None:
        """Finished trials are not run again; a running trial repeats at most `repeats` epochs per kill, equally."""
        for line in fresh:
            assert line.trial not in self.finished, f"a finished trial was run again: {line}"
        figures = defaultdict(set)
        for line in (*self.lines, *fresh):
            figures[line.made].add(line.metrics)
        unequal = {made: values for made, values in figures.items() if len(values) > 1}
        assert not unequal, f"a repetition gave other figures: {unequal}"
        made = Counter(line.made for line in fresh)
        made.subtract({line.made for line in fresh} - {line.made for line in self.lines})
        epochs: Counter[Key] = Counter()
        for (trial, epoch, _), again in made.items():
            epochs[trial] += again * bool(epoch)
        if self.repeats is not None:
            most = kills * self.repeats
            waited = Counter({("search", number): behind for number, behind in self.unsaved.items()})
            beyond = {trial: again for trial, again in epochs.items() if again > most + waited[trial]}
            assert not beyond, f"too many epochs repeated after a kill: {beyond}"
            assert epochs.total() <= self.workers * most + waited.total(), f"more repeated than trials ran: {epochs}"
        self.tally.repeated_epochs += epochs.total()
        self.tally.repeated_evaluations += made.total() - epochs.total()

    def _check_trials(self, results: Results) -> None:
        """No trial is lost or renumbered, and finished trials do not change."""
        trials = {(trial.stage, trial.number): trial for trial in results.everything}
        for key, trial in self.finished.items():
            assert trials.get(key) == trial, f"a finished trial changed:\n{trial}\n{trials.get(key)}"
        for key, earlier in self.begun.items():
            now = trials[key]
            assert earlier.parameters.items() <= now.parameters.items(), f"another trial has the number of {earlier}"
            assert (earlier.variant, earlier.replicate, earlier.recipe) == (now.variant, now.replicate, now.recipe)
            assert earlier.curve.items() <= now.curve.items(), f"an epoch was lost:\n{earlier}\n{now}"
        self.begun = trials
        self.finished = {key: trial for key, trial in trials.items() if trial.status is not Status.RUNNING}

    def _check_paused(self, results: Results, kills: int) -> None:
        """No checkpoint is missing that a promotion may want, but what was not saved when a kill fell."""
        if not any(trial.paused for trial in results.trials):
            self.unsaved = {}
            return
        unsaved = epochs_without_checkpoint(results, self.study)
        new = {number: behind for number, behind in unsaved.items() if behind > self.unsaved.get(number, 0)}
        assert len(new) <= self.workers * kills, f"paused trials without their checkpoints: {new}"
        if self.repeats is not None:
            assert all(behind <= self.repeats * (1 + kills) for behind in unsaved.values()), unsaved
        self.unsaved = unsaved

    def _check_curves(self, results: Results) -> None:
        """Curves hold all logged epochs of a finished trial, and all but at most the last one of a running trial."""
        logged: dict[Key, dict[int, str]] = defaultdict(dict)
        for line in self.lines:
            if line.epoch:
                logged[line.trial][line.epoch] = line.metrics
        for trial in results.everything:
            epochs = logged.pop((trial.stage, trial.number), {})
            rows = read_curves(trial_folder(self.study, trial.number, trial.stage) / "curves.csv")
            self._check_curve(results, trial, epochs, rows)
        assert not logged, f"epochs of trials that are not in the storage: {logged}"

    def _check_curve(
        self, results: Results, trial: Trial, logged: dict[int, str], rows: list[dict[str, float]]
    ) -> None:
        metric, running = results.study.metric.name, trial.status is Status.RUNNING
        recorded = [int(row["epoch"]) for row in rows]
        assert recorded == list(range(1, len(recorded) + 1)), (trial, recorded)
        assert set(recorded) <= set(logged), (trial, recorded, logged)
        assert len(logged) - len(recorded) <= running, f"a recorded epoch is lost: {trial}, {recorded}, logged {logged}"
        for row in rows:
            figures = json.loads(logged[int(row["epoch"])])
            assert {name: row[name] for name in figures} == figures, (trial, row, figures)
        held_out = [epoch for epoch, figures in logged.items() if metric in json.loads(figures)]
        missing = [epoch for epoch in held_out if epoch not in trial.curve]
        assert len(missing) <= running, f"an epoch is not in the storage: {trial}, {missing}"
        assert all(trial.curve[epoch] == json.loads(logged[epoch])[metric] for epoch in trial.curve), trial
        if trial.status is Status.COMPLETE and trial.curve:
            last, best = trial.curve[max(trial.curve)], max(trial.curve.values())
            assert trial.value == (last if results.study.metric.at == "last" else best), trial

    def _check_records(self, results: Results, missing_allowed: int) -> None:
        """A finished trial has a record equal to the storage; a running trial has none."""
        missing = []
        for trial in results.everything:
            path = trial_folder(self.study, trial.number, trial.stage) / RECORD
            if not path.exists():
                missing += [trial] * (trial.status is not Status.RUNNING)
                continue
            assert read_record(path) == trial, f"{path} is not what the storage says: {trial}"
        assert len(missing) <= missing_allowed, f"records are missing: {missing}"
        self.tally.records_written_later += len(missing)

    def _check_output(self, results: Results) -> None:
        """The statuses that the driver printed are those in the storage."""
        ended = {(trial.stage, trial.number): trial.status.value for trial in results.everything}
        text = self.output()
        assert self.tracebacks or "Traceback" not in text, text
        for stage, number, status in END_LINE.findall(text):
            key = ("search" if stage == "trial" else stage, int(number))
            assert ended.get(key) == status, f"{stage} {number} was printed as {status}, but is {ended.get(key)}"

    def output(self) -> str:
        """Return the output of all drivers of the study."""
        file = self.folder / "output.txt"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def _check_documents(self) -> None:
        """Atomically written files are never truncated."""
        for path in (self.study / ENVIRONMENT, self.folder / "runs" / ".openings.json"):
            assert not path.exists() or json.loads(path.read_text(encoding="utf-8"))
        page = self.folder / "reports" / self.name / "index.html"
        assert not page.exists() or page.read_text(encoding="utf-8").rstrip().endswith("</html>")

    def _check_baseline(self, results: Results) -> None:
        """The search tried the baseline."""
        if not results.study.space.dimensions:
            return
        baseline = load(results.study.workload).schema.validate(results.study.baseline)
        tried = [trial.parameters for trial in results.trials if trial.status.counted]
        expected = {key: reduce(getattr, key.split("."), baseline) for key in tried[0]}
        assert expected in tried, f"the baseline was not tried: {expected}"

    def _check_openings(self, results: Results) -> None:
        """The test set was opened once, for the final models, and each model was measured."""
        if results.study.final is None:
            return
        final = results.stages["final"]
        openings = json.loads((self.folder / "runs" / ".openings.json").read_text(encoding="utf-8"))
        assert [opening["study"] for opening in openings] == [self.name]
        assert sorted(openings[0]["runs"]) == [trial.number for trial in final.trials]
        assert final.facts["openings"] == openings
        for trial in final.trials:
            measured = {line.set_name: json.loads(line.metrics) for line in self.lines if _measures(line, trial)}
            assert trial.metrics == measured, trial

    def _check_report(self, results: Results) -> None:
        """The report exists and has the time of the last change."""
        page = self.folder / "reports" / self.name / "index.html"
        assert page.exists()
        assert in_local_time(str(results.environment["updated"])) in page.read_text(encoding="utf-8")


def expected_runs(results: Results) -> dict[str, int]:
    """Return the number of runs of each complete stage of replicates; of final, only the incumbent's."""
    study, runs = results.study, {}
    if study.confirm is not None:
        top = min(study.confirm.top, len(results.ranked()))
        runs["confirm"] = top * study.confirm.seeds
    if study.ablation is not None:
        assert isinstance(study.ablation.seeds, int)
        arms = {arm.recipe for arm in results.stages["ablation"].arms if arm.applicable}
        runs["ablation"] = len(arms) * study.ablation.seeds
    if study.final is not None:
        runs["final"] = study.final.seeds
    return runs


def _measures(line: Line, trial: Trial) -> bool:
    return line.trial == (trial.stage, trial.number) and not line.epoch


def _stage_at_work(results: Results) -> str:
    """Return the stage of the running trial; if there is none, the stage that began last."""
    running = [trial.stage for trial in results.everything if trial.status is Status.RUNNING]
    if running:
        return running[-1]
    if results.environment.get("complete"):
        return "report"
    return [*results.stages][-1] if results.stages else "search"


@contextmanager
def _copied(study: Path) -> Iterator[Path]:
    """Yield a runs folder with a copy of the study.

    SQLite recovers a database when it is read, but the recovery is for the next driver to do.
    """
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        shutil.copytree(study, Path(folder) / study.name, ignore=shutil.ignore_patterns("checkpoint"))
        yield Path(folder)
