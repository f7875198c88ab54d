"""Read what a report publishes: its tables as CSV and Markdown, its answer, and the study file."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

WITHOUT, RETUNED = "without ", " (re-tuned)"
# A cell's text in Markdown: titles that differ from the names in the CSV file.
TITLES = {"reference": "reference mean", "left out": "pairs left out", "MACs": "macs", "time": "seconds"}
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Published:
    """A report folder and its study file."""

    folder: Path
    study: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path, study_file: Path) -> Published:
        """Read the study file; the tables are read at their first use."""
        return cls(folder, YAML(typ="safe").load(study_file.read_text(encoding="utf-8")))

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name, every cell as its text."""
        files = sorted((self.folder / "tables").glob("*.csv"))
        return {file.stem: pd.read_csv(file, dtype=str, keep_default_na=False) for file in files}

    @cached_property
    def markdown(self) -> dict[str, list[dict[str, str]]]:
        """The rows of the Markdown tables by name, with the column names of the CSV files."""
        return {file.stem: _rows(file.read_text("utf-8")) for file in sorted((self.folder / "tables").glob("*.md"))}

    @cached_property
    def answer(self) -> list[str]:
        """The sentences of the answer."""
        lines = (self.folder / "README.md").read_text(encoding="utf-8").partition("\n## ")[0].splitlines()
        return [_plain(line) for line in lines[1:] if line.strip() and not line.startswith(">")]

    @property
    def metric(self) -> str:
        """The name of the study's metric."""
        return str(self.study["metric"]["name"])

    @property
    def better(self) -> float:
        """1 if larger is better, else -1."""
        return 1.0 if self.study["metric"].get("goal", "maximize") == "maximize" else -1.0

    @property
    def percent(self) -> bool:
        """Whether the metric is shown in percent."""
        shown = [
            cell
            for name in ("arms", "confirmed", "test")
            for row in self.markdown.get(name, ())
            for cell in row.values()
        ]
        return any(" %" in cell for cell in shown)

    @property
    def margin(self) -> float | None:
        """The margin of equivalence."""
        margin = (self.study.get("ablation") or {}).get("margin")
        return None if margin is None else float(margin)

    @property
    def first(self) -> int | None:
        """The number of pairs in Stein's first stage; None with a fixed number of seeds."""
        seeds = (self.study.get("ablation") or {}).get("seeds")
        return int(seeds["min"]) if isinstance(seeds, Mapping) and seeds.get("precision") else None

    @property
    def anytime(self) -> bool:
        """Whether intervals and p of the ablation allow for a look after every pair."""
        seeds = (self.study.get("ablation") or {}).get("seeds")
        return isinstance(seeds, Mapping) and bool(seeds.get("anytime"))

    @cached_property
    def corrected(self) -> bool:
        """Whether the report corrects equivalence and detectable differences, which those of version 0.1 did not."""
        return any("Holm sign-flip p" in table or "collapsed" in table for table in self.tables.values())

    @property
    def fewest(self) -> int:
        """The runs from which on a mean has an interval."""
        return 3 if self.corrected else 2

    def step(self, stage: str) -> float:
        """Return the share in percent that one image has in the figures of a stage; 0 if it is not known."""
        if not (self.corrected and self.percent and "provenance" in self.tables):
            return 0.0
        facts = dict(self.tables["provenance"].itertuples(index=False, name=None))
        images = facts.get("data.test_images" if stage == "final" else "data.validation_images")
        return 100 / int(images) if images else 0.0

    def arm(self, label: str) -> str:
        """Return the arm that a table of pairs calls `label`: "without relu" is the arm relu."""
        return label.removeprefix(WITHOUT) if self._runs("ablation", label).empty else label

    def values(self, stage: str, arm: str, part: str = "test") -> dict[int, float]:
        """Return the metric of an arm's runs by replicate; in the stage final, on the labelled set `part`.

        Completed runs are in the table of replicates. A diverged run counts at chance, which only the pairs show.
        """
        found = self._completed(stage, arm, part)
        return dict(sorted({**self._from_pairs(arm), **found}.items())) if stage == "ablation" else found

    def ended(self, stage: str, arm: str) -> set[int]:
        """Return the replicates of an arm whose runs have ended, in whichever way."""
        runs = self._runs(stage, arm)
        return {int(float(replicate)) for replicate in runs[~runs.status.isin(["running", "abandoned"])].replicate}

    def _runs(self, stage: str, arm: str) -> pd.DataFrame:
        """The runs of an arm; if its recipe has changed, those of the present one.

        An arm whose re-tuning chose the settings that it had before shares the runs of its twin.
        """
        every = self.tables.get("replicates", pd.DataFrame(columns=["stage", "arm", "status", "recipe", "replicate"]))
        runs = every[(every.stage == stage) & (every.arm == arm)]
        if runs.empty:
            return self._runs(stage, arm.removesuffix(RETUNED)) if arm.endswith(RETUNED) else runs
        return runs[runs.recipe == runs.recipe.iloc[-1]]

    def _completed(self, stage: str, arm: str, part: str) -> dict[int, float]:
        runs = self._runs(stage, arm)
        runs = runs[runs.status == "complete"]
        column = f"{part}.{self.metric.removeprefix('val_')}" if stage == "final" else self.metric
        if column not in runs and part == "test":  # version 0.1 had the test figure in the metric's own column
            column = self.metric
        if column not in runs:
            return {}
        return {int(float(row.replicate)): float(row[column]) for _, row in runs.iterrows() if row[column]}

    def _from_pairs(self, arm: str) -> dict[int, float]:
        pairs = self.tables.get("pairs")
        if pairs is None:
            return {}
        names = {arm, WITHOUT + arm}
        of_arm, of_reference = pairs[pairs.arm.isin(names)], pairs[pairs.against.isin(names)]
        values = [*zip(of_reference.replicate, of_reference.reference, strict=True)]
        values += [*zip(of_arm.replicate, of_arm.value, strict=True)]
        return {int(replicate): float(value) for replicate, value in values}


def _rows(text: str) -> list[dict[str, str]]:
    cells = [[_plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()]
    names = [TITLES.get(name, name) for name in (title.removesuffix(" [95 % CI]") for title in cells[0])]
    return [dict(zip(names, row, strict=True)) for row in cells[2:]]


def _plain(text: str) -> str:
    return html.unescape(_ESCAPE.sub(r"\1", text)).replace("\u200b", "").strip()
