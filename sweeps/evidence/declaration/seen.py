"""What had been seen of a stage at a moment: how many runs and pairs had ended, and what they said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL
from sweeps.evidence.comparison import Comparison
from sweeps.evidence.declaration.content import with_content
from sweeps.evidence.level import Level
from sweeps.evidence.summary import ablation, confirmation, final
from sweeps.formatting import p_text
from sweeps.storage.results import Results
from sweeps.study.stages import stage_of
from sweeps.trial.trial import Status

PAIR, SEED, RUN = "pair", "seed", "run"


@dataclass(frozen=True)
class Seen:
    """What had been seen of a stage.

    Attributes:
        runs: The runs that had ended, those of a race and of re-tuning included.
        noun: What `counts` counts: "pair" of a comparison, "seed" of an effect, "run" of an arm.
        counts: How many of them had ended by comparison, effect or arm, and how many there were to be.
        verdicts: What each comparison said, in a few words: "lower, Holm p = 0.0003".
    """

    runs: int
    noun: str = PAIR
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Seen:
        """Return what `plain` was made of."""
        counts = {name: (int(number), int(planned)) for name, (number, planned) in plain["counts"].items()}
        return cls(plain["runs"], plain["noun"], counts, dict(plain["verdicts"]))

    def plain(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        counts = {name: list(number) for name, number in self.counts.items()}
        return {"runs": self.runs, "noun": self.noun, "counts": counts, "verdicts": dict(self.verdicts)}


def ended_runs(results: Results, stage: str) -> int:
    """Return how many runs of a stage have ended with a result; a race and re-tuning belong to the ablation."""
    unseen = (Status.ABANDONED, Status.REJECTED, Status.DUPLICATE)
    return sum(
        trial.ended and not trial.status.lost and trial.status not in unseen
        for trial in results.everything
        if stage_of(trial.stage) == stage
    )


def seen(results: Results, stage: str, content: Mapping[str, Any]) -> Seen:
    """Return what has been seen of a stage so far, judged as `content` declares it."""
    runs = ended_runs(results, stage)
    if not runs:
        return Seen(0)
    before = replace(results, study=with_content(results.study, stage, content))
    return replace({CONFIRM: _of_confirm, ABLATION: _of_ablation, FINAL: _of_final}[stage](before, content), runs=runs)


def _of_confirm(results: Results, content: Mapping[str, Any]) -> Seen:
    evidence = confirmation(results)
    return _of_levels(evidence.levels if evidence else (), content)


def _of_ablation(results: Results, content: Mapping[str, Any]) -> Seen:
    evidence = ablation(results)
    if evidence is None:
        return Seen(0)
    planned = results.stages[ABLATION].facts.get("wanted", {})
    if evidence.effects:
        names = [" × ".join(effect.components) for effect in evidence.effects]
        most = max(planned.values(), default=0)
        counts = {name: (effect.estimate.n, most) for name, effect in zip(names, evidence.effects, strict=True)}
        verdicts = {name: _words(one.short, one.p_holm) for name, one in zip(names, evidence.effects, strict=True)}
        return Seen(0, SEED, counts, verdicts)
    return _of_comparisons((*evidence.comparisons, *evidence.retuned), planned)


def _of_final(results: Results, content: Mapping[str, Any]) -> Seen:
    evidence = final(results)
    if evidence is None or not evidence.sets:
        return Seen(0)
    first = evidence.sets[0]
    if not first.comparisons:
        return _of_levels(first.levels, content)
    return _of_comparisons(first.comparisons, {one.arm.name: content["seeds"] for one in first.comparisons})


def _of_levels(levels: Iterable[Level], content: Mapping[str, Any]) -> Seen:
    return Seen(0, RUN, {level.arm.name: (len(level.values), content["seeds"]) for level in levels})


def _of_comparisons(comparisons: Iterable[Comparison], planned: Mapping[str, int]) -> Seen:
    every = list(comparisons)
    counts = {one.arm.name: (len(one.pairs), planned.get(one.arm.name, len(one.pairs))) for one in every}
    return Seen(0, PAIR, counts, {one.arm.name: _words(one.short, one.p_holm) for one in every})


def _words(short: str, p_holm: float | None) -> str:
    return short if p_holm is None else f"{short}, Holm p {p_text(p_holm)}"
