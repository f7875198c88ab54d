"""List the tables of a report, by section of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from sweeps.artifacts.layout import ABLATION, FINAL, TEST, VALIDATION
from sweeps.evidence import Ablation, Comparison
from sweeps.evidence.findings import Findings
from sweeps.evidence.procedure.same_seed import same_seed_line
from sweeps.evidence.procedure.tuning import unequal_tuning
from sweeps.formatting import MetricFormat, count, device_amount, in_local_time, percent
from sweeps.report.crossed import tables as crossed
from sweeps.report.data import ReportData
from sweeps.report.decisions.tables import NAME as DECISIONS
from sweeps.report.declarations import declared_provenance
from sweeps.report.duplicates.tables import NAMES as DUPLICATES
from sweeps.report.images.tables import NAMES as IMAGE_NAMES
from sweeps.report.images.tables import image_frames
from sweeps.report.incumbent import choice_note
from sweeps.report.tables import levels
from sweeps.report.tables.ablation import (
    EQUIVALENCE,
    checks_table,
    comparison_table,
    effects_table,
    not_applicable_table,
    retuned_table,
)
from sweeps.report.tables.classes import pairs_table
from sweeps.report.tables.cost import SAVED, cost_table, stages_table
from sweeps.report.tables.frames import (
    best_table,
    curves_table,
    not_completed_table,
    openings_table,
    provenance_table,
    replicates_table,
    trials_table,
    with_last_epochs,
)
from sweeps.report.tables.grid import Formats, Titles, formats
from sweeps.report.tables.grid import titles as titles_of
from sweeps.report.tables.interval import difference, level, plain, probability
from sweeps.report.tables.outcomes import ends_table
from sweeps.report.tables.table import Table
from sweeps.stats import ALPHA
from sweeps.trial.arm import BASELINE

# Every name of a table. A new report removes the files of these names that it does not write, and no others.
NAMES = (
    *("ablation", "ablation_checks", "ablation_retuned", "not_applicable", "effects", "arms"),
    *("confirmed", "test", "test_differences", "test_checks", "shifts", "openings"),
    *("classes", "confused", "confusion", "further_validation", "further_test"),
    *("others_validation", "others_test"),
    *("winner", "best", "ends", "stages", "cost", "provenance", "declarations"),
    *DUPLICATES,
    *("trials", "replicates", "not_completed", "curves", "pairs"),
    *IMAGE_NAMES,
    *crossed.NAMES,
    DECISIONS,
)
ACCURACY, NUMBER = MetricFormat("accuracy", "%", "maximize"), MetricFormat("number", "", "maximize")
CLASSES_SHOWN = 30  # a table of more is folded
UNSHOWN = ["status", "seed", "started", "finished", "reason", "trainable_parameters"]

_COUNTS: Formats = dict.fromkeys(("parameters", "macs"), lambda number: f"{int(number):,}")
_TITLES: Titles = {"macs": "MACs"}


def confirmed_tables(findings: Findings) -> list[Table]:
    """Return the table of the confirmed configurations; none before confirm has begun."""
    shown = level(findings.metric_format)
    kinds: Formats = {
        **dict.fromkeys(("search (one run)", "confirmed", "after the choice", TEST), shown),
        "from the best": difference(findings.metric_format),
        "Holm p": probability,
        **_COUNTS,
    }
    note = (
        f"Ranked by the mean over fresh seeds, on {VALIDATION} data. The value of the search is a single run that was "
        "selected as an extreme. Brackets: the 95 % interval of the mean. From the best: minus the candidate with the "
        "best mean, paired by seed; told apart: whether p, by Holm over all pairs of candidates, is below 0.05."
    )
    if findings.confirmation is not None:
        note += choice_note(findings.confirmation)
    frame = levels.confirmed_table(findings)
    # A table as wide as this has no room for columns of zeros and of what the sentences say; the longest one is last.
    zeros = [name for name in ("diverged", "collapsed") if not any(frame[name])]
    unshown = [*zeros, "test seeds", "seeds after the choice"]
    page = frame[[*frame.columns.drop("change"), "change"]]
    return _present(
        Table("confirmed", "Confirmed configurations", frame, kinds, _TITLES, note, unshown=unshown, page=page)
    )


def ablation_tables(data: ReportData) -> list[Table]:
    """Return the tables of the ablation that have a row; none before it has begun."""
    ablation, words = data.findings.ablation, data.findings.metric_format
    if ablation is None:
        return []
    not_applicable = not_applicable_table(ablation.not_applicable, ablation.design)
    return _present(
        _effects(ablation, words),
        _with_tuning(
            data.findings,
            _comparisons("ablation", "Every arm against its reference", ablation.comparisons, words, ablation.design),
        ),
        _retuned(data.findings, ablation),
        _checks("ablation_checks", "Checks and counts", ablation.comparisons, words),
        _levels(ablation, words),
        *_further(VALIDATION, data, ABLATION),
        Table("not_applicable", "Not applicable", not_applicable, note="Never trained."),
    )


def final_tables(data: ReportData) -> list[Table]:
    """Return the tables of the opened test set that have a row; none while it is sealed."""
    final, words = data.findings.final, data.findings.metric_format
    if final is None or not final.sets:
        return []
    comparisons = final.sets[0].comparisons
    design = data.findings.ablation.design if data.findings.ablation else ""
    return _present(
        _test(data.findings),
        _with_tuning(
            data.findings,
            _on_such_images(
                _comparisons("test_differences", "Differences on the test set", comparisons, words, design, TEST),
                comparisons,
                data.findings,
            ),
        ),
        _checks("test_checks", "Checks and counts on the test set", comparisons, words),
        _shifts(data.findings),
        *_further(TEST, data, FINAL),
    )


def class_tables(data: ReportData) -> list[Table]:
    """Return the tables of the classes that have a row; none without a confusion matrix."""
    classes, accuracies = data.classes, data.class_accuracies
    if classes is None or accuracies is None:
        return []
    share: Formats = dict.fromkeys(("of all errors", "of the class"), lambda value: f"{value:.1f} %")
    return _present(
        Table(
            "confused",
            "Most confused classes",
            pairs_table(classes),
            {**share, **dict.fromkeys(("class", "taken for"), str)},
            note=(
                f"{classes.evidence}. Times: over all runs. The other way: how often the second class was taken for "
                "the first."
            ),
        ),
        Table(
            "classes",
            "Accuracy of each class",
            accuracies,
            {"accuracy": level(ACCURACY), "class": str},
            {"accuracy": "accuracy [95 % CI]"},
            f"{classes.evidence}. Images: in one run; the exact interval is for this number.",
            folded=len(classes.confusion.names) > CLASSES_SHOWN,
        ),
    )


def openings_tables(findings: Findings) -> list[Table]:
    """Return the table of the openings of the test set by this study; none before the first."""
    frame = openings_table(findings.openings)
    return _present(Table("openings", "Openings of the test set by this study", frame, {"at": in_local_time}))


def best(findings: Findings) -> Table:
    """Return the table of the best trials of the search."""
    words, metric = findings.metric_format, findings.results.study.metric.name
    frame = best_table(findings)
    return Table("best", "The search's best", frame, formats(words, metric), titles_of(words, metric), unshown=UNSHOWN)


def outcomes(data: ReportData) -> Table:
    """Return the table of the trials that did not complete."""
    return Table("ends", "Pruned, failed, rejected", ends_table(data.ends))


def cost_tables(data: ReportData) -> list[Table]:
    """Return the tables of the cost: by stage, if there are stages after the search, and by status."""
    cost = data.cost
    kinds: Formats = {
        cost.unit: device_amount,
        "per completed run": device_amount,
        "share": lambda share: percent(share, 100),
        **dict.fromkeys(("trials", "runs", "epochs", "complete", *SAVED), lambda number: f"{int(number):,}"),
    }
    titles = {cost.unit: cost.title}
    by_state = Table("cost", "By how runs ended", cost_table(cost), kinds, titles)
    if not data.results.stages:
        return [by_state]
    return [Table("stages", "By stage", stages_table(data.stage_costs, cost), kinds, titles), by_state]


def provenance(findings: Findings) -> Table:
    """Return the table of the versions, the data, the machine and what each stage declared."""
    results = findings.results
    spread = same_seed_line(results)
    repeats = {"spread of one seed": spread} if spread else {}
    frame = provenance_table({**results.environment, **declared_provenance(results), **repeats})
    return Table("provenance", "Provenance", frame, dict.fromkeys(frame.columns, in_local_time))


def data_frames(data: ReportData) -> dict[str, pd.DataFrame]:
    """Return the data behind the tables by the names of their CSV files: every trial, epoch and pair."""
    results = data.results
    frames = {
        "trials": with_last_epochs(trials_table(data.findings), results.trials, data.findings.last_epochs),
        "not_completed": not_completed_table(data.findings),
        "curves": curves_table(results),
    }
    if results.stages:
        runs = [run for stage in results.stages.values() for run in stage.trials]
        replicates = with_last_epochs(replicates_table(results), runs, data.findings.last_epochs)
        frames |= {"replicates": replicates, "pairs": data.pairs, **image_frames(data.findings.images)}
        frames |= crossed.crossed_frames(data.findings)
    return frames if data.confusion is None else frames | {"confusion": data.confusion}


def _present(*tables: Table) -> list[Table]:
    return [table for table in tables if len(table.frame)]


def _test(findings: Findings) -> Table:
    shown, moved = level(findings.metric_format), difference(findings.metric_format)
    kinds: Formats = {VALIDATION: shown, TEST: shown, levels.MOVED: moved, **crossed.accuracy_formats(shown)}
    note = (
        "Trained on training and validation data together: not the runs that were measured on validation data. "
        "Brackets: the 95 % interval of the mean over seeds, which a single run does not have."
        f"{crossed.note(crossed.on_test(findings))}"
    )
    return Table(TEST, "Validation and test", levels.test_table(findings), kinds, note=note)


def _on_such_images(table: Table, comparisons: Sequence[Comparison], findings: Findings) -> Table:
    """The table of comparisons with the columns over seeds and images, where they are offered."""
    frame = crossed.with_differences(table.frame, comparisons, crossed.on_test(findings))
    if crossed.SUCH not in frame:
        return table
    kinds: Formats = {crossed.SUCH: difference(findings.metric_format), crossed.CROSSED_P: probability}
    return replace(table, frame=frame, formats={**table.formats, **kinds}, note=table.note + crossed.DIFFERENCE_NOTE)


def _shifts(findings: Findings) -> Table:
    shown, moved = level(findings.metric_format), difference(findings.metric_format)
    frame = levels.shift_table(findings)
    kinds: Formats = {"mean": shown, levels.MOVED: moved, crossed.SUCH: shown, **dict.fromkeys(("set", "arm"), str)}
    page = levels.shifts_by_row(frame)
    return Table("shifts", "Validation, test and further sets", frame, kinds, page=page)


def _further(part: str, data: ReportData, stage: str) -> Iterator[Table]:
    """The metrics beside the study's: those in percent, and the others."""
    frame = data.further_metrics[stage]
    note = "Means over the completed runs with 95 % intervals. On training data: after the last epoch."
    for unit, words, name, title in (
        ("%", ACCURACY, f"further_{part}", f"Further accuracies: {stage}"),
        ("", NUMBER, f"others_{part}", f"Further metrics: {stage}"),
    ):
        rows = frame[frame["unit"] == unit].drop(columns="unit").reset_index(drop=True)
        kinds: Formats = {"mean": level(words), **dict.fromkeys(("arm", "data", "figure"), str)}
        yield Table(name, title, rows, kinds, {"mean": "mean [95 % CI]"}, note, folded=True)


