"""What a stage declares: its section of the study file, and the metric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL
from sweeps.study.diff import Change, changes
from sweeps.study.sections import Ablation, Confirm, Final, Section, plain
from sweeps.study.study import Study

METRIC, EVALUATE = "metric", "evaluate"
_BESIDE = (METRIC, EVALUATE)  # what is declared beside the stage's own section
_SECTIONS: Mapping[str, type[Section]] = {CONFIRM: Confirm, ABLATION: Ablation, FINAL: Final}
DECLARING = tuple(_SECTIONS)


def content_of(study: Study, stage: str) -> dict[str, Any]:
    """Return what a study declares for a stage after the search, as plain data for JSON; empty without the stage."""
    section = getattr(study, stage)
    if section is None:
        return {}
    metric = {"name": study.metric.name, "goal": study.metric.goal, "at": study.metric.at}
    further = {EVALUATE: plain(study.evaluate)} if stage == FINAL and study.evaluate else {}
    return dict(json.loads(json.dumps({METRIC: metric, **section.written(), **further})))


def content_changes(stage: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what differs between two contents of a stage.

    A setting that an earlier version of the software did not have counts with its default.
    """
    return changes(_completed(stage, old), _completed(stage, new))


def with_content(study: Study, stage: str, content: Mapping[str, Any]) -> Study:
    """Return a study whose section of a stage is the declared one; the same study where it cannot be read any more."""
    with suppress(ValueError):
        return study.model_copy(update={stage: _section(stage, content)})
    return study


def _completed(stage: str, content: Mapping[str, Any]) -> dict[str, Any]:
    with suppress(ValueError):
        beside = {key: content[key] for key in _BESIDE if key in content}
        return dict(json.loads(json.dumps({**_section(stage, content).written(), **beside})))
    return dict(content)


def _section(stage: str, content: Mapping[str, Any]) -> Section:
    """The section that a content was made of. Raises ValueError where it is not one of this version."""
    return _SECTIONS[stage].model_validate({key: value for key, value in content.items() if key not in _BESIDE})
