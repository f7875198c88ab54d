"""What a study file leaves open is settled when the study begins, and stays so however the defaults change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.study.resources import with_share
from sweeps.study.search.early_terminate import EarlyTerminate
from sweeps.study.study import Study

SEARCH_RULES = "search"
"""The key of an environment that holds what was settled for the search."""

RULES_OF_BEFORE: Mapping[str, Any] = {"bayes": "tpe", "mode": "stop", "min_iter": 1, "eta": 3}
"""The rules of a study that began when bayes was TPE and early termination stopped trials for good."""


def search_rules(environment: Mapping[str, Any], promotion: tuple[int, int] | None = (1, 2)) -> dict[str, Any]:
    """Return the rules of the search that a study keeps from its first start on.

    Args:
        environment: The environment of the study's last run; empty at the first.
        promotion: The first rung in epochs, and the ratio of successive rungs, of a study that begins now and promotes;
            None if its trials are better stopped.

    Returns:
        `bayes`, the method that the word stands for; `mode`, `min_iter` and `eta`, the settings of asha and hyperband
        that the file does not give.
    """
    if environment:
        return dict(environment.get(SEARCH_RULES, RULES_OF_BEFORE))
    if promotion is None:
        return {"bayes": "bayes", "mode": "stop", **EarlyTerminate.stopping}
    return {"bayes": "bayes", "mode": "promote", "min_iter": promotion[0], "eta": promotion[1]}


def settled(study: Study, environment: Mapping[str, Any]) -> Study:
    """Return a study with all that its file leaves open.

    Args:
        study: The study as written.
        environment: The environment of the study. One without rules for the search is of a study that began before
            there were any; an empty one, of a study that has not begun, leaves the search as it is written.
    """
    study = with_share(study, environment)
    if not environment:
        return study
    rules = environment.get(SEARCH_RULES, RULES_OF_BEFORE)
    method = rules["bayes"] if study.method == "bayes" else study.method
    return study.model_copy(update={"method": method, "early_terminate": _completed(study, rules)})


def as_written_before(study: Study) -> Study:
    """Return a study with the defaults that its file was completed with when early termination only stopped trials.

    By them a study that was complete then is recognised.
    """
    section = study.early_terminate
    if section is None or "mode" not in section.defaults[section.type] or section.mode is not None:
        return study
    missing = {name: value for name, value in section.stopping.items() if getattr(section, name) is None}
    return study.model_copy(update={"early_terminate": section.model_copy(update=missing)})


def _completed(study: Study, rules: Mapping[str, Any]) -> Any:
    section = study.early_terminate
    if section is None or "mode" not in section.defaults[section.type]:
        return section
    mode = section.mode or rules["mode"]
    # The ladder that was settled is that of the settled mode.
    defaults = rules if mode == rules["mode"] else {"min_iter": 1, "eta": 2 if mode == "promote" else 3}
    missing = {name: defaults[name] for name in ("min_iter", "eta") if getattr(section, name) is None}
    return section.model_copy(update={"mode": mode, **missing})