def _comparisons(
    name: str,
    title: str,
    comparisons: Sequence[Comparison],
    words: MetricFormat,
    design: str,
    part: str = VALIDATION,
) -> Table:
    shown = level(words)
    kinds: Formats = {
        "reference mean": shown,
        "arm mean": shown,
        "difference": difference(words),
        "Holm p": probability,
    }
    titles: Titles = {"difference": "difference [95 % CI]", "reference mean": "reference"}
    family = max((one.family for one in comparisons), default=0)
    adjusted = f"; p by Holm over {count(family, 'comparison')}" if family else ""
    note = f"On {part} data: arm minus reference, paired by seed{adjusted}."
    if any(one.paired and one.paired.at_most for one in comparisons):
        note += " Intervals and p are valid under looking after every pair (anytime)."
    # A column with the same reference in every row says nothing.
    unshown = ["against"] if {one.reference.name for one in comparisons} == {BASELINE} else []
    return Table(name, title, comparison_table(comparisons, design), kinds, titles, note, unshown=unshown)


def _with_tuning(findings: Findings, table: Table) -> Table:
    """Return a table of comparisons with a note on arms that were not tuned alike."""
    return replace(table, note=" ".join([table.note, *unequal_tuning(findings.results)]))


def _checks(name: str, title: str, comparisons: Sequence[Comparison], words: MetricFormat) -> Table:
    moved = difference(words)
    kinds: Formats = {
        "simultaneous interval": moved,
        **dict.fromkeys(("sign-flip p", "Holm sign-flip p", "smallest sign-flip p"), probability),
        **_equivalence(words),
        "without diverged and collapsed": moved,
        **dict.fromkeys(("d_z", "P(arm beats reference)", "correlation of pairs"), plain),
        "detectable difference": lambda value: moved(value).lstrip("+"),
        **_COUNTS,
    }
    note = (
        "Simultaneous: Bonferroni over the same comparisons. Sign-flip: exact, with the smallest p that so few pairs "
        "can reach. d_z: mean difference over the standard deviation of the differences. P: the share of seeds on "
        "which the arm's metric was better. Detectable: with 80 % power by the test that Holm corrects. Equivalence "
        "interval: that of the arm's step in Holm's procedure, within the margin exactly if Holm equivalence p is "
        f"below {ALPHA}. Collapsed: finite, but at chance level while other runs of the arm are not. Diverged and "
        "collapsed runs count with their value at chance, and void a claim of equivalence."
    )
    if any(one.paired and one.paired.at_most for one in comparisons):
        note += (
            " With anytime there is no sign-flip check, and the intervals of d_z and P are those of a fixed number of "
            "pairs."
        )
    titles: Titles = {**_TITLES, "d_z": "d_z [95 % CI]", "pairs left out": "left out"}
    return Table(name, title, checks_table(comparisons), kinds, titles, note, folded=True)


