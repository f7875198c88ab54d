"""The tables of a report: each as data for a CSV file and as text for the page, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Comparison
from sweeps.evidence.findings import Findings
from sweeps.formatting import MetricFormat, hours, percent
from sweeps.report.tables import ablation as effects
from sweeps.report.tables import levels
from sweeps.report.tables.classes import Classes, classes_of, classes_table, matrix, pairs_table
from sweeps.report.tables.cost import cost_of, cost_table, stages_table
from sweeps.report.tables.frames import (
    best_table,
    curves_table,
    not_completed_table,
    openings_table,
    provenance_table,
    replicates_table,
    trials_table,
)
from sweeps.report.tables.grid import Formats, Grid, Titles, formats
from sweeps.report.tables.grid import titles as titles_of
from sweeps.report.tables.interval import difference, expanded, level, plain, probability
from sweeps.report.tables.other_metrics import further_table
from sweeps.report.tables.outcomes import ends_table
from sweeps.trial.arm import BASELINE

# What a report wrote before and does not write now is removed; other files in its folders are left alone.
NAMES = (
    *("ablation", "ablation_checks", "ablation_retuned", "not_applicable", "effects", "arms"),
    *("confirmed", "test", "test_differences", "test_checks", "shifts", "openings"),
    *("classes", "confused", "confusion", "further_validation", "further_test"),
    *("best", "ends", "stages", "cost", "provenance"),
    *("trials", "replicates", "not_completed", "curves", "pairs"),
)
ACCURACY = MetricFormat("accuracy", "%", "maximize")
CLASSES_SHOWN = 30  # more of them are folded away
UNSHOWN = ["status", "seed", "started", "finished", "reason", "trainable_parameters"]


@dataclass(frozen=True)
class Table:
    """A table by the name of its files. `unshown` columns are for the CSV file alone; `folded` on the page."""

    name: str
    title: str
    frame: pd.DataFrame
    formats: Formats = field(default_factory=dict)
    titles: Titles = field(default_factory=dict)
    note: str = ""
    folded: bool = False
    unshown: Sequence[str] = ()

    @property
    def data(self) -> pd.DataFrame:
        """The cells for a CSV file, intervals in columns of their own."""
        return expanded(self.frame)

    @property
    def grid(self) -> Grid:
        """The cells as text."""
        return Grid.of(self.frame.drop(columns=list(self.unshown)), self.formats, self.titles)


def ablation_tables(findings: Findings) -> list[Table]:
    """What the ablation has shown, without the tables that would be empty."""
    found, words = findings.ablation, findings.words
    if found is None:
        return []
    tables = [
        _effects(findings),
        _comparisons("ablation", "Every arm against its reference", found.comparisons, words),
        _retuned(findings),
        _checks("ablation_checks", "Checks and counts", found.comparisons, words),
        _levels("arms", "The arms by themselves", findings),
        _further("further_validation", findings, "ablation"),
        Table(
            "not_applicable",
            "Not applicable",
            effects.not_applicable_table(found.not_applicable),
            note="Never trained.",
        ),
    ]
    return [table for table in tables if len(table.frame)]


def confirmed_tables(findings: Findings) -> list[Table]:
    """The confirmed configurations; none before confirm has begun."""
    shown = level(findings.words)
    kinds: Formats = {"search (one run)": shown, "confirmed": shown, TEST: shown, **_COUNTS}
    note = (
        f"Ranked by the mean over fresh seeds, on {VALIDATION} data. The search's own value is one run, selected as an "
        "extreme. Intervals: 95 % of the mean."
    )
    frame = levels.confirmed_table(findings)
    table = Table("confirmed", "Confirmed configurations", frame, kinds, _TITLES, note)
    return [table] if len(frame) else []


def final_tables(findings: Findings) -> list[Table]:
    """What the opened test set has shown; none while it is sealed."""
    found, words = findings.final, findings.words
    if found is None or not found.sets:
        return []
    shown, moved = level(words), difference(words)
    lead = "Trained on training and validation data together, hence not the runs that validation judged."
    shifts = levels.shift_table(findings)
    kinds: Formats = {name: moved if str(name).endswith(levels.MOVED) else shown for name in shifts.columns[1:]}
    tables = [
        Table(
            TEST,
            "Validation and test",
            levels.test_table(findings),
            {VALIDATION: shown, TEST: shown, levels.MOVED: moved},
            note=lead,
        ),
        _comparisons("test_differences", "Differences on the test set", found.sets[0].comparisons, words, TEST),
        _checks("test_checks", "Checks and counts on the test set", found.sets[0].comparisons, words),
        Table("shifts", "Validation, test and further sets", shifts, {**kinds, "set": str}),
        _further("further_test", findings, "final"),
    ]
    return [table for table in tables if len(table.frame)]


def class_tables(found: Classes | None) -> list[Table]:
    """How well each class is recognised, and which are taken for which; none where no run left counts."""
    if found is None:
        return []
    share: Formats = dict.fromkeys(("of all errors", "of the class"), lambda value: f"{value:.1f} %")
    about = f"{found.evidence}."
    tables = [
        Table(
            "confused",
            "Most confused classes",
            pairs_table(found),
            {**share, **dict.fromkeys(("class", "taken for"), str)},
            note=f"{about} Times: in all runs. The other way: the same two classes with their parts exchanged.",
        ),
        Table(
            "classes",
            "Accuracy of each class",
            classes_table(found),
            {"accuracy": level(ACCURACY), "class": str},
            {"accuracy": "accuracy [95 % CI]"},
            f"{about} Images: in one run, for which the exact interval is.",
            folded=len(found.confusion.names) > CLASSES_SHOWN,
        ),
    ]
    return [table for table in tables if len(table.frame)]


def openings_tables(findings: Findings) -> list[Table]:
    """The openings of the test set by this study."""
    frame = openings_table(findings.openings)
    return [Table("openings", "Openings of the test set by this study", frame)] if len(frame) else []


def best(findings: Findings) -> Table:
    """The search's best trials."""
    results, words, metric = findings.results, findings.words, findings.results.study.metric.name
    frame = best_table(results)
    return Table("best", "The search's best", frame, formats(words, metric), titles_of(words, metric), unshown=UNSHOWN)


