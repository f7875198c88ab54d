"""Drift: differences between a study's last run and the run that is about to start.

If code, data, libraries, device or study file have changed, runs before and after are not comparable. Changes of the
study file that leave the recorded runs valid are growth, not drift (`sweeps.study.diff`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sweeps.io.errors import UserError
from sweeps.storage.results import CHANCE, COMPLETE, PERCENTAGES
from sweeps.study.diff import Change

# The distributions whose versions the provenance records, and what each version can change.
TRAINING, SAMPLING, NOTHING = "the metrics of a run", "the configurations that are tried", "nothing that is recorded"
LIBRARIES = {
    "python": TRAINING,
    "torch": TRAINING,
    "torchvision": TRAINING,
    "numpy": TRAINING,
    "scikit-learn": TRAINING,
    "optuna": SAMPLING,
    "ray": NOTHING,
    "pandas": NOTHING,
    "plotly": NOTHING,
    "cifar-sweep": NOTHING,  # the hash of the workload's code tells more
}
# Parts of the study file that can never change: the recorded trials would mean something else.
FIXED = frozenset({"name", "workload", "metric", "parameters", "toggles", "seed"})
SHOWN = 60  # characters of a value in a message
FILES_SHOWN = 5  # in a message


class Drifted(UserError):
    """A study has drifted, and the drift was not or cannot be accepted."""


@dataclass(frozen=True)
class Drift:
    """One difference.

    Attributes:
        kind: "code", "data", "library", "device", "model" or "study file".
        name: What differs, such as "torch" or a key of the study file.
        files: The files of the code that differ, in words; empty if they are not known.
    """

    kind: str
    name: str
    before: Any
    after: Any
    files: str = ""

    @property
    def acceptable(self) -> bool:
        """Whether the user may accept the difference with `--accept-drift` (`accept_drift=True`)."""
        return self.kind != "study file" or self.name.partition(".")[0] not in FIXED

    def __str__(self) -> str:
        files = f" ({self.files})" if self.files else ""
        return f"{self.kind} {self.name}: {_shown(self.before)} -> {_shown(self.after)}{files}"

    def plain(self) -> dict[str, Any]:
        """Return the difference as plain data, for the provenance."""
        return {key: value for key, value in asdict(self).items() if key != "files" or value}


def of_file(changes: Iterable[Change]) -> list[Drift]:
    """Return those changes of a study file that are not growth."""
    return [Drift("study file", change.key, change.old, change.new) for change in changes if not change.may_grow]


def of_environment(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Drift]:
    """Compare two provenances. A value that one of them does not have counts as equal.

    Args:
        before: The provenance of the study's last run.
        now: That of the run that is about to start.
    """
    compared = [
        ("data", now.get("data", {}).get("data") or "fingerprint", ("data", "fingerprint")),
        ("device", "kind", ("device",)),
        *(("library", name, ("versions", name)) for name, changes in LIBRARIES.items() if changes != NOTHING),
        *(("model", key, ("references", key, "digest")) for key in now.get("references", {})),
    ]
    values = ((kind, name, _at(before, path), _at(now, path)) for kind, name, path in compared)
    differences = [Drift(kind, str(name), old, new) for kind, name, old, new in values if old and new and old != new]
    return [*_of_code(before.get("workload") or {}, now.get("workload") or {}), *differences]


def as_trained(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of a run that trains nothing: that of the last run, with this run's command.

    Code or data that no trial has seen must not become what the next run is compared with.

    Args:
        before: The provenance of the study's last run.
        now: That of the run that is about to start.
    """
    shown = {name: value for name, value in now["workload"].items() if name in (PERCENTAGES, CHANCE)}
    workload = {**(before.get("workload") or {}), **shown}  # only how figures are shown
    kept = {name: value for name, value in before.items() if name != COMPLETE}
    return {**kept, "workload": workload, "command": now["command"]}


def _of_code(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Drift]:
    """Compare two identities of a workload's code by the version of the hash that the earlier one has."""
    old = before.get("code_sha256")
    new = now.get("code_sha256" if "code_version" in before else "folder_sha256") or now.get("code_sha256")
    if not old or not new or old == new:
        return []
    files = _changed_files(before.get("files") or {}, now.get("files") or {})
    return [Drift("code", str(now.get("name", "")), old, new, files)]


def _changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the files that were changed, added and removed, in words; "" where those of before are not known."""
    if not before:
        return ""
    changes = {
        "changed": [name for name in now if name in before and before[name] != now[name]],
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
    }
    return "; ".join(f"{how}: {_listed(names)}" for how, names in changes.items() if names)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - FILES_SHOWN} more" if len(names) > FILES_SHOWN else ""
    return ", ".join(names[:FILES_SHOWN]) + more


def last_command(environment: Mapping[str, Any]) -> str:
    """Return the `sweep run` command with which a study was last run, to be given again; "" where none is on record.

    Args:
        environment: The provenance of the study's last run.
    """
    commands = [str(entry.get("command", "")) for entry in environment.get("commands", [])]
    command = next((each for each in reversed(commands) if each.startswith("sweep run ")), "")
    return command.replace(" --fresh", "")  # which would begin from nothing


def require_accepted(differences: Sequence[Drift], name: str, accepted: bool, command: str = "") -> None:
    """Raise an error unless all differences are accepted.

    Args:
        differences: The drift of the study.
        name: The study's name.
        accepted: Whether the user accepts the drift.
        command: The command with which the study was last run, as `last_command` returns it.

    Raises:
        Drifted: There is drift that is not accepted or not acceptable.
    """
    unacceptable = [drift for drift in differences if not drift.acceptable]
    if not differences or (accepted and not unacceptable):
        return
    lines = "\n".join(f"  {drift}" for drift in (unacceptable if accepted else differences))
    edited = any(drift.kind == "study file" for drift in differences)
    ways = f"{_as_it_was(name, command)}\n" if edited else ""
    ways += (
        f"undo the change{_device_before(differences)}, give the study another name, or start over with --fresh "
        f"(fresh=True), which keeps the old folder"
    )
    if unacceptable:
        raise Drifted(f"{name} has changed since it began, and its trials would lose their meaning:\n{lines}\n{ways}")
    raise Drifted(
        f"{name} has changed since it began, so runs before and after would not be comparable:\n{lines}\n"
        f"{ways}; or continue with --accept-drift (accept_drift=True), which every later run and the report mention"
    )


def _as_it_was(name: str, command: str) -> str:
    """Return how to go on with the study as it was last run, such as with the --set of then."""
    again = f"`{command}` or " if command else ""
    return f"to go on with the study as it was last run: {again}`sweep resume {name}`; otherwise"


def _device_before(differences: Sequence[Drift]) -> str:
    """Return how to train on the device of before; "" where the device is the same."""
    device = next((drift.before for drift in differences if drift.kind == "device"), "")
    return device and f" (device: {device} in the study file trains on that device again)"


def _at(environment: Mapping[str, Any], path: Iterable[str]) -> Any:
    """Return the value at a path of keys; None if there is none."""
    value: Any = environment
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64 and all(letter in "0123456789abcdef" for letter in value):
        return value[:12]  # a SHA-256
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
