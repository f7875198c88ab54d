"""Confirm chooses by some seeds and reports by others, and says which candidates its seeds cannot tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from sweeps.evidence import Level, confirmation
from sweeps.evidence.confirm.confirmation import Confirmation
from sweeps.evidence.confirm.rivals import rivals
from sweeps.evidence.findings import Findings
from sweeps.report.incumbent import choice_note, incumbent_sentences, indistinct_sentences
from sweeps.storage.results import CANDIDATES, StageResults
from sweeps.trial.arm import Arm

from .test_evidence import Values, results, stage

CONFIRM = {"top": 3, "seeds": 4}
GIVEN = {"baseline": "given", "components": {"a": {"lr": 0.1}}, "seeds": 6}
CLEAR = ([90.0, 91.0, 92.0, 91.0], [90.1, 90.8, 91.9, 91.0], [80.0, 81.1, 82.0, 81.0])


def candidates(values: Sequence[Values], sizes: Sequence[Mapping[str, int]] = ({}, {}, {})) -> StageResults:
    arms = [Arm(f"trial {n}", {"lr": n}, cost=size) for n, size in zip(range(len(values)), sizes, strict=False)]
    return stage("confirm", *zip(arms, values, strict=True), fresh=True)


def fresh(values: Values, number: int = 0) -> StageResults:
    return stage("incumbent", (Arm(f"trial {number}", {"lr": number}), values))


def ablated(values: Values) -> StageResults:
    return stage("ablation", (Arm("baseline", {"lr": 0}), values), design="leave_one_out")


def confirmed(folder: Path, *stages: StageResults, **settings: Any) -> Confirmation:
    evidence = confirmation(results(folder, *stages, **{"confirm": CONFIRM, "ablation": GIVEN, **settings}))
    assert evidence is not None
    return evidence


def sentences(folder: Path, *stages: StageResults, **settings: Any) -> list[str]:
    settings = {"confirm": CONFIRM, "ablation": GIVEN, **settings}
    findings = Findings.of(results(folder, *stages, **settings))
    return [*incumbent_sentences(findings), *indistinct_sentences(findings)]


@pytest.mark.parametrize(
    ("stages", "baseline", "expected"),
    [
        ((), "given", (None, "")),
        ((fresh([89.0, 89.2]),), "given", ([89.0, 89.2], "incumbent")),
        ((fresh([89.0, 89.2], number=1),), "given", (None, "")),  # of an earlier incumbent
        ((ablated([88.0, 88.5]),), "best", ([88.0, 88.5], "ablation")),
        ((fresh([89.0, 89.2]), ablated([88.0, 88.5])), "best", ([88.0, 88.5], "ablation")),
        ((fresh([89.0, 89.2]), ablated([88.0])), "best", ([89.0, 89.2], "incumbent")),  # one run makes no mean
    ],
)
def test_figure_of_the_incumbent_comes_from_runs_that_had_no_part_in_its_choice(
    tmp_path: Path, stages: Sequence[StageResults], baseline: str, expected: tuple[list[float] | None, str]
) -> None:
    evidence = confirmed(tmp_path, candidates(CLEAR), *stages, ablation={**GIVEN, "baseline": baseline})
    assert evidence.chosen is evidence.levels[0]
    values, of_stage = expected
    assert (evidence.fresh and [*evidence.fresh.values.values()], evidence.fresh_stage) == (values, of_stage)
    figure = evidence.figure
    assert figure is not None
    assert [*figure.values.values()] == (values or list(CLEAR[0]))


def test_candidates_are_told_apart_by_pairs_and_not_by_their_intervals(tmp_path: Path) -> None:
    evidence = confirmed(tmp_path, candidates(CLEAR))
    best = evidence.levels[0]
    assert [(rival.level.arm.name, rival.apart) for rival in evidence.rivals] == [("trial 1", False), ("trial 2", True)]
    assert [level.arm.name for level in evidence.indistinct] == [best.arm.name, "trial 1"]
    close, far = (rival.p_holm for rival in evidence.rivals)
    assert close is not None
    assert far is not None
    differences = np.subtract(CLEAR[2], CLEAR[0])
    t = abs(differences.mean()) / (differences.std(ddof=1) / math.sqrt(4))
    assert far == pytest.approx(3 * 2 * special.stdtr(3, -t))  # two-sided, the smallest p of three pairs
    assert close > 0.05


def test_equal_candidates_are_seldom_told_apart_although_the_best_of_them_is_chosen(tmp_path: Path) -> None:
    draws, told = np.random.default_rng(0).normal(80, 1, (400, 5, 8)), 0
    arms = [Arm(f"trial {n}", {"lr": n}) for n in range(5)]
    for values in draws:
        levels = [Level(arm, dict(enumerate(row)), None, 0, ()) for arm, row in zip(arms, values, strict=True)]
        levels.sort(key=lambda level: -sum(level.values.values()))
        told += any(rival.apart for rival in rivals(levels, "maximize"))
    assert told <= 31  # 5 % and three binomial standard errors; over the comparisons with the best alone 8 %


def test_tied_differences_have_the_floor_of_their_resolution() -> None:
    levels = [Level(Arm(str(n), {"n": n}), dict.fromkeys(range(6), 90.0 - n), None, 0, ()) for n in range(2)]
    [known], [unknown] = rivals(levels, "maximize", resolution=1.0), rivals(levels, "maximize")
    assert known.difference is not None
    assert unknown.difference is not None
    assert known.difference.estimate.sd == pytest.approx(math.sqrt(1 / 6))
    assert (known.difference.estimate.has_interval, unknown.difference.estimate.has_interval) == (True, False)


@pytest.mark.parametrize(
    ("sizes", "prefer", "chosen", "smallest"),
    [
        (({"parameters": 9}, {"parameters": 5}, {"parameters": 1}), None, "trial 0", "trial 1"),
        (({"parameters": 9}, {"parameters": 5}, {"parameters": 1}), "smaller", "trial 1", "trial 1"),
        (({"parameters": 5, "macs": 7}, {"parameters": 5, "macs": 6}, {}), "smaller", "trial 1", "trial 1"),
        (({"parameters": 5}, {"parameters": 5}, {}), "smaller", "trial 0", "trial 0"),  # of equal sizes the better mean
        (({}, {}, {}), "accuracy", "trial 0", None),
    ],
)
def test_smallest_of_those_that_cannot_be_told_apart_is_named_and_chosen_on_request(
    tmp_path: Path, sizes: Sequence[Mapping[str, int]], prefer: str | None, chosen: str, smallest: str | None
) -> None:
    evidence = confirmed(tmp_path, candidates(CLEAR, sizes), confirm={**CONFIRM, "prefer": prefer})
    assert evidence.chosen is not None
    assert evidence.chosen.arm.name == chosen
    assert (evidence.smallest and evidence.smallest.arm.name) == smallest


def test_candidate_whose_runs_failed_is_not_taken_for_as_good(tmp_path: Path) -> None:
    lost = candidates(([90.0, 91.0], [89.0, None]), ({"parameters": 9}, {"parameters": 1}))
    evidence = confirmed(tmp_path, lost, confirm={"top": 2, "seeds": 2, "prefer": "smaller"})
    assert evidence.chosen is evidence.levels[0]
    assert evidence.indistinct == ()


def test_answer_says_which_figure_is_which_and_who_is_as_good(tmp_path: Path) -> None:
    sizes = ({"parameters": 9000}, {"parameters": 5000, "macs": 1200}, {"parameters": 1})
    first, second = sentences(tmp_path, candidates(CLEAR, sizes), fresh([89.0, 90.0, 91.0, 90.0]))
    assert first == (
        "The incumbent is trial 0: validation accuracy 90.00 % (95 % CI 88.70 to 91.30 %, n = 4 seeds), from fresh "
        "runs, made after its choice. Confirm chose it by its mean over 4 seeds, 91.00 %, the best of 3 and so "
        "optimistic."
    )
    assert second == (
        "Confirm cannot tell trial 1 apart from it (paired over 4 seeds, Holm over 3 pairs of candidates); "
        "the smallest of them is trial 1 (5,000 parameters, 1,200 MACs)."
    )


def test_candidates_that_a_surrogate_has_chosen_are_said_to_be_so(tmp_path: Path) -> None:
    by_value = candidates(CLEAR)
    chosen = {
        "search": "",
        "trials": [{"trial": number, "value": 90.0, "expected": 90.5 - number} for number in range(3)],
    }
    evidence = confirmed(tmp_path, replace(by_value, facts={**by_value.facts, CANDIDATES: chosen}))
    assert evidence.expected == {"trial 0": 90.5, "trial 1": 89.5, "trial 2": 88.5}
    assert choice_note(evidence).startswith(" The candidates are the trials of which the surrogate expected")
    assert choice_note(confirmed(tmp_path, by_value)).startswith(" The best of 3 means is optimistic")


def test_incumbent_of_the_size_of_the_others_is_not_called_the_smallest(tmp_path: Path) -> None:
    told = candidates([[91.0, 92.0, 91.5], [90.5, 92.1, 91.0]], [{"parameters": 9000, "macs": 1200}] * 2)
    assert sentences(tmp_path, told, fresh([89.0, 90.0], 0), confirm={"top": 2, "seeds": 3})[1] == (
        "Confirm cannot tell trial 1 apart from it (paired over 3 seeds); none of them is smaller (it has 9,000 "
        "parameters, 1,200 MACs)."
    )


@pytest.mark.parametrize(
    ("stages", "settings", "words"),
    [
        ((candidates(CLEAR),), {}, "the best of 3, and so optimistic; runs that have no part in the choice are yet"),
        ((stage("confirm", (Arm("trial 0", {"lr": 0}), CLEAR[0]), (Arm("trial 1", {"lr": 1}), CLEAR[1])),), {},
         "the best of 2, and so optimistic; raise confirm.seeds for runs that have no part in the choice."),
        ((candidates(CLEAR[:1]),), {}, "on fresh seeds and splits."),
        ((candidates(CLEAR), ablated([88.0, 88.5])), {"ablation": {**GIVEN, "baseline": "best"}},
         "from the baseline runs of the ablation, which had no part in its choice. Confirm chose it by its mean"),
        ((candidates(CLEAR, [{"parameters": n} for n in (3, 2, 1)]), fresh([89.0, 89.5], 1)),
         {"confirm": {**CONFIRM, "prefer": "smaller"}},
         "Confirm chose it as the smallest, with a mean of 90.95 % over 4 seeds."),
    ],
)  # fmt: skip
def test_origin_of_the_figure_stands_beside_it(
    tmp_path: Path, stages: Sequence[StageResults], settings: Mapping[str, Any], words: str
) -> None:
    assert words in sentences(tmp_path, *stages, **settings)[0]


def test_choice_of_the_smaller_says_what_it_gave_up(tmp_path: Path) -> None:
    sizes = [{"parameters": n} for n in (3000, 2000, 1000)]
    rule = {**CONFIRM, "prefer": "smaller"}
    assert sentences(tmp_path, candidates(CLEAR, sizes), fresh([89.0, 89.5], 1), confirm=rule)[1] == (
        "It is the smallest (2,000 parameters) of those that confirm cannot tell apart from the best mean, 91.00 % of "
        "trial 0 (paired over 4 seeds, Holm over 3 pairs of candidates)."
    )


def test_reported_figure_is_unbiased_where_the_best_of_five_is_not(tmp_path: Path) -> None:
    """Five equal candidates; a run deviates by 1, half of whose variance is that of the seed, which all share."""
    generator, own = np.random.default_rng(14), math.sqrt(0.5)
    study = results(tmp_path, confirm={"top": 5, "seeds": 3}, ablation=GIVEN)
    chosen, reported = [], []
    for _ in range(400):
        shared = 80 + generator.normal(scale=own, size=(2, 1, 3))
        choice, after = shared + generator.normal(scale=own, size=(2, 5, 3))
        first = candidates(choice.tolist(), [{}] * 5)
        again = stage("incumbent", *zip(first.arms, after.tolist(), strict=True))
        evidence = confirmation(replace(study, stages={"confirm": first, "incumbent": again}))
        assert evidence is not None
        assert evidence.chosen is not None
        assert evidence.figure is evidence.fresh is not None
        chosen.append(evidence.chosen.center)
        reported.append(evidence.figure.center)
    assert np.mean(chosen) - 80 > 0.35  # an audit of whole studies measured 0.44
    assert abs(np.mean(reported) - 80) < 0.1  # its standard error is 0.03
