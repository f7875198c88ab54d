"""Write a meta-analysis: the same components over several studies, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from sweeps.artifacts.layout import VALIDATION
from sweeps.evidence.findings import Findings
from sweeps.evidence.meta import MetaAnalysis, agreement, headline, meta_analyses, reservations
from sweeps.formatting import MetricFormat
from sweeps.io.escape import markdown_text
from sweeps.io.files import write_atomic
from sweeps.report.across.compare import comparison_name, conditions_table, study_names
from sweeps.report.html import page_environment, policy, resource
from sweeps.report.static.svg import forest
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.grid import Formats
from sweeps.report.tables.interval import Interval, difference, probability
from sweeps.report.tables.table import Table
from sweeps.report.write import csv_text
from sweeps.storage.results import Results

NAME = "meta"
ALL = "all studies"
DIFFERENCES = ("component", "study", "pairs", "difference", "Holm p")


@dataclass(frozen=True)
class Meta:
    """The content of the page: the studies by name, and a meta-analysis for each component that they share."""

    studies: Mapping[str, Findings]
    analyses: tuple[MetaAnalysis, ...]

    @classmethod
    def of(cls, results: Sequence[Results]) -> Meta:
        """Combine the ablations of two studies or more.

        Raises:
            ValueError: There are fewer than two studies.
            Incompatible: They have different metrics, or no component in common.
        """
        if len(results) < 2:
            raise ValueError(f"a meta-analysis needs two studies or more but got {len(results)}")
        findings = [Findings.of(one) for one in results]
        studies = dict(zip(study_names(findings), findings, strict=True))
        return cls(studies, meta_analyses(studies))

    @property
    def words(self) -> MetricFormat:
        """The format of the metric that all studies have."""
        return next(iter(self.studies.values())).metric_format

    @property
    def sentences(self) -> list[str]:
        """The answer: the mean of each component, the clearest first; how far studies agree; what weakens them."""
        ordered = sorted(self.analyses, key=lambda one: 1.0 if one.p_holm is None else one.p_holm)
        means = [headline(one, self.words) for one in ordered]
        return [*means, *(agreement(one, self.words) for one in ordered), *reservations(self.studies)]

    @property
    def tables(self) -> list[Table]:
        """The differences of each study with their means, the heterogeneity, and the conditions of the studies."""
        return [differences_table(self), heterogeneity_table(self), conditions_table(list(self.studies.values()))]

    def pictures(self) -> dict[str, str]:
        """Return a forest plot as SVG for each component: a row per study, and one for all."""
        return {one.component: self._forest(one) for one in self.analyses}

    def _forest(self, one: MetaAnalysis) -> str:
        rows: list[tuple[object, ...]] = [
            (each.study, each.paired.mean, each.paired.low, each.paired.high, None, None, each.comparison.p_holm)
            for each in one.differences
        ]
        if one.pooled is not None:
            pooled = one.pooled
            rows.append((ALL, pooled.mean, pooled.low, pooled.high, pooled.next_low, pooled.next_high, one.p_holm))
        columns = ("arm", "difference", "low", "high", "simultaneous low", "simultaneous high", "Holm p")
        frame = frame_of(rows, columns).assign(**dict.fromkeys(("equivalence low", "equivalence high")))
        title = f"{one.component}: the difference in {self.words.label} of each study, and of all"
        return forest(frame, self.words, None, title)


def write_meta(results: Sequence[Results], reports: Path) -> tuple[Path, Meta]:
    """Write `meta.html`, `meta.md` and `meta.csv` into the folder of the studies below `reports`, each atomically.

    Args:
        results: The results of two studies or more.
        reports: The folder of all reports.

    Returns:
        The path of the page, and what it shows.

    Raises:
        ValueError: There are fewer than two studies.
        Incompatible: They have different metrics, or no component in common.
    """
    meta = Meta.of(results)
    folder = reports / f"meta-{comparison_name([one.name for one in results])}"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / f"{NAME}.csv", csv_text(meta_frame(meta)))
    write_atomic(folder / f"{NAME}.md", _markdown(meta))
    write_atomic(folder / f"{NAME}.html", _page(meta))
    return folder / f"{NAME}.html", meta


def differences_table(meta: Meta) -> Table:
    """Return a row per component and study, and one for the mean over all studies."""
    rows: list[tuple[object, ...]] = []
    for one in meta.analyses:
        rows += [
            (one.component, each.study, each.paired.n, Interval.of(each.paired.estimate), each.comparison.p_holm)
            for each in one.differences
        ]
        if one.pooled is not None:
            mean = Interval(one.pooled.mean, one.pooled.low, one.pooled.high)
            rows.append((one.component, ALL, None, mean, one.p_holm))
    note = (
        f"Arm minus reference on {VALIDATION} data, with the 95 % interval. A study's Holm p is corrected over its own "
        f"comparisons, that of {ALL} over the components. The mean: random effects (Paule-Mandel), interval by "
        f"Hartung, Knapp, Sidik and Jonkman."
    )
    kinds: Formats = {"difference": difference(meta.words), "Holm p": probability, "component": str, "study": str}
    return Table("differences", "Differences of each study", frame_of(rows, DIFFERENCES), kinds, {}, note)


def heterogeneity_table(meta: Meta) -> Table:
    """Return a row per component: how far the studies agree, and in how many of them a difference is replicated."""
    rows: list[tuple[object, ...]] = []
    for one in meta.analyses:
        lowered, raised = (f"at least {number} of {len(one.differences)}" for number in (one.lowered, one.raised))
        if one.pooled is None:
            rows.append((one.component, None, None, None, None, lowered, raised))
            continue
        pooled = one.pooled
        further = None
        if pooled.next_low is not None and pooled.next_high is not None:
            further = Interval(None, pooled.next_low, pooled.next_high)
        between = Interval(pooled.tau, pooled.tau_low, pooled.tau_high)
        rows.append((one.component, between, round(100 * pooled.i2), pooled.q_p, further, lowered, raised))
    columns = ("component", "between studies", "I² (%)", "p of homogeneity", "in a further study", "lowered", "raised")
    moved = difference(meta.words)
    kinds: Formats = {
        "component": str,
        "between studies": lambda cell: moved(cell).replace("+", ""),
        "p of homogeneity": probability,
        "in a further study": moved,
    }
    note = (
        "Between studies: the standard deviation of the true differences, with its 95 % Q-profile interval. In a "
        "further study: the 95 % prediction interval. Lowered, raised: in how many studies at least, by partial "
        "conjunction tests with Bonferroni's combination, each direction at 2.5 %."
    )
    return Table("heterogeneity", "Agreement of the studies", frame_of(rows, columns), kinds, {}, note)


def meta_frame(meta: Meta) -> pd.DataFrame:
    """Return one row per component and study, and one for all studies, with every figure: the rows of `meta.csv`."""
    columns = ("component", "study", "n", "estimate", "low", "high", "error", "p", "p_holm")
    pooled_columns = ("tau", "tau_low", "tau_high", "i2", "q", "q_p", "next_low", "next_high", "lowered", "raised")
    rows: list[tuple[object, ...]] = []
    for one in meta.analyses:
        for each in one.differences:
            paired = each.paired
            figures = (paired.n, paired.mean, paired.low, paired.high, each.error, paired.p, each.comparison.p_holm)
            rows.append((one.component, each.study, *figures, *[None] * len(pooled_columns)))
        rows.append((one.component, ALL, *_pooled(one), one.lowered, one.raised))
    return frame_of(rows, [*columns, *pooled_columns])


def _pooled(one: MetaAnalysis) -> tuple[object, ...]:
    """The figures over all studies, in the order of the columns of `meta_frame`."""
    pooled = one.pooled
    if pooled is None:
        return (None,) * 15
    mean = (pooled.k, pooled.mean, pooled.low, pooled.high, None, pooled.p, one.p_holm)
    between = (pooled.tau, pooled.tau_low, pooled.tau_high, pooled.i2, pooled.q, pooled.q_p)
    return (*mean, *between, pooled.next_low, pooled.next_high)


def _page(meta: Meta) -> str:
    template = page_environment().get_template("meta.html.j2")
    return template.render(
        names=list(meta.studies),
        questions=[(name, one.results.study.question) for name, one in meta.studies.items()],
        sentences=meta.sentences,
        pictures={component: Markup(svg) for component, svg in meta.pictures().items()},
        tables=[table for table in meta.tables if len(table.frame)],
        policy=policy(()),
        style=Markup(resource("style.css")),
    )


def _markdown(meta: Meta) -> str:
    parts = [f"# {' + '.join(map(markdown_text, meta.studies))}"]
    parts += [
        "\n".join(
            f"- {markdown_text(name)}: {markdown_text(one.results.study.question)}"
            for name, one in meta.studies.items()
        )
    ]
    parts += map(markdown_text, meta.sentences)
    for table in meta.tables:
        if len(table.frame):
            parts += [f"## {markdown_text(table.title)}", markdown_text(table.note), table.grid.markdown()]
    return "\n\n".join(part for part in parts if part) + "\n"