def _equivalence(words: MetricFormat) -> Formats:
    return {
        **dict.fromkeys(EQUIVALENCE[:2], probability),
        EQUIVALENCE[2]: difference(words),
        EQUIVALENCE[3]: lambda share: f"{100 * share:.3g} %",
    }


def _effects(ablation: Ablation, words: MetricFormat) -> Table:
    moved = difference(words)
    kinds: Formats = {
        **dict.fromkeys(("estimate", "simultaneous interval"), moved),
        **dict.fromkeys(("p", "Holm p", "Holm sign-flip p"), probability),
        "detectable effect": lambda value: moved(value).lstrip("+"),
        **_equivalence(words),
    }
    note = (
        f"On {VALIDATION} data, with seeds as blocks. A main effect: with the component minus without it, averaged "
        "over the others. An interaction: half of the difference between the effect of one component with the other "
        "and without it."
    )
    titles: Titles = {"estimate": "estimate [95 % CI]"}
    frame = effects_table(ablation.effects)
    # The sentence on the design lists the effects that share an estimate.
    return Table("effects", "Main effects and interactions", frame, kinds, titles, note, unshown=["aliases"])


def _retuned(findings: Findings, ablation: Ablation) -> Table:
    moved, tuned = difference(findings.metric_format), findings.facts(ABLATION).get("tuned", {})
    kinds: Formats = {
        **dict.fromkeys(("fixed difference", "re-tuned difference"), moved),
        **dict.fromkeys(("fixed Holm p", "re-tuned Holm p"), probability),
    }
    note = "Fixed: arms with the settings of their reference. Re-tuned: arms and reference, each tuned again before."
    frame = retuned_table(ablation.comparisons, ablation.retuned, tuned)
    return Table("ablation_retuned", "Fixed and re-tuned", frame, kinds, {}, note)


def _levels(ablation: Ablation, words: MetricFormat) -> Table:
    note = f"Means over all seeds, on {VALIDATION} data, with 95 % intervals: not paired, so not for comparing arms."
    kinds: Formats = {"mean": level(words)}
    frame = levels.levels_table(ablation.levels)
    return Table("arms", "Means of the arms", frame, kinds, {"mean": "mean [95 % CI]"}, note, folded=True)
