"""Find studies and trials in a runs folder by name and number."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import SEARCH, STUDY_FILE, folder_names, is_name, study_names
from sweeps.artifacts.recipe_file import read_recipe
from sweeps.io.errors import UserError
from sweeps.storage.results import Results
from sweeps.storage.snapshot import snapshot
from sweeps.study.document import Document, read
from sweeps.study.study import parse
from sweeps.trial.trial import Trial


class NotFound(UserError):
    """There is no study, stage or trial of this name or number."""


def study_folder(runs: Path, name: str) -> Path:
    """Return the folder of the study `name`. Raises NotFound for a name that could lead out of the runs folder."""
    if not is_name(name):
        raise NotFound(f"{name!r} is not a study's name: it has letters, digits, '_', '-' and '.' only")
    return runs / name


def study_document(runs: Path, name: str) -> Document:
    """Read the study file in the folder of the study `name`, the one of its last run. Raises NotFound."""
    file = study_folder(runs, name) / STUDY_FILE
    if not file.exists():
        raise NotFound(f"no study {name!r} in {runs}; there are: {', '.join(study_names(runs)) or 'none yet'}")
    return read(file)


def open_results(runs: Path, name: str, *, verified: bool = True) -> Results:
    """Read the results of a study.

    Args:
        runs: The runs folder.
        name: The study's name.
        verified: Whether to compare the database with the records. A driver does that anyway when it starts.

    Raises:
        NotFound: There is no such study.
        Damaged: The study's files contradict each other or cannot be read.
    """
    # Imported here, because it loads Optuna, which `open_snapshot` does without.
    from sweeps.storage.study_reader import StudyReader

    with closing(StudyReader(study_folder(runs, name), parse(study_document(runs, name)))) as reader:
        if verified:
            reader.reconcile()
        return reader.results()


def open_snapshot(runs: Path, name: str) -> Results:
    """Read the results of a study quickly, without the parameters of running trials.

    Raises as `open_results`.
    """
    study = parse(study_document(runs, name))
    return snapshot(study_folder(runs, name), study) or open_results(runs, name)


def open_snapshots(runs: Path) -> tuple[list[Results], dict[str, str]]:
    """Read the results of every study of a runs folder. One that cannot be read does not hide the others.

    Returns:
        The results, and by the name of each other folder why it has none.
    """
    read_studies, unread = [], {}
    for name in folder_names(runs):
        try:
            read_studies.append(open_snapshot(runs, name))
        except NotFound:
            unread[name] = f"it has no {STUDY_FILE}, so it is no study"
        except (UserError, OSError) as error:
            unread[name] = str(error)
    return read_studies, unread


def open_each(runs: Path, names: Sequence[str]) -> tuple[list[Results], list[str]]:
    """Read the results of the named studies, at least two. One that cannot be read does not hide the others.

    Returns:
        The results, and why each other study cannot be read.

    Raises:
        NotFound: There is no study of one of the names.
        UserError: Fewer than two can be read; the message has every reason.
    """
    read_studies, unread = [], []
    for name in names:
        try:
            read_studies.append(open_results(runs, name))
        except NotFound:
            raise
        except (UserError, OSError) as error:
            unread.append(f"{name} cannot be read: {error}")
    if len(read_studies) < 2:
        raise UserError("\n".join(unread))
    return read_studies, unread


def find_trial(results: Results, number: int, stage: str = SEARCH) -> Trial:
    """Return trial `number` of a stage. Raises NotFound."""
    trials_of = {SEARCH: results.trials, **{name: content.trials for name, content in results.stages.items()}}
    if stage not in trials_of:
        raise NotFound(f"{results.study.name} has no stage {stage!r}; there are: {', '.join(trials_of)}")
    trials = trials_of[stage]
    for trial in trials:
        if trial.number == number:
            return trial
    numbers = f"0 to {trials[-1].number}" if trials else "none yet"
    of = "" if stage == SEARCH else f" of the stage {stage}"
    raise NotFound(f"{results.study.name} has no trial {number}{of}; there are: {numbers}")


def recipe_of(results: Results, number: int, stage: str = SEARCH) -> dict[str, Any]:
    """Return the whole recipe of a trial by dotted key; empty if the trial never started. Raises Unavailable."""
    settings = settings_of(results, number, stage)
    return dict(_dotted(settings, "")) if settings else {}


def settings_of(results: Results, number: int, stage: str = SEARCH) -> dict[str, Any]:
    """Return the whole recipe of a trial as nested settings; empty if the trial never started. Raises Unavailable."""
    return read_recipe(results.trial_folder(number, stage))


def _dotted(node: Any, prefix: str) -> list[tuple[str, Any]]:
    """Return the values in nested mappings with their dotted keys; an empty mapping is a value."""
    if not isinstance(node, dict) or not node:
        return [(prefix, node)]
    return [item for key, inner in node.items() for item in _dotted(inner, f"{prefix}.{key}" if prefix else str(key))]