def cost_tables(findings: Findings) -> list[Table]:
    """What everything has cost: by stage, where there are several, and by how runs ended."""
    cost = cost_of(findings.results)
    kinds: Formats = {
        cost.unit: hours,
        "per completed run": hours,
        "share": lambda share: percent(share, 100),
        **dict.fromkeys(("trials", "runs", "epochs", "complete"), lambda number: f"{int(number):,}"),
    }
    by_status = Table("cost", "By how runs ended", cost_table(cost), kinds)
    if not findings.results.stages:
        return [by_status]
    return [Table("stages", "By stage", stages_table(findings.results), kinds), by_status]


def provenance(findings: Findings) -> Table:
    """What ran where, on which data."""
    return Table("provenance", "Provenance", provenance_table(findings.results.environment))


def tables(findings: Findings) -> Iterator[Table]:
    """Every table that the report has, in the order of the page."""
    yield from confirmed_tables(findings)
    yield from ablation_tables(findings)
    yield from final_tables(findings)
    yield from class_tables(classes_of(findings))
    yield best(findings)
    yield Table("ends", "Pruned, failed, rejected", ends_table(findings.results))
    yield from cost_tables(findings)
    yield provenance(findings)
    yield from openings_tables(findings)


def data(findings: Findings) -> dict[str, pd.DataFrame]:
    """What is data rather than a table, by the name of its CSV file: every trial, every epoch, every pair."""
    from sweeps.report.figures.evidence_data import pairs

    results = findings.results
    frames = {
        "trials": trials_table(results),
        "not_completed": not_completed_table(results),
        "curves": curves_table(results),
    }
    if results.stages:
        frames |= {"replicates": replicates_table(results), "pairs": pairs(findings)}
    found = classes_of(findings)
    return frames | {"confusion": matrix(found)} if found else frames


