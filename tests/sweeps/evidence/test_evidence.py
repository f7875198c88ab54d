"""Evidence from recorded runs: the values of runs, their pairs, and the families of corrections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence import Ablation, ablation, confirmation, final
from sweeps.report.means import failed_text
from sweeps.stats import paired
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import toy_study

Values = Sequence[float | Status | None]
BASE = Arm("baseline", {"a": 1, "b": 1})
NO_A = Arm("a", {"a": 0, "b": 1}, removed=("a",), reference="baseline")
NO_B = Arm("b", {"a": 1, "b": 0}, removed=("b",), reference="baseline")
BASELINE_VALUES = (90.0, 91.0, 92.0, 90.5, 91.5, 92.5)
CHANCE = 10.0


def run(arm: Arm, replicate: int, value: float | Status, stage: str = "ablation") -> Trial:
    facts: dict[str, Any] = {"variant": arm.name, "replicate": replicate, "recipe": arm.recipe}
    if isinstance(value, Status):
        curve = {1: 50.0, 2: CHANCE} if value is Status.DIVERGED else {1: 50.0}
        return Trial(0, stage, value, {}, reason="the node died", curve=curve, **facts)
    return Trial(0, stage, Status.COMPLETE, {}, value=value, curve={1: value}, **facts)


def stage(name: str, *arms: tuple[Arm, Values], **facts: Any) -> StageResults:
    """Return a stage; None in place of a value is a replicate that has not begun."""
    trials = [
        run(arm, place, value, name) for arm, values in arms for place, value in enumerate(values) if value is not None
    ]
    numbered = tuple(replace(one, number=number) for number, one in enumerate(trials))
    return StageResults(name, tuple(arm for arm, _ in arms), numbered, facts)


def results(folder: Path, *stages: StageResults, trials: Sequence[Trial] = (), **settings: Any) -> Results:
    rule = {"components": {"a": {"lr": 0.1}}, "seeds": 6, "margin": 0.5}
    study = toy_study(**{"ablation": rule, **settings})
    return Results(study, tuple(trials), {}, folder, {each.name: each for each in stages})


def ablated(folder: Path, *arms: tuple[Arm, Values], **facts: Any) -> Ablation:
    ablation_evidence = ablation(results(folder, stage("ablation", *arms, **{"design": "leave_one_out", **facts})))
    assert ablation_evidence is not None
    return ablation_evidence


def less(*drops: float) -> list[float]:
    return [value - drop for value, drop in zip(BASELINE_VALUES, drops, strict=False)]


def test_a_stage_that_has_not_begun_shows_nothing(tmp_path: Path) -> None:
    no_stages = results(tmp_path)
    assert (confirmation(no_stages), ablation(no_stages), final(no_stages)) == (None, None, None)


def test_comparison_is_the_paired_t_of_its_replicates(tmp_path: Path) -> None:
    values = less(7.0, 7.5, 6.2, 7.9, 6.4, 7.6)
    [one] = ablated(tmp_path, (BASE, BASELINE_VALUES), (NO_A, values)).comparisons
    assert one.paired is not None
    assert one.paired == paired(BASELINE_VALUES, values, margin=0.5)
    assert [(pair.replicate, pair.reference, pair.value) for pair in one.pairs] == [
        (n, BASELINE_VALUES[n], values[n]) for n in range(6)
    ]
    assert (one.p_holm, one.family, one.short, one.missing) == (one.paired.p, 1, "lower", ())
    assert one.verdict.startswith("Removing a lowered validation accuracy by 7.1 pp (95 % CI ")


def test_pairs_are_matched_by_replicate_and_not_by_order(tmp_path: Path) -> None:
    values = [None, *less(7.0, 7.5, 6.2, 7.9, 6.4, 7.6)[1:]]
    [one] = ablated(tmp_path, (BASE, BASELINE_VALUES), (NO_A, values)).comparisons
    assert [pair.replicate for pair in one.pairs] == [1, 2, 3, 4, 5]
    assert one.missing == ()


def test_family_is_what_can_be_tested(tmp_path: Path) -> None:
    other = Arm("c", {"a": 1, "c": 0}, removed=("c",), reference="baseline")
    runs = [(BASE, BASELINE_VALUES), (NO_A, less(1.0, 2.0, 1.5)), (NO_B, less(0.1, -0.1, 0.2)), (other, less(1.0))]
    first, second, third = ablated(tmp_path, *runs).comparisons
    assert [one.family for one in (first, second, third)] == [2, 2, 2]
    assert first.paired is not None
    assert second.paired is not None
    assert first.simultaneous is not None
    assert first.p_holm == pytest.approx(min(1.0, 2 * first.paired.p))
    assert second.p_holm == pytest.approx(second.paired.p)
    assert first.simultaneous[0] < first.paired.low
    assert (third.paired, third.p_holm, third.simultaneous, third.short) == (None, None, None, "one pair")


def test_diverged_run_counts_at_chance_level_and_is_named(tmp_path: Path) -> None:
    values: list[Any] = less(0.1, 0.2, 0.3, 0.1, 0.2, 0.3)
    values[2] = Status.DIVERGED
    ablation_evidence = ablated(tmp_path, (BASE, BASELINE_VALUES), (NO_A, values))
    assert ablation_evidence.levels[1].values[2] == CHANCE
    assert ablation_evidence.levels[1].diverged == 1
    [one] = ablation_evidence.comparisons
    assert one.paired is not None
    assert (one.paired.n, one.diverged, one.missing) == (6, 1, ())
    assert "1 of its 6 runs diverged and counts at chance level." in one.verdict


@pytest.mark.parametrize(
    ("reason", "curve", "figure"),
    [
        ("train_loss was nan in epoch 2", {1: 50.0, 2: CHANCE}, CHANCE),
        ("train_loss was nan in epoch 2", {1: 50.0}, None),
        ("accuracy was nan on the test set", {3: CHANCE}, CHANCE),
        ("accuracy was nan on the test set", {1: 50.0, 2: 60.0, 3: CHANCE}, CHANCE),
        ("accuracy was nan on the test set", {1: 50.0, 2: 60.0}, None),  # measured, of a workload without chance
    ],
)
def test_diverged_run_never_counts_with_a_value_that_was_measured(
    reason: str, curve: dict[int, float], figure: float | None
) -> None:
    trial = Trial(0, "final", Status.DIVERGED, {}, reason=reason, curve=curve, trained=2)
    assert (trial.figure, trial.imputed) == (figure, figure is not None)
    assert CHANCE not in trial.measured.values()


def test_divergence_without_a_chance_figure_is_missing(tmp_path: Path) -> None:
    lost = replace(run(NO_A, 0, Status.DIVERGED), curve={})
    kept = stage("ablation", (BASE, BASELINE_VALUES[:1]), (NO_A, []), design="leave_one_out")
    ablation_evidence = ablation(results(tmp_path, replace(kept, trials=(*kept.trials, lost))))
    assert ablation_evidence is not None
    [one] = ablation_evidence.comparisons
    assert one.missing[0].why == "a: diverged, and the workload defines no chance level"
    assert one.short == "no pair"
    assert "at chance level" not in one.verdict
    assert one.verdict.endswith("Left out: replicate 0 (a: diverged, and the workload defines no chance level).")
    assert failed_text(ablation_evidence.levels[1]) == (
        "; 1 run that diverged is left out, as no chance level is known"
    )


@pytest.mark.parametrize(
    ("status", "why"), [(Status.FAILED, "failed"), (Status.OUT_OF_MEMORY, "out of memory"), (Status.RUNNING, None)]
)
def test_lost_run_leaves_its_pair_out_by_name_and_a_running_one_is_not_there_yet(
    tmp_path: Path, status: Status, why: str | None
) -> None:
    lost: list[Any] = list(BASELINE_VALUES)
    lost[3] = status
    [one] = ablated(tmp_path, (BASE, lost), (NO_A, less(1, 2, 1, 2, 1, 2))).comparisons
    assert [pair.replicate for pair in one.pairs] == [0, 1, 2, 4, 5]
    if why is None:
        assert one.missing == ()
        assert "Left out" not in one.verdict
    else:
        assert [(each.replicate, each.why) for each in one.missing] == [(3, f"baseline: {why}: the node died")]
        assert one.verdict.endswith(f"Left out: replicate 3 (baseline: {why}: the node died).")


def test_stein_uses_the_variance_of_the_first_pairs_that_exist(tmp_path: Path) -> None:
    values: list[Any] = less(1.0, 2.0, 1.5, 1.2, 9.0, 8.0)
    values[1] = Status.FAILED
    [one] = ablated(tmp_path, (BASE, BASELINE_VALUES), (NO_A, values), first=4).comparisons
    kept = [0, 2, 3, 4, 5]
    wanted = paired([BASELINE_VALUES[n] for n in kept], [values[n] for n in kept], margin=0.5, first=3)
    assert one.paired == wanted
    assert one.paired is not None
    assert (one.paired.df, one.paired.n, one.paired.first) == (2, 5, 3)


def test_retuned_arms_are_a_family_of_their_own(tmp_path: Path) -> None:
    tuned_base = Arm("baseline (re-tuned)", {"a": 1, "lr": 2}, tuned=True)
    tuned = Arm("a (re-tuned)", {"a": 0, "lr": 2}, removed=("a",), reference="baseline (re-tuned)", tuned=True)
    runs = [(BASE, BASELINE_VALUES), (NO_A, less(1, 2, 1)), (NO_B, less(2, 2, 1))]
    ablation_evidence = ablated(tmp_path, *runs, (tuned_base, BASELINE_VALUES), (tuned, less(1, 2, 1)))
    assert [one.arm.name for one in ablation_evidence.comparisons] == ["a", "b"]
    assert [(one.arm.name, one.family) for one in ablation_evidence.retuned] == [("a (re-tuned)", 1)]
    assert ablation_evidence.retuned[0].verdict.startswith("Removing a (both tuned again): for validation accuracy ")


def test_not_applicable_arm_is_listed_and_not_compared(tmp_path: Path) -> None:
    big = replace(NO_B, reason="breaks parameters <= 10")
    ablation_evidence = ablated(tmp_path, (BASE, BASELINE_VALUES), (NO_A, less(1, 2, 1)), (big, []))
    assert ablation_evidence.not_applicable == (big,)
    assert [one.arm.name for one in ablation_evidence.comparisons] == ["a"]
    assert len(ablation_evidence.levels) == 2


def test_runs_of_an_earlier_recipe_are_counted_and_left_out(tmp_path: Path) -> None:
    earlier = replace(run(NO_A, 0, 1.0), recipe="0" * 16)
    kept = stage("ablation", (BASE, BASELINE_VALUES), (NO_A, less(1, 2, 1)), design="leave_one_out")
    ablation_evidence = ablation(results(tmp_path, replace(kept, trials=(*kept.trials, earlier))))
    assert ablation_evidence is not None
    assert ablation_evidence.superseded == 1
    assert ablation_evidence.comparisons[0].pairs[0].value == BASELINE_VALUES[0] - 1


def test_path_compares_each_step_with_the_one_before(tmp_path: Path) -> None:
    start = Arm("baseline", {"optimizer": {"lr": 0.1}})
    one = Arm("1: lr", {"optimizer": {"lr": 0.2}}, {"optimizer.lr": 0.2}, ("lr",), "baseline")
    two = Arm("2: act", {"optimizer": {"lr": 0.2}, "act": "gelu"}, {"act": "gelu"}, ("act",), "1: lr")
    runs = [(start, BASELINE_VALUES), (one, less(-5, -6, -5, -6, -5, -6)), (two, less(-5.1, -6, -5, -6.1, -5, -6))]
    steps = ablated(tmp_path, *runs, design="path").comparisons
    assert [(step.reference.name, step.arm.name) for step in steps] == [("baseline", "1: lr"), ("1: lr", "2: act")]
    assert steps[0].verdict.startswith("Changing optimizer.lr from 0.1 to 0.2 raised validation accuracy by 5.5 pp")
    assert steps[1].verdict.startswith("Changing act from unset to gelu: ")


def factorial(names: str, cells: Sequence[tuple[str, Values]]) -> list[tuple[Arm, Values]]:
    """Return one arm per cell; a cell is named by the letters of the components that it lacks."""
    return [
        (Arm(f"no {lacks}", {name: int(name not in lacks) for name in names}, removed=tuple(lacks)), values)
        for lacks, values in cells
    ]


def test_factorial_has_effects_worked_by_hand_and_no_comparisons(tmp_path: Path) -> None:
    # With a and b: 90; without a 84; without b 88; without both 86. Effect of a: ((90 - 84) + (88 - 86)) / 2 = 4; of b:
    # ((90 - 88) + (84 - 86)) / 2 = 0; interaction: ((90 - 84) - (88 - 86)) / 2 = 2. Seeds add the same to all cells.
    luck = (0.0, 1.0, -1.0, 2.0)
    wobble = (0.1, -0.1, 0.05, -0.05)
    cells = [("", 90.0), ("a", 84.0), ("b", 88.0), ("ab", 86.0)]
    arms = factorial(
        "ab",
        [(lacks, [at + each + w * (lacks == "") for each, w in zip(luck, wobble, strict=True)]) for lacks, at in cells],
    )
    ablation_evidence = ablated(tmp_path, *arms, design="factorial")
    assert ablation_evidence.comparisons == ()
    assert [effect.components for effect in ablation_evidence.effects] == [("a",), ("b",), ("a", "b")]
    assert [effect.estimate.mean for effect in ablation_evidence.effects] == pytest.approx([4.0, 0.0, 2.0])
    assert [effect.short for effect in ablation_evidence.effects] == ["higher", "smaller than ±0.5 pp", "higher"]
    main = ablation_evidence.effects[0]
    assert main.p_holm == pytest.approx(3 * main.p)
    assert main.simultaneous is not None
    assert main.simultaneous[0] < main.estimate.low < main.estimate.high < main.simultaneous[1]


def test_a_seed_that_an_arm_lost_is_left_out_of_all_contrasts(tmp_path: Path) -> None:
    arms = factorial(
        "ab", [("", [90, 91, 92]), ("a", [84, 85.5, 86]), ("b", [88, Status.FAILED, 90]), ("ab", [86, 87, 88])]
    )
    effects = ablated(tmp_path, *arms, design="factorial").effects
    assert all(effect.estimate.n == 2 for effect in effects)
    assert effects[0].missing[0].why == "no b: failed: the node died"
    assert effects[0].verdict.endswith("Left out: seed 1 (no b: failed: the node died).")


def test_fraction_gives_one_effect_per_distinct_contrast_with_its_aliases(tmp_path: Path) -> None:
    # The half fraction d = abc of a 2^4: ab = cd, ac = bd, ad = bc.
    cells = []
    for index in range(8):
        lacks = [name for place, name in enumerate("abc") if index >> place & 1]
        lacks += ["d"] if len(lacks) % 2 else []
        cells.append(("".join(lacks), [90.0 - 3 * ("a" in lacks) + seed + 0.01 * seed * index for seed in range(4)]))
    rule = {"components": {name: {"lr": 0.1} for name in "abcd"}, "seeds": 4, "design": "factorial"}
    runs = stage("ablation", *factorial("abcd", cells), design="factorial")
    known = ablation(results(tmp_path, runs, ablation=rule))
    assert known is not None
    effects = known.effects
    shared = {":".join(effect.components): effect.aliases for effect in effects if len(effect.components) == 2}
    assert {name: set(aliases) for name, aliases in shared.items()} == {"a:b": {"c:d"}, "a:d": {"b:c"}, "a:c": {"b:d"}}
    alias = "It shares its estimate with the interaction of c and d: the design cannot tell them apart."
    assert alias in effects[4].verdict
    [main] = [effect for effect in effects if effect.components == ("a",)]
    assert main.estimate.mean == pytest.approx(3.0, abs=0.1)


def searched(number: int, value: float) -> Trial:
    return Trial(number, "search", Status.COMPLETE, {"lr": number / 100}, value=value, curve={1: value})


@pytest.mark.parametrize(
    ("goal", "order"), [("maximize", ["trial 2", "trial 1"]), ("minimize", ["trial 1", "trial 2"])]
)
def test_confirm_ranks_by_the_mean_over_fresh_seeds(tmp_path: Path, goal: str, order: list[str]) -> None:
    arms = [Arm(f"trial {n}", {"lr": n / 100}, {"lr": n / 100}) for n in (1, 2)]
    runs = stage("confirm", (arms[0], [80.0, 81.0]), (arms[1], [85.0, 84.0]))
    kinds = {"confirm": {"top": 2, "seeds": 2}, "metric": {"name": "val_accuracy", "goal": goal}}
    trials = [searched(1, 93.0), searched(2, 91.0)]
    confirmation_evidence = confirmation(results(tmp_path, runs, trials=trials, **kinds))
    assert confirmation_evidence is not None
    assert [level.arm.name for level in confirmation_evidence.levels] == order
    assert confirmation_evidence.searched == {"trial 1": 93.0, "trial 2": 91.0}
    assert confirmation_evidence.complete


@pytest.mark.parametrize(
    ("last", "complete"), [(None, False), (Status.RUNNING, False), (Status.FAILED, True), (Status.DIVERGED, True)]
)
def test_confirm_is_complete_once_every_run_has_ended(tmp_path: Path, last: Status | None, complete: bool) -> None:
    runs = stage("confirm", (Arm("trial 1", {"lr": 1}), [80.0, last]))
    confirmation_evidence = confirmation(results(tmp_path, runs, confirm={"top": 1, "seeds": 2}))
    assert confirmation_evidence is not None
    assert confirmation_evidence.complete is complete


def test_an_arm_without_any_figure_ranks_last(tmp_path: Path) -> None:
    lost = Arm("trial 1", {"lr": 1})
    runs = stage("confirm", (lost, [Status.FAILED]), (Arm("trial 2", {"lr": 2}), [0.5]))
    confirmation_evidence = confirmation(results(tmp_path, runs, metric={"name": "val_accuracy", "goal": "minimize"}))
    assert confirmation_evidence is not None
    assert [level.arm.name for level in confirmation_evidence.levels] == ["trial 2", "trial 1"]


def opened(arm: Arm, replicate: int, test: float | Status, noise: float = 0.0) -> Trial:
    trial = run(arm, replicate, test, "final")
    if isinstance(test, Status):
        return replace(trial, value=CHANCE)
    return replace(trial, metrics={"noise 3": {"accuracy": noise}, "test": {"accuracy": test, "loss": 0.1}})


def test_final_reads_every_set_and_a_diverged_run_is_chance_on_each(tmp_path: Path) -> None:
    trials = [opened(BASE, 0, 90.0, 70.0), opened(BASE, 1, 91.0, 71.0), opened(BASE, 2, 92.0, 72.5)]
    trials += [opened(NO_A, 0, 85.0, 60.0), opened(NO_A, 1, 86.5, 61.0), opened(NO_A, 2, Status.DIVERGED)]
    runs = StageResults("final", (BASE, NO_A), tuple(trials), {"sets": ["noise 3", "test"]})
    before = stage("ablation", (BASE, BASELINE_VALUES), (NO_A, less(1, 2, 1)), design="leave_one_out")
    final_evidence = final(results(tmp_path, before, runs))
    assert final_evidence is not None
    assert [one.name for one in final_evidence.sets] == ["test", "noise 3"]
    test, noise = final_evidence.sets
    assert test.levels[1].values == {0: 85.0, 1: 86.5, 2: CHANCE}
    assert noise.levels[1].values == {0: 60.0, 1: 61.0, 2: CHANCE}
    assert "test accuracy" in test.comparisons[0].verdict
    assert "noise 3 accuracy" in noise.comparisons[0].verdict
    assert [level.values for level in final_evidence.validation] == [
        dict(enumerate(BASELINE_VALUES)),
        {0: 89.0, 1: 89.0, 2: 91.0},
    ]


def test_final_says_when_a_set_was_not_measured(tmp_path: Path) -> None:
    runs = StageResults("final", (BASE,), (opened(BASE, 0, 90.0),), {"sets": ["test", "usps"]})
    final_evidence = final(results(tmp_path, runs))
    assert final_evidence is not None
    assert final_evidence.sets[1].levels[0].missing[0].why == "complete, but without a figure for usps"


def test_validation_of_the_incumbent_comes_from_the_recipe_that_confirm_ran(tmp_path: Path) -> None:
    best = Arm("incumbent", {"lr": 2})
    confirm = stage("confirm", (Arm("trial 2", {"lr": 2}), [85.0, 84.0]), (Arm("trial 1", {"lr": 1}), [80.0]))
    runs = StageResults("final", (best,), (opened(best, 0, 90.0),), {"sets": ["test"]})
    final_evidence = final(results(tmp_path, confirm, runs))
    assert final_evidence is not None
    assert [level.values for level in final_evidence.validation] == [{0: 85.0, 1: 84.0}]


def test_an_infinite_figure_is_never_counted(tmp_path: Path) -> None:
    lost = replace(run(NO_A, 0, Status.DIVERGED), curve={1: math.inf})
    kept = stage("ablation", (BASE, BASELINE_VALUES[:1]), (NO_A, []), design="leave_one_out")
    ablation_evidence = ablation(results(tmp_path, replace(kept, trials=(*kept.trials, lost))))
    assert ablation_evidence is not None
    assert ablation_evidence.levels[1].values == {}
