"""`--smoke`: run a study at the smallest scale, in a folder of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import SEARCH, STUDY_NAME_LENGTH
from sweeps.artifacts.references import Reference, find, models
from sweeps.designs import components_of
from sweeps.io.errors import Unavailable, UserError
from sweeps.prepare.teachers import referenced_trials
from sweeps.recipe.keys import nested_in
from sweeps.recipe.schema import BadRecipe
from sweeps.study.sections import Ablation, Confirm
from sweeps.study.study import Study
from sweeps.workload import Workload

TRIALS = 2
SEEDS = 2
SUFFIX = "-smoke"
HASH_DIGITS = 8  # in the name of the smoke run of a study with a long name


class NothingLeft(UserError):
    """A smoke run of the study would have nothing to run."""


def smoke_name(study: str) -> str:
    """Return the name of the smoke run of a study: the study's name with a suffix.

    Where that is too long for a name, the study's name is cut, and a part of its hash tells it from others that begin
    alike.
    """
    length = STUDY_NAME_LENGTH - len(SUFFIX)
    if len(study) > length:
        digest = hashlib.sha256(study.encode()).hexdigest()[:HASH_DIGITS]
        study = f"{study[: length - HASH_DIGITS - 1]}-{digest}"
    return study + SUFFIX


def shrink(study: Study, workload: Workload) -> Study:
    """Return the study that a smoke run runs, under a name of its own.

    It has at most two trials, with the settings that the workload's `smoke` returns; these are not searched. Confirm
    and ablation have two seeds. Final is left out, because it would open the test set.

    Args:
        study: The study at full scale.
        workload: The study's workload.

    Raises:
        NothingLeft: There is neither a search nor an ablation left.
    """
    schema = workload.schema
    shrunk = workload.smoke(schema.validate(study.settings(schema)))
    conditions = {parent for item in study.parameters.values() for parent in item.when}
    searched = {key: item for key, item in study.parameters.items() if key not in shrunk or key in conditions}
    fixed = {key: value for key, value in shrunk.items() if key not in searched}
    has_search = bool(study.model_copy(update={"parameters": searched}).space.dimensions)
    if not has_search and study.ablation is None:
        raise NothingLeft(
            f"{study.name}: nothing is left for a smoke run: it opens no test set and does not search the settings "
            f"that it makes small ({', '.join(shrunk) or 'none'}): search another setting or add an ablation"
        )
    ablation = study.ablation
    return study.edited(
        {
            "name": smoke_name(study.name),
            "baseline": schema.merge(study.baseline, fixed),
            "parameters": searched,
            "method": "random" if study.method == "grid" else study.method,
            "run_cap": min(TRIALS, study.run_cap or TRIALS) if has_search else 0,
            "warm_start": (),
            "early_terminate": None,  # nothing can be stopped early within one epoch
            "confirm": _small_confirm(study.confirm) if study.confirm is not None and has_search else None,
            "ablation": _small_ablation(ablation, study, workload, shrunk, has_search) if ablation else None,
            "final": None,
            "evaluate": (),
            "budget": None,
        }
    )


def _small_confirm(rule: Confirm) -> Confirm:
    return Confirm(top=min(TRIALS, rule.top), seeds=min(SEEDS, rule.seeds), prefer=rule.prefer)


def _small_ablation(
    ablation: Ablation, study: Study, workload: Workload, shrunk: Mapping[str, Any], has_search: bool
) -> Ablation:
    """The ablation over two seeds, each variant at the smallest scale too."""
    changes: dict[str, Any] = {"seeds": SEEDS, "retune": None}
    if not has_search:
        changes["baseline"] = "given"
    if ablation.design in ("leave_one_out", "alternatives") and ablation.components is not None:
        edits = components_of(ablation.components, workload.toggles())
        changes["components"] = {name: _small_edit(edit, study, workload, shrunk) for name, edit in edits.items()}
    return ablation.model_copy(update=changes)


def _small_edit(edit: Mapping[str, Any], study: Study, workload: Workload, shrunk: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a component, with what makes them small.

    A component may be another model, which other settings make small, or may set what the baseline has small already.
    """
    schema = workload.schema
    try:
        small = workload.smoke(schema.validate(schema.merge(study.settings(schema), edit)))
    except (BadRecipe, ValueError):  # not applicable: the ablation will record that
        return dict(edit)
    touched = {key for key in small if any(nested_in(key, other) for other in edit)}
    needed = {key: value for key, value in small.items() if key in touched or value != shrunk.get(key)}
    return {**{key: value for key, value in edit.items() if key not in needed}, **needed}


def with_smoke_models(study: Study, workload: Workload, runs: Path) -> Study:
    """Return a smoke study that refers to models of smoke runs where those of full studies are missing.

    "r7:3" becomes "r7-smoke:1", the latest trial with a checkpoint. References to models that exist stay.

    Args:
        study: The study, shrunk.
        workload: The study's workload.
        runs: The folder of all studies.

    Raises:
        Unavailable: There is neither the model nor one of a smoke run; the message names the command that makes one.
    """
    replacements = {reference: _smoke_model(reference, runs) for reference in referenced_trials(study, workload)}
    if all(reference == other for reference, other in replacements.items()):
        return study
    changes: dict[str, Any] = {"baseline": _replaced(study.baseline, replacements)}
    changes["parameters"] = {
        key: item.model_copy(
            update={word: _replaced(getattr(item, word), replacements) for word in item.model_fields_set}
        )
        for key, item in study.parameters.items()
    }
    if study.ablation is not None:
        components = _replaced(study.ablation.components, replacements)
        changes["ablation"] = study.ablation.model_copy(update={"components": components})
    return study.edited(changes)


def _smoke_model(reference: str, runs: Path) -> str:
    """The reference itself where its model exists, otherwise one to the latest model of the study's smoke run."""
    try:
        find(runs, reference)
    except Unavailable as error:
        study = Reference.parse(reference).study
        candidates = models(runs, smoke_name(study))
        candidates = [candidate for candidate in candidates if candidate.stage == SEARCH] or candidates
        if not candidates:
            raise Unavailable(
                f"{error}; there is no model of a smoke run of that study either: "
                f"run `sweep run studies/{study}.yaml --smoke` first"
            ) from None
        return str(candidates[-1])
    return reference


def _replaced(node: Any, replacements: Mapping[str, str]) -> Any:
    """`node` with every text that is a key of `replacements` replaced."""
    if isinstance(node, Mapping):
        return {key: _replaced(inner, replacements) for key, inner in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_replaced(inner, replacements) for inner in node)
    return replacements.get(node, node) if isinstance(node, str) else node