def _further(name: str, findings: Findings, stage: str) -> Table:
    title = "Further accuracies"
    kinds: Formats = {"mean": level(ACCURACY), **dict.fromkeys(("arm", "data", "figure"), str)}
    note = "Means over the runs that completed, with 95 % intervals; of training, those of the last epoch."
    return Table(name, title, further_table(findings, stage), kinds, {"mean": "mean [95 % CI]"}, note, folded=True)


_COUNTS: Formats = dict.fromkeys(("parameters", "macs"), lambda number: f"{int(number):,}")
_TITLES: Titles = {"macs": "MACs"}


def _comparisons(
    name: str, title: str, found: Sequence[Comparison], words: MetricFormat, part: str = VALIDATION
) -> Table:
    shown = level(words)
    kinds: Formats = {
        "reference mean": shown,
        "arm mean": shown,
        "difference": difference(words),
        "Holm p": probability,
    }
    references = {one.reference.name for one in found}
    titles: Titles = {"difference": "difference [95 % CI]", "reference mean": "reference"}
    family = max((one.family for one in found), default=0)
    note = f"On {part} data: arm minus reference, paired by seed; p by Holm over {family} comparisons."
    unshown = ["against"] if references == {BASELINE} else []
    return Table(name, title, effects.comparison_table(found), kinds, titles, note, unshown=unshown)


def _checks(name: str, title: str, found: Sequence[Comparison], words: MetricFormat) -> Table:
    moved = difference(words)
    kinds: Formats = {
        "simultaneous interval": moved,
        **dict.fromkeys(("sign-flip p", "smallest sign-flip p", "equivalence p"), probability),
        **dict.fromkeys(("d_z", "P(arm beats reference)", "correlation of pairs"), plain),
        "detectable difference": lambda value: moved(value).lstrip("+"),
        **_COUNTS,
    }
    note = (
        "Simultaneous: Bonferroni over the same comparisons. Sign-flip: exact, with the smallest p that so few pairs "
        "can reach. d_z: mean difference over its deviation. P: the share of seeds on which the arm's metric was the "
        "better one. Detectable: at 80 % power. Diverged runs count as guessing."
    )
    titles: Titles = {**_TITLES, "d_z": "d_z [95 % CI]", "pairs left out": "left out"}
    return Table(name, title, effects.checks_table(found), kinds, titles, note, folded=True)


def _effects(findings: Findings) -> Table:
    moved = difference(findings.words)
    kinds: Formats = {"estimate": moved, "simultaneous interval": moved, "p": probability, "Holm p": probability}
    found = findings.ablation.effects if findings.ablation else ()
    note = (
        f"On {VALIDATION} data, with seeds as blocks. A main effect: with the component minus without it, on average "
        "over the others. An interaction: half of how much having one changes what the other does."
    )
    title = "Main effects and interactions"
    return Table("effects", title, effects.effects_table(found), kinds, {"estimate": "estimate [95 % CI]"}, note)


def _retuned(findings: Findings) -> Table:
    found, moved = findings.ablation, difference(findings.words)
    fixed, retuned = (found.comparisons, found.retuned) if found else ((), ())
    frame = effects.retuned_table(fixed, retuned, findings.facts("ablation").get("tuned", {}))
    kinds: Formats = {
        **dict.fromkeys(("fixed difference", "re-tuned difference"), moved),
        **dict.fromkeys(("fixed Holm p", "re-tuned Holm p"), probability),
    }
    note = "Fixed: every arm with the settings of its reference. Re-tuned: arms and reference each tuned again first."
    return Table("ablation_retuned", "Fixed and re-tuned, side by side", frame, kinds, {}, note)


def _levels(name: str, title: str, findings: Findings) -> Table:
    found = findings.ablation.levels if findings.ablation else ()
    note = f"Means over all seeds, on {VALIDATION} data, with 95 % intervals: not paired, so not for comparing arms."
    kinds: Formats = {"mean": level(findings.words)}
    return Table(name, title, levels.levels_table(found), kinds, {"mean": "mean [95 % CI]"}, note, folded=True)
