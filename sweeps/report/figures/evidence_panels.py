"""The figures of the evidence, by the section of the page in which they stand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from sweeps.evidence.findings import Findings
from sweeps.formatting import count
from sweeps.report.figures import draw_evidence as evidence
from sweeps.report.figures import evidence_data as contrasts
from sweeps.report.figures.panel import Panel
from sweeps.storage.results import Results

# An absent figure of a stage that has run needs no excuse: it belongs to another design, or its runs are to come.
NO_EXCUSE = ""


def ablation_panels(findings: Findings) -> Iterator[Panel]:
    """What the ablation is drawn as."""
    yield Panel(
        "forest",
        "Differences with their intervals",
        lambda results: contrasts.differences(findings),
        evidence.draw_forest,
        partial(_forest, findings),
        "no arm has two pairs of finished runs",
    )
    yield Panel(
        "path",
        "The path from the baseline to the incumbent",
        lambda results: contrasts.path(findings),
        evidence.draw_path,
        _path,
        NO_EXCUSE,
    )
    yield Panel(
        "interactions",
        "Main effects and interactions",
        lambda results: contrasts.interactions(findings),
        evidence.draw_interactions,
        _interactions,
        NO_EXCUSE,
    )
    yield Panel(
        "pairs",
        "The pairs behind the differences",
        lambda results: contrasts.pairs(findings),
        evidence.draw_pairs,
        _pairs,
        NO_EXCUSE,
    )
    yield bands_panel(findings)


def bands_panel(findings: Findings) -> Panel:
    """The curves of a stage of replicates."""
    return Panel(
        "bands",
        "Learning curves over the seeds",
        lambda results: contrasts.bands(findings),
        evidence.draw_bands,
        _bands,
        NO_EXCUSE,
    )


def final_panels(findings: Findings) -> Iterator[Panel]:
    """What the opened test set is drawn as."""
    yield Panel(
        "shifts",
        "Validation, the test set, and the sets beside it",
        lambda results: contrasts.shifts(findings),
        evidence.draw_shifts,
        _shifts,
        "no arm has two finished runs",
    )


def span(data: pd.DataFrame, column: str, noun: str) -> str:
    """How many of something there are behind each row: "n = 6 pairs", "n = 4 to 6 pairs"."""
    low, high = int(data[column].min()), int(data[column].max())
    return f"n = {count(low, noun)}" if low == high else f"n = {low} to {count(high, noun)}"


def _forest(findings: Findings, data: pd.DataFrame, results: Results) -> str:
    asked = results.study.ablation
    effects = findings.ablation.effects if findings.ablation else ()
    what = "with the component minus without it, and interactions (×)" if effects else "arm minus reference"
    text = (
        f"{span(data, 'pairs', 'seed' if effects else 'pair')} in each row, on validation data: {what}. Thick: the "
        "95 % interval; thin: simultaneous over the same table (Bonferroni). Filled: Holm p below 0.05; open: not."
    )
    if asked is not None and asked.margin is not None:
        margin = findings.words.difference(asked.margin).lstrip("+")
        text += f" Shaded: the margin of ±{margin} that the study calls unimportant."
    return text


def _pairs(data: pd.DataFrame, results: Results) -> str:
    per_arm = data.groupby("arm").size().to_frame("pairs")
    return (
        f"{span(per_arm, 'pairs', 'pair')} for each arm, on validation data. One line per seed, from the reference "
        "(open) to the arm (filled). Both ends share the split, the order of the images and the draws of augmentation."
    )


def _interactions(data: pd.DataFrame, results: Results) -> str:
    components = data["row"].nunique()
    return (
        f"n = {count(components, 'component')}, on validation data. Diagonal: with the component minus without "
        "it, on average over the others; beside it: half of how much having one changes what the other does."
    )


def _path(data: pd.DataFrame, results: Results) -> str:
    return (
        f"{span(data, 'pairs', 'pair')} for each step, on validation data and on fresh seeds: the runs by which the "
        "steps were chosen are not among them. Whiskers: the 95 % interval of each step's difference."
    )


def _bands(data: pd.DataFrame, results: Results) -> str:
    return (
        f"{span(data, 'runs', 'completed run')} for each arm, on validation data. Line: the mean over seeds; band: its "
        "95 % interval at each epoch by itself. Runs that diverged are not drawn."
    )


def _shifts(data: pd.DataFrame, results: Results) -> str:
    text = f"{span(data, 'runs', 'run')} for each arm and set: validation data, then the test set"
    named = [name for name in dict.fromkeys(data["set"]) if name not in ("validation", "test")]
    text += f", then {count(len(named), 'further set')}" if named else ""
    text += ". Whiskers: the 95 % interval of the mean."
    joined = data["family"].notna().any()
    return f"{text} Joined by a line: one corruption at rising severity." if joined else text
