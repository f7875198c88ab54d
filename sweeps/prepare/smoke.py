"""`--smoke`: the same study at the smallest scale, in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import SEARCH
from sweeps.artifacts.references import Reference, find, models
from sweeps.designs import components_of
from sweeps.io.errors import Unavailable, UserError
from sweeps.prepare.teachers import named
from sweeps.recipe.keys import nested_in
from sweeps.recipe.schema import BadRecipe
from sweeps.study.document import from_text
from sweeps.study.sections import Ablation, Confirm
from sweeps.study.study import Study, dump, parse
from sweeps.workload import Workload

TRIALS = 2
SEEDS = 2
SUFFIX = "-smoke"
NAME_LENGTH = 64


class NothingLeft(UserError):
    """A study of which a smoke run has nothing to run."""


def smoke_name(study: str) -> str:
    """What the smoke run of a study is called."""
    return study[: NAME_LENGTH - len(SUFFIX)] + SUFFIX


def shrink(study: Study, workload: Workload) -> Study:
    """`study` with two trials of the size that the workload calls `smoke`: another experiment, so another name.

    What `smoke` sets is not searched. Confirm and ablation have two seeds; final is left out, for it would open the
    test set. Raises NothingLeft where that leaves nothing to run.
    """
    schema = workload.schema
    shrunk = workload.smoke(schema.validate(study.settings(schema)))
    conditions = {parent for item in study.parameters.values() for parent in item.when}
    kept = {key: item for key, item in study.parameters.items() if key not in shrunk or key in conditions}
    fixed = {key: value for key, value in shrunk.items() if key not in kept}
    searches = bool(study.model_copy(update={"parameters": kept}).space.dimensions)
    if not searches and study.ablation is None:
        raise NothingLeft(
            f"{study.name}: nothing is left for a smoke run, which opens no test set and does not search what it makes "
            f"small ({', '.join(shrunk) or 'nothing'}): search another setting or add an ablation"
        )
    changes: dict[str, Any] = {
        "name": smoke_name(study.name),
        "baseline": schema.merge(study.baseline, fixed),
        "parameters": kept,
        "method": "random" if study.method == "grid" else study.method,
        "run_cap": min(TRIALS, study.run_cap) if searches else 0,
        "early_terminate": None,  # nothing to terminate within one epoch
        "confirm": _confirmed(study.confirm) if study.confirm is not None and searches else None,
        "ablation": _small(study.ablation, study, workload, shrunk, searches) if study.ablation is not None else None,
        "final": None,
        "evaluate": (),
        "budget": type(study.budget)(),
    }
    return _changed(study, changes)


def _confirmed(rule: Confirm) -> Confirm:
    return Confirm(top=min(TRIALS, rule.top), seeds=min(SEEDS, rule.seeds))


def _small(ablation: Ablation, study: Study, workload: Workload, shrunk: Mapping[str, Any], searches: bool) -> Ablation:
    """The ablation on two seeds. A component that stands by itself may undo nothing of what `smoke` sets for it."""
    changes: dict[str, Any] = {"seeds": SEEDS, "retune": None}
    if not searches:
        changes["baseline"] = "given"
    if ablation.design in ("leave_one_out", "alternatives") and ablation.components is not None:
        edits = components_of(ablation.components, workload.toggles())
        changes["components"] = {name: _small_edit(edit, study, workload, shrunk) for name, edit in edits.items()}
    return ablation.model_copy(update=changes)


def _small_edit(edit: Mapping[str, Any], study: Study, workload: Workload, shrunk: Mapping[str, Any]) -> dict[str, Any]:
    schema = workload.schema
    try:
        small = workload.smoke(schema.validate(schema.merge(study.settings(schema), edit)))
    except (BadRecipe, ValueError):  # not applicable: it will be recorded as that
        return dict(edit)
    touched = {key for key in small if any(nested_in(key, other) for other in edit)}
    needed = {key: value for key, value in small.items() if key in touched or value != shrunk.get(key)}
    return {**{key: value for key, value in edit.items() if key not in needed}, **needed}


def with_smoke_models(study: Study, workload: Workload, runs: Path) -> Study:
    """A smoke study whose references to trials that are not in `runs` name what the smoke run of their study left.

    "r7:3" becomes "r7-smoke:1", the latest trial with a checkpoint; trials that are there stay. Raises Unavailable
    where there is neither, with the command that makes one.
    """
    stands_for = {reference: _smoke_model(reference, runs) for reference in named(study, workload)}
    if all(reference == other for reference, other in stands_for.items()):
        return study
    changes: dict[str, Any] = {"baseline": _replaced(study.baseline, stands_for)}
    changes["parameters"] = {
        key: item.model_copy(
            update={word: _replaced(getattr(item, word), stands_for) for word in item.model_fields_set}
        )
        for key, item in study.parameters.items()
    }
    if study.ablation is not None:
        components = _replaced(study.ablation.components, stands_for)
        changes["ablation"] = study.ablation.model_copy(update={"components": components})
    return _changed(study, changes)


def _changed(study: Study, changes: Mapping[str, Any]) -> Study:
    # Through the grammar again: a copy would not be validated.
    return parse(from_text(dump(study.model_copy(update=changes)), f"{study.name} (smoke)"))


def _smoke_model(reference: str, runs: Path) -> str:
    try:
        find(runs, reference)
    except Unavailable as error:
        study = Reference.parse(reference).study
        left = [each for each in models(runs, smoke_name(study)) if each.stage == SEARCH]
        left = left or models(runs, smoke_name(study))
        if not left:
            raise Unavailable(
                f"{error}; nor has a smoke run of that study left a model: "
                f"run `sweep run studies/{study}.yaml --smoke` first"
            ) from None
        return str(left[-1])
    return reference


def _replaced(node: Any, stands_for: Mapping[str, str]) -> Any:
    if isinstance(node, Mapping):
        return {key: _replaced(inner, stands_for) for key, inner in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_replaced(inner, stands_for) for inner in node)
    return stands_for.get(node, node) if isinstance(node, str) else node
