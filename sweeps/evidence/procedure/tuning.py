"""How many trials have tuned the settings of each arm, and whether arms that are compared were tuned alike.

An arm that was tuned longer has an advantage that is not its own. No figure can show it, so it is said beside them.
"""

from __future__ import annotations

from sweeps.artifacts.layout import ABLATION
from sweeps.evidence.verdict import PATH
from sweeps.formatting import count
from sweeps.storage.results import Results
from sweeps.trial.arm import BASELINE, RETUNED

GIVEN = "settings as given, not tuned"


def tuned_by(trials: int) -> str:
    """Return how long settings were tuned, for the brackets beside a figure: "tuned by 40 trials"."""
    return f"tuned by {count(trials, 'trial')}" if trials else GIVEN


def unequal_tuning(results: Results) -> list[str]:
    """Return a sentence for each way in which the arms of the ablation were tuned unequally; empty without any."""
    section, stage = results.study.ablation, results.stages.get(ABLATION)
    if section is None or stage is None or not stage.trials:
        return []
    return [*_by_search(results, section.design, section.baseline == "best"), *_by_retuning(results)]


def _by_search(results: Results, design: str, from_best: bool) -> list[str]:
    trials = results.counted
    if not trials:
        return []
    if design == PATH:
        return [
            f"Tuning is unequal along the path: its start is the baseline ({GIVEN}), its end the incumbent "
            f"({tuned_by(trials)} of the search)."
        ]
    if not from_best:
        return []
    arms = "the recipes that replace it" if design == "alternatives" else "the other arms"
    mended = results.study.ablation is not None and results.study.ablation.retune is not None
    where = " where they are compared without tuning each again" if mended else ""
    return [
        f"Tuning is unequal{where}: the settings of the ablation's baseline were found by {count(trials, 'trial')} of "
        f"the search, {arms} take them over (not tuned for them)."
    ]


def _by_retuning(results: Results) -> list[str]:
    """The arms that had nothing to tune, beside those that were tuned again."""
    section, stage = results.study.ablation, results.stages[ABLATION]
    if section is None or section.retune is None:
        return []
    chosen = stage.facts.get("tuned", {})
    arms = [arm for arm in stage.arms if arm.tuned and arm.applicable]
    without = [arm.name.removesuffix(RETUNED) for arm in arms if not chosen.get(arm.name)]
    if not without or len(without) == len(arms):
        return []
    names = ", ".join(f"the {name}" if name == BASELINE else name for name in without)
    verb = "was" if len(without) == 1 else "were"
    return [
        f"Tuning again was unequal: {names} {verb} left as before, the other arms were "
        f"{tuned_by(section.retune.trials)} each."
    ]
