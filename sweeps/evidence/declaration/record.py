"""The declaration of a stage: written before its first run, amended whenever the study file says something else.

It is one of the stage's facts, which the database and a sealed file both hold. Each part also has the hash of itself
and of the part before, so that none can be altered, left out or dated anew by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sweeps.artifacts.record import digest
from sweeps.evidence.declaration.content import DECLARING, content_changes, content_of
from sweeps.evidence.declaration.seen import Seen, ended_runs, seen
from sweeps.storage.results import DECLARED, Results
from sweeps.study.diff import Change
from sweeps.study.study import Study


@dataclass(frozen=True)
class Amendment:
    """A change of what a stage is to do.

    Attributes:
        at: When the run began that made it, as an ISO time in UTC.
        changes: What was changed, by the keys of the stage's section.
        seen: What had been seen of the stage by then.
        sha256: The hash of this amendment and of what came before.
    """

    at: str
    changes: tuple[Change, ...]
    seen: Seen
    sha256: str


@dataclass(frozen=True)
class Declaration:
    """What a stage was to do.

    Attributes:
        stage: The stage.
        at: When it was declared, as an ISO time in UTC.
        content: The stage's section of the study file then, and the metric.
        runs_before: The runs of the stage that had ended by then: above 0 only where an earlier version of the
            software, which declared nothing, has begun the stage.
        sha256: The hash of this declaration.
        amendments: What was changed since, in the order of time.
        current: The content after the last amendment.
        intact: Whether every hash is that of what stands there.
    """

    stage: str
    at: str
    content: Mapping[str, Any]
    runs_before: int
    sha256: str
    amendments: tuple[Amendment, ...]
    current: Mapping[str, Any]
    intact: bool

    @classmethod
    def of(cls, stage: str, stored: Mapping[str, Any]) -> Declaration:
        """Return the declaration that a stage has stored."""
        amendments, content = [], stored["content"]
        for part in stored["amendments"]:
            changed = tuple(content_changes(stage, content, part["content"]))
            amendments.append(Amendment(part["at"], changed, Seen.of(part["seen"]), part["sha256"]))
            content = part["content"]
        return cls(
            stage=stage,
            at=stored["at"],
            content=stored["content"],
            runs_before=stored["runs_before"],
            sha256=stored["sha256"],
            amendments=tuple(amendments),
            current=content,
            intact=_intact(stored),
        )

    def unrecorded(self, study: Study) -> list[Change]:
        """Return the changes of the study that no run of the stage has recorded yet."""
        content = content_of(study, self.stage)
        return content_changes(self.stage, self.current, content) if content else []


def declared_now(
    stored: Mapping[str, Any] | None, study: Study, stage: str, results: Callable[[], Results]
) -> dict[str, Any]:
    """Return what a stage is to store before it runs: its declaration, amended if the study has changed.

    Args:
        stored: What it has stored so far; None if nothing.
        study: The study as it is now.
        stage: The stage.
        results: Returns what the study has recorded so far; called where it is needed.
    """
    content, at = content_of(study, stage), datetime.now(UTC).isoformat("T", "seconds")
    if stored is None:
        first = {"at": at, "content": content, "runs_before": ended_runs(results(), stage)}
        return {**first, "sha256": digest(first), "amendments": []}
    parts = [stored, *stored["amendments"]]
    if not content_changes(stage, parts[-1]["content"], content):
        return dict(stored)
    known = seen(results(), stage, parts[-1]["content"]).plain()
    amendment = {"at": at, "content": content, "seen": known}
    sealed = {**amendment, "sha256": digest({**amendment, "after": parts[-1]["sha256"]})}
    return {**stored, "amendments": [*stored["amendments"], sealed]}


def declared_stages(results: Results) -> Iterator[tuple[str, Declaration | None]]:
    """Yield the stages after the search that have begun, each with its declaration; None if there is none."""
    for name in DECLARING:
        if name in results.stages and (results.stages[name].trials or results.stages[name].arms):
            stored = results.stages[name].facts.get(DECLARED)
            yield name, None if stored is None else Declaration.of(name, stored)


def _intact(stored: Mapping[str, Any]) -> bool:
    """Whether each part has the hash of its own content and of the part before."""
    first = {key: value for key, value in stored.items() if key not in ("sha256", "amendments")}
    good, before = bool(digest(first) == stored["sha256"]), stored["sha256"]
    for part in stored["amendments"]:
        content = {key: value for key, value in part.items() if key != "sha256"}
        good = good and bool(digest({**content, "after": before}) == part["sha256"])
        before = part["sha256"]
    return good
