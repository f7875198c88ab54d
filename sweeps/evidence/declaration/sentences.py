"""Put the changes of a declaration into sentences, with what had been seen when each was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.evidence.declaration.record import Amendment, Declaration, declared_stages
from sweeps.evidence.declaration.seen import RUN, Seen
from sweeps.formatting import count, listed, setting
from sweeps.storage.results import Results
from sweeps.study.diff import Change

NOT_DECLARED = "not declared before its first run"


def declaration_sentences(results: Results) -> list[str]:
    """Return a sentence for each change of a stage that was made after figures of it had been seen."""
    declarations = [declaration for _, declaration in declared_stages(results) if declaration is not None]
    return [sentence for declaration in declarations for sentence in _sentences(declaration, results)]


def change_text(change: Change) -> str:
    """Return a change in words: "margin 0.5 -> 1", "component relu added"."""
    key, old, new = change.key, change.old, change.new
    section, _, name = key.partition(".")
    if section == "components" and (name or isinstance(old, list) or isinstance(new, list)):
        return _components(name, old, new)
    return f"{key} {_shown(key, old)} -> {_shown(key, new)}"


def seen_text(seen: Seen) -> str:
    """Return how much had been seen: "6 of 6 pairs"."""
    numbers = sorted(number for number, _ in seen.counts.values())
    if not numbers or not numbers[-1]:
        return f"{count(seen.runs, 'run')}, but no {seen.noun} of each" if seen.counts else count(seen.runs, "run")
    planned = max(planned for _, planned in seen.counts.values())
    ended = f"{numbers[0]}" if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"
    each = " of each arm" if seen.noun == RUN else ""
    return f"{ended} of {count(max(planned, numbers[-1]), seen.noun)}{each}"


def _sentences(declaration: Declaration, results: Results) -> Iterator[str]:
    stage = declaration.stage
    if not declaration.intact:
        yield f"The declaration of the stage {stage} was edited: it does not match its hash."
    for amendment in declaration.amendments:
        if amendment.seen.runs:
            yield from (_changed(stage, change, amendment) for change in amendment.changes)
    for change in declaration.unrecorded(results.study):
        yield (
            f"Changed after looking: {stage}, {change_text(change)} in the study file; "
            f"the stage has not run since, so the date is not on record."
        )


def _changed(stage: str, change: Change, amendment: Amendment) -> str:
    known = f"after {seen_text(amendment.seen)} had been seen"
    return (
        f"Changed after looking: {stage}, {change_text(change)} on {amendment.at[:10]} {known}{_consequence(change)}."
    )


def _consequence(change: Change) -> str:
    """What a change after looking means for the figures; empty if the change alone says it."""
    section, _, name = change.key.partition(".")
    if section == "seeds" and not name and isinstance(change.new, int):
        return ": the interval is that of a fixed n and does not account for the look"
    if section == "seeds":
        return ": the interval is that of the new plan and does not account for the look"
    if section == "margin" and change.new is not None:
        return ": equivalence is judged by a margin that was chosen with the figures known"
    if section == "components" and _removed(name, change.old, change.new):
        return ": p is adjusted over the comparisons that are left"
    return ""


def _components(name: str, old: Any, new: Any) -> str:
    """The components that were added, removed or given other settings."""
    if name and old is not None and new is not None:
        return f"component {name} {setting(old)} -> {setting(new)}"
    added = [name] if name and old is None else [each for each in new or () if not name and each not in (old or ())]
    texts = [f"{_noun(added)} {listed(added)} added"] if added else []
    if removed := _removed(name, old, new):
        texts.append(f"{_noun(removed)} {listed(removed)} removed")
    return " and ".join(texts) or "the order of the components"


def _removed(name: str, old: Any, new: Any) -> list[str]:
    if name:
        return [name] if new is None else []
    return [each for each in old or () if each not in (new or ())]


def _noun(names: list[str]) -> str:
    return "component" if len(names) == 1 else "components"


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if key == "seeds" and isinstance(value, Mapping):
        rule = "anytime" if value.get("anytime") else f"precision {value.get('precision')}"
        return f"{value.get('min')} to {value.get('max')} ({rule})"
    return setting(value)
