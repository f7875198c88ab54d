"""After a kill: what the workload swore to and what the driver said, against the storage and the files beside it."""

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
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load
from tests.faults import testimony
from tests.faults.testimony import Line

Key = tuple[str, int]  # a trial's stage and number
SAID_END = re.compile(r"^(\w+) (\d+) (complete|pruned|diverged|failed|rejected|duplicate|abandoned)\b", re.MULTILINE)


@dataclass
class Tally:
    """What the looks at all studies have counted."""

    kills: int = 0
    drivers: int = 0
    studies: int = 0
    finished_trials: int = 0
    epochs: int = 0
    repeated_epochs: int = 0
    repeated_evaluations: int = 0
    records_written_later: int = 0
    leftover_files: int = 0
    met: Counter[str] = field(default_factory=Counter)  # where the kills fell: the stage that was at work
    broken: list[str] = field(default_factory=list)  # promises, with the folder that shows it

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass
class Audit:
    """One study over all its kills. Each look raises AssertionError for what is lost, changed or made twice.

    `workers` is how many trials may be inside an epoch when a driver is killed.
    """

    folder: Path  # the runs folder is `runs` in it, the data folder `data`
    name: str
    tally: Tally
    workers: int = 1
    tracebacks: bool = False  # whether a driver may have ended with one: Ray has been taken away from it
    finished: dict[Key, Trial] = field(default_factory=dict)
    begun: dict[Key, Trial] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    @property
    def study(self) -> Path:
        """The study's folder."""
        return self.folder / "runs" / self.name

    def look(self, *, killed: bool = True, inside: int = 0) -> Results | None:
        """Compare everything; None where the study has not come into being.

        `killed`: the last driver was ended by force. `inside`: how many further kills there were since the last look.
        """
        self.tally.drivers += 1
        self.tally.kills += killed + inside
        fresh = testimony.read(self.folder / "data", len(self.lines))
        if not (self.study / "study.yaml").exists():
            assert not fresh
            self.tally.met["before the study exists"] += killed
            return None
        with _copied(self.study) as runs:
            results = open_results(runs, self.name)
        self._check_repetitions(fresh, 1 + inside)
        self.lines += fresh
        self._check_kept(results)
        self._check_curves(results)
        self._check_records(results, missing_allowed=self.workers if killed else 0)
        self._check_said(results)
        self._check_documents()
        self.tally.met[_stage_at_work(results)] += killed
        return results

    def conclude(self, inside: int = 0) -> Results:
        """The checks of a study that a driver has brought to its end."""
        results = self.look(killed=False, inside=inside)
        assert results is not None
        study, stages = results.study, results.stages
        assert results.counted == study.run_cap, (results.counted, study.run_cap)
        assert not [trial for trial in results.everything if trial.status is Status.RUNNING]
        assert not [trial for trial in results.everything if trial.status is Status.FAILED]
        for name, wanted in expected_runs(results).items():
            runs = [(trial.recipe, trial.replicate) for trial in stages[name].trials]
            assert len(runs) == len(set(runs)) == wanted, (name, runs)
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
        """Nothing of a finished trial is made again; of a running one an epoch for each kill, with equal figures."""
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
        assert all(again <= kills for again in epochs.values()), f"more than an epoch repeated after a kill: {epochs}"
        assert epochs.total() <= self.workers * kills, f"more epochs repeated than trials ran: {epochs}"
        self.tally.repeated_epochs += epochs.total()
        self.tally.repeated_evaluations += made.total() - epochs.total()

    def _check_kept(self, results: Results) -> None:
        """Every trial that was there is there, finished ones as they were; none is another one's number."""
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

    def _check_curves(self, results: Results) -> None:
        """Curves hold the epochs that were sworn to: all of a finished trial, of a running one all but the last."""
        sworn: dict[Key, dict[int, str]] = defaultdict(dict)
        for line in self.lines:
            if line.epoch:
                sworn[line.trial][line.epoch] = line.metrics
        for trial in results.everything:
            known = sworn.pop((trial.stage, trial.number), {})
            rows = read_curves(trial_folder(self.study, trial.number, trial.stage) / "curves.csv")
            self._check_curve(results, trial, known, rows)
        assert not sworn, f"epochs of trials that are not in the storage: {sworn}"

    def _check_curve(self, results: Results, trial: Trial, known: dict[int, str], rows: list[dict[str, float]]) -> None:
        metric, running = results.study.metric.name, trial.status is Status.RUNNING
        recorded = [int(row["epoch"]) for row in rows]
        assert recorded == list(range(1, len(recorded) + 1)), (trial, recorded)
        assert set(recorded) <= set(known), (trial, recorded, known)
        assert len(known) - len(recorded) <= running, f"a recorded epoch was lost: {trial}, {recorded}, sworn {known}"
        for row in rows:
            figures = json.loads(known[int(row["epoch"])])
            assert {name: row[name] for name in figures} == figures, (trial, row, figures)
        held_out = [epoch for epoch, figures in known.items() if metric in json.loads(figures)]
        missing = [epoch for epoch in held_out if epoch not in trial.curve]
        assert len(missing) <= running, f"an epoch is not in the storage: {trial}, {missing}"
        assert all(trial.curve[epoch] == json.loads(known[epoch])[metric] for epoch in trial.curve), trial
        if trial.status is Status.COMPLETE and trial.curve:
            last, best = trial.curve[max(trial.curve)], max(trial.curve.values())
            assert trial.value == (last if results.study.metric.at == "last" else best), trial

    def _check_records(self, results: Results, missing_allowed: int) -> None:
        """A finished trial has its record, which says what the storage says; a running one has none."""
        missing = []
        for trial in results.everything:
            path = trial_folder(self.study, trial.number, trial.stage) / RECORD
            if not path.exists():
                missing += [trial] * (trial.status is not Status.RUNNING)
                continue
            assert read_record(path) == trial, f"{path} is not what the storage says: {trial}"
        assert len(missing) <= missing_allowed, f"records are missing: {missing}"
        self.tally.records_written_later += len(missing)

    def _check_said(self, results: Results) -> None:
        """What a driver said has ended, has ended so."""
        ended = {(trial.stage, trial.number): trial.status.value for trial in results.everything}
        text = self.said()
        assert self.tracebacks or "Traceback" not in text, text
        for stage, number, status in SAID_END.findall(text):
            key = ("search" if stage == "trial" else stage, int(number))
            assert ended.get(key) == status, f"{stage} {number} was said to be {status}, but is {ended.get(key)}"

    def said(self) -> str:
        """All that the drivers of the study have said."""
        file = self.folder / "said.txt"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def _check_documents(self) -> None:
        """What is written whole is read whole after every kill."""
        for path in (self.study / ENVIRONMENT, self.folder / "runs" / ".openings.json"):
            assert not path.exists() or json.loads(path.read_text(encoding="utf-8"))
        page = self.folder / "reports" / self.name / "index.html"
        assert not page.exists() or page.read_text(encoding="utf-8").rstrip().endswith("</html>")

    def _check_baseline(self, results: Results) -> None:
        """The baseline is among the trials of the search, whose space contains it."""
        if not results.study.space.dimensions:
            return
        own = load(results.study.workload).schema.validate(results.study.baseline)
        tried = [trial.parameters for trial in results.trials if trial.status.counted]
        wanted = {key: reduce(getattr, key.split("."), own) for key in tried[0]}
        assert wanted in tried, f"the baseline was not tried: {wanted}"

    def _check_openings(self, results: Results) -> None:
        """The test set was opened once, for the models of the stage final, each of which was measured."""
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
        """The report has been written, of this very state: every finished trial of the search is in its table."""
        page = self.folder / "reports" / self.name / "index.html"
        assert page.exists()
        assert str(results.environment["updated"]) in page.read_text(encoding="utf-8")


def expected_runs(results: Results) -> dict[str, int]:
    """How many runs each stage of replicates comes to when it is whole; of the final, the incumbent's."""
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
    """The stage of the trial that was left running; between trials, the one that began last."""
    running = [trial.stage for trial in results.everything if trial.status is Status.RUNNING]
    if running:
        return running[-1]
    if results.environment.get("complete"):
        return "report"
    return [*results.stages][-1] if results.stages else "search"


@contextmanager
def _copied(study: Path) -> Iterator[Path]:
    """A runs folder with a copy of the study: to read a database recovers it, which is left to the next driver."""
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        shutil.copytree(study, Path(folder) / study.name, ignore=shutil.ignore_patterns("checkpoint"))
        yield Path(folder)
