"""Write the arms of every stage for the page of each: how its recipe differs, its cost and its runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sweeps.artifacts.recipe_file import read_recipe
from sweeps.evidence.findings import Findings
from sweeps.formatting import setting
from sweeps.io.errors import UserError
from sweeps.io.escape import visible
from sweeps.recipe.keys import value_at
from sweeps.report.tables.ablation import change, label
from sweeps.report.tables.frames import flat
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Trial

WHOLE, WRITTEN = "baseline", "baseline of the study file"
_ABSENT = object()


def arms_data(findings: Findings) -> dict[str, Any]:
    """Return the arms for the page's script.

    Returns:
        - arms: One mapping per stage and arm, with its `fragment`, and the `rows` of its runs in the table of trials.
        - armOfRow: For each row, the place of its arm in `arms`; -1 for a trial of the search, and for a run of a
          recipe that its stage no longer has.
        - baseline: What the recipes are compared with.
    """
    base, called = _baseline(findings)
    trials = findings.results.everything
    arms = [
        _arm(stage, arm, trials, base, whole=called == WHOLE)
        for stage in findings.results.stages.values()
        for arm in stage.arms
    ]
    _add_fragments(arms)
    return {"arms": arms, "armOfRow": _arms_of_rows(arms, trials), "baseline": called}


def _baseline(findings: Findings) -> tuple[Mapping[str, Any], str]:
    """The recipe of the search's baseline, defaults included; else what the study file writes."""
    trial = findings.baseline_trial
    try:
        recipe = read_recipe(findings.results.run_folder(trial)) if trial is not None else {}
    except UserError:
        recipe = {}
    return (recipe, WHOLE) if recipe else (findings.results.study.baseline, WRITTEN)


def _arm(
    stage: StageResults, arm: Arm, trials: Iterable[Trial], base: Mapping[str, Any], *, whole: bool
) -> dict[str, Any]:
    rows = [
        row
        for row, trial in enumerate(trials)
        if trial.stage == stage.name and arm.applicable and trial.recipe == arm.recipe
    ]
    return {
        "stage": stage.name,
        "name": visible(arm.name),
        "label": visible(label(arm)),
        "reference": visible(arm.reference),
        "change": visible(change(arm, stage.facts.get("design", ""))),
        "reason": visible(arm.reason),
        "note": visible(arm.note),
        "cost": {visible(name): value for name, value in arm.cost.items()},
        "differs": [
            [visible(text) if text is not None else None for text in line] for line in _differs(arm, base, whole)
        ],
        "rows": rows,
    }


def _differs(arm: Arm, base: Mapping[str, Any], whole: bool) -> list[tuple[str, str | None, str | None]]:
    """The settings that differ from the baseline: key, the baseline's value, the arm's.

    Of a baseline that is not known as a whole, only the settings that it writes or the arm edits are compared: the
    others are defaults of the workload.
    """
    settings = dict(flat(arm.settings))
    keys = [*settings, *(key for key, _ in flat(base) if key not in settings and whole)]
    differing = []
    for key in keys:
        one, other = value_at(base, key, _ABSENT), settings.get(key, _ABSENT)
        if one is _ABSENT and not whole and key not in arm.edits:
            continue
        of_base, of_arm = (None if value is _ABSENT else setting(value) for value in (one, other))
        if of_base != of_arm:
            differing.append((key, of_base, of_arm))
    return differing


def _add_fragments(arms: list[dict[str, Any]]) -> None:
    """Give each label a fragment of its own, in which blanks and signs are hyphens; arms of one label share it."""
    fragments: dict[str, str] = {}
    for arm in arms:
        slug = "arm-" + (re.sub(r"[^\w.]+", "-", arm["label"]).strip("-") or "0")
        if arm["label"] not in fragments:
            while slug in fragments.values():
                slug += "-2"
            fragments[arm["label"]] = slug
        arm["fragment"] = fragments[arm["label"]]


def _arms_of_rows(arms: list[dict[str, Any]], trials: Iterable[Trial]) -> list[int]:
    """For each trial the place of its arm: the one of its name among those of its recipe, else the first of these."""
    places: dict[int, list[int]] = {}
    for place, arm in enumerate(arms):
        for row in arm["rows"]:
            places.setdefault(row, []).append(place)
    return [
        min(places.get(row, [-1]), key=lambda place: place >= 0 and arms[place]["name"] != visible(trial.variant))
        for row, trial in enumerate(trials)
    ]
