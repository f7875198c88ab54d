"""Recompute the tables of means, and of the best trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from benchmarks.recompute import statistics
from benchmarks.recompute.compare import NOT_PUBLISHED, Cell, Columns
from benchmarks.recompute.comparisons import Pairs, comparison
from benchmarks.recompute.published import WITHOUT, Published

PARTS = {"training": "train_", "validation": "val_"}


@dataclass(frozen=True)
class Level:
    """The values of one arm over its seeds."""

    values: Sequence[float]
    percent: bool
    fewest: int = 2
    floor: float = 0.0

    @property
    def center(self) -> float | None:
        """The mean; None without a run."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def cells(self) -> tuple[Cell, Cell, Cell]:
        """The mean and its interval, which no mean of percentages can pass; empty ends without one."""
        if len(self.values) < self.fewest:
            return self.center, None, None
        mean = statistics.mean_of(self.values, floor=self.floor)
        if not mean.error and self.fewest > 2:
            return self.center, None, None
        low, high = mean.interval()
        return self.center, max(0.0, low) if self.percent else low, min(100.0, high) if self.percent else high


def arms(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of the arms' means."""
    found = [_level(report, "ablation", name) for name in table.arm]
    return {**_mean("mean", found), "runs": [len(level.values) for level in found], **ends(report, "ablation", table)}


def confirmed(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of the confirmed configurations."""
    found, trials = [_level(report, "confirm", name) for name in table.arm], report.tables["trials"]
    searched = trials.set_index("trial")[report.metric]
    tested = [_tested(report, name) for name in table.arm]
    centers = [-report.better * (level.center or 0.0) for level in found]
    return {
        "rank": [1 + sum(other < own for other in centers) for own in centers],
        "search (one run)": [float(searched[name.removeprefix("trial ")]) for name in table.arm],
        **_mean("confirmed", found),
        "seeds": [len(level.values) for level in found],
        "diverged": ends(report, "confirm", table)["diverged"],
        **_mean("test", tested),
        "test seeds": [len(level.values) or None for level in tested],
        **_choice(report, table),
    }


def _choice(report: Published, table: pd.DataFrame) -> Columns:
    """The incumbent over the runs made after its choice, and the candidates against the best mean."""
    section = report.study.get("ablation") or {}
    fresh = ("ablation", "baseline") if section.get("baseline", "given") == "best" else ("incumbent", None)
    marked = table.incumbent if "incumbent" in table else [""] * len(table)
    levels = [
        _level(report, fresh[0], fresh[1] or arm) if mark else None for arm, mark in zip(table.arm, marked, strict=True)
    ]
    # p is adjusted over all pairs of candidates; the first ones are those with the best mean.
    family = [Pairs.of(report, "confirm", arm, other) for other, arm in combinations(table.arm, 2)]
    compared = {name: cells[: len(table) - 1] for name, cells in comparison(family, None).items()}
    return {
        **_three("after the choice", [level.cells if level else None for level in levels]),
        "seeds after the choice": [len(level.values) if level else None for level in levels],
        "from the best": [None, *compared["difference"]],
        "from the best low": [None, *compared["difference low"]],
        "from the best high": [None, *compared["difference high"]],
        "Holm p": [None, *compared["Holm p"]],
    }


def test(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of validation and test."""
    before = [_validation(report, name) for name in table.arm]
    after = [_level(report, "final", name) for name in table.arm]
    return {
        **_mean("validation", before),
        **_mean("test", after),
        "spread over seeds": [_spread(level) for level in after],
        **dict.fromkeys(("on such images low", "on such images high"), [NOT_PUBLISHED] * len(table)),
        "from validation": [_moved(*both) for both in zip(before, after, strict=True)],
        "seeds": [len(level.values) for level in after],
        **ends(report, "final", table),
    }


def shifts(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of further sets; version 0.1 published their differences alone."""
    columns: dict[str, Sequence[Cell]] = {}
    for name in [name for name in table.columns if f"{name}: from validation" in table.columns]:
        rows = [float(cell) if cell else None for cell in table[name]]
        moved = [None if row is None or rows[0] is None else row - rows[0] for row in rows[1:]]
        columns[f"{name}: from validation"] = [None, *moved]
        arm = name.removeprefix(WITHOUT)
        found = [_level(report, "final", arm, row) for row in table["set"]]
        found[0] = _validation(report, arm)
        cells = [level.cells if level.values else None for level in found]
        for place, each in enumerate((name, f"{name} low", f"{name} high")):
            columns[each] = [cell[place] if cell else NOT_PUBLISHED for cell in cells]
        for end in ("low", "high"):
            columns[f"{name}: on such images {end}"] = [NOT_PUBLISHED] * len(table)
    return columns


def accuracies(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of accuracies with both errors; the images behind one of them are in no table."""
    known = [_level(report, "final", row.arm, row["set"]) for _, row in table.iterrows()]
    cells = [level.cells for level in known]
    unknown = ("low on such images", "high on such images", "share of seeds")
    return {
        "seeds": [len(level.values) for level in known],
        "spread over seeds": [_spread(level) for level in known],
        "mean": column(cells, 0),
        "low over seeds": column(cells, 1),
        "high over seeds": column(cells, 2),
        **dict.fromkeys(unknown, [NOT_PUBLISHED] * len(table)),
    }


def further(report: Published, table: pd.DataFrame, stage: str) -> Columns:
    """Return the columns of a table of further metrics; those of labelled sets are in no table of runs."""
    cells, counts = [], []
    runs = report.tables["replicates"]
    for _, row in table.iterrows():
        metric = PARTS.get(row.data, "?") + row.figure.replace(" ", "_")
        own = runs[(runs.stage == stage) & (runs.arm == row.arm) & (runs.status == "complete")]
        metric = metric if metric in own else row.figure.replace(" ", "_")
        # The table's own column `seconds` is the duration of the run, not the metric of its last epoch.
        metric = f"{metric} (metric)" if f"{metric} (metric)" in own else metric
        found = [float(cell) for cell in own[metric] if cell] if metric in own else None
        level = (
            None if found is None else Level(found, row.figure.endswith("accuracy") and report.percent, report.fewest)
        )
        cells.append(level.cells if level else (NOT_PUBLISHED,) * 3)
        counts.append(len(level.values) if level else NOT_PUBLISHED)
    return {"mean": column(cells, 0), "mean low": column(cells, 1), "mean high": column(cells, 2), "runs": counts}


def pairs(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of pairs: the runs of the table of replicates, and their difference."""
    rows = []
    for _, row in table.iterrows():
        arms = [report.values("ablation", report.arm(name)) for name in (row.against, row.arm)]
        rows.append([values[int(row.replicate)] for values in arms])
    return {
        "reference": [before for before, _ in rows],
        "value": [after for _, after in rows],
        "difference": [after - before for before, after in rows],
    }


def best(report: Published, table: pd.DataFrame) -> Columns:
    """Return the table of the best trials, from that of all trials."""
    trials, metric = report.tables["trials"], report.metric
    complete = trials[trials.status == "complete"]
    order = complete.assign(key=-report.better * complete[metric].astype(float), number=complete.trial.astype(int))
    ranked = order.sort_values(["key", "number"], kind="stable").trial.tolist()
    rows = trials.set_index("trial").loc[table.trial]
    shared = [name for name in table.columns if name in rows and name != "trial"]
    return {"rank": [ranked.index(trial) + 1 for trial in table.trial], **{name: list(rows[name]) for name in shared}}


def ends(report: Published, stage: str, table: pd.DataFrame) -> Columns:
    """Return the runs of each arm that diverged, and those that a machine lost."""
    runs = report.tables["replicates"]
    runs = runs[runs.stage == stage].drop_duplicates(["arm", "replicate"], keep="last")
    ended = [runs[runs.arm == name].status.value_counts() for name in table.arm]
    lost = [int(each.get("failed", 0) + each.get("out_of_memory", 0)) for each in ended]
    return {"diverged": [int(each.get("diverged", 0)) for each in ended], "lost": lost}


def _level(report: Published, stage: str, arm: str, part: str = "test") -> Level:
    floor = statistics.rounding(report.step(stage) if part == "test" else 0.0, 1)
    return Level(list(report.values(stage, arm, part).values()), report.percent, report.fewest, floor)


def _spread(level: Level) -> float | None:
    return statistics.mean_of(level.values).sd if len(level.values) > 1 else None


def _validation(report: Published, arm: str) -> Level:
    """The same recipe in the ablation, else in confirm."""
    runs = report.tables["replicates"]
    recipes = set(runs[(runs.stage == "final") & (runs.arm == arm)].recipe)
    for stage in ("ablation", "confirm"):
        own = runs[runs.stage == stage]
        names = [*dict.fromkeys(own[own.recipe.isin(recipes)].arm), arm]
        for name in names:
            if (level := _level(report, stage, name)).values:
                return level
    return Level((), report.percent)


def _tested(report: Published, arm: str) -> Level:
    """The same recipe in the stage final; no run where it has none."""
    runs = report.tables["replicates"]
    recipes = set(runs[(runs.stage == "confirm") & (runs.arm == arm)].recipe)
    opened = runs[(runs.stage == "final") & runs.recipe.isin(recipes)]
    return Level((), report.percent) if opened.empty else _level(report, "final", opened.arm.iloc[0])


def _moved(before: Level, after: Level) -> float | None:
    return None if before.center is None or after.center is None else after.center - before.center


def _mean(name: str, found: Iterable[Level]) -> dict[str, list[Cell]]:
    return _three(name, [level.cells for level in found])


def _three(name: str, cells: Sequence[Sequence[Cell] | None]) -> dict[str, list[Cell]]:
    names = (name, f"{name} low", f"{name} high")
    return {each: [cell[place] if cell else None for cell in cells] for place, each in enumerate(names)}


def column(cells: Sequence[Sequence[Cell]], place: int) -> list[Cell]:
    """Return one column of rows."""
    return [cell[place] for cell in cells]
