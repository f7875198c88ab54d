"""Find the study file that a command line names: by its path, by a study's name, or by an earlier run of it."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import ENVIRONMENT, is_name, study_names
from sweeps.study.problems import StudyError, failure

FOLDER = Path("studies")  # where `sweep new` writes them
SUFFIXES = (".yaml", ".yml")
SHOWN = 8  # names in a message


def study_file(given: Path, runs: Path) -> Path:
    """Return the study file that `given` stands for.

    Args:
        given: The path of a study file, or a name: `NAME` is `studies/NAME.yaml`, else `NAME.yaml`, else the file with
            which the study `NAME` of the runs folder was last run.
        runs: The runs folder.

    Raises:
        StudyError: There is no such file; the message says which there are.
    """
    if given.expanduser().is_file():
        return given
    if _is_name(given):
        for candidate in (*_candidates(given.name), *_last_files(runs / given.name)):
            if candidate.is_file():
                return candidate
    if given.expanduser().exists():  # a folder or a pipe, about which the reader of the file knows more
        return given
    raise _not_found(given, runs)


def _is_name(given: Path) -> bool:
    return given.name == str(given) and is_name(given.name) and given.suffix not in SUFFIXES


def _candidates(name: str) -> list[Path]:
    return [folder / f"{name}{suffix}" for folder in (FOLDER, Path()) for suffix in SUFFIXES]


def _last_files(folder: Path) -> Iterator[Path]:
    """The files in the `sweep run FILE` commands that a study has recorded, the last one first."""
    with suppress(OSError, ValueError, AttributeError, KeyError, TypeError):  # a damaged record names no file
        commands: list[Any] = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8")).get("commands", [])
        for entry in reversed(commands):
            program, command, file, *_ = [*shlex.split(entry["command"]), "", "", ""]
            if (program, command) == ("sweep", "run") and Path(file).suffix in SUFFIXES:
                yield Path(file).expanduser()


def _not_found(given: Path, runs: Path) -> StudyError:
    names = study_names(runs)
    if _is_name(given) and given.name in names:
        where = f"no study file {FOLDER / given.name}.yaml or {given}.yaml"
        return failure(str(given), f"{where}; {runs} has a study of this name: `sweep resume {given}` goes on with it")
    files = sorted(path for suffix in SUFFIXES for path in FOLDER.glob(f"*{suffix}"))
    near = difflib.get_close_matches(given.stem, [*(path.stem for path in files), *names], n=1)
    clauses = [f"no such file; did you mean {near[0]}? " if near else "no such file; "]
    clauses += [f"{FOLDER} has {_listed([path.name for path in files])}; "] if files else []
    clauses += [f"{runs} has {_listed(names)}: `sweep resume NAME` goes on with one; "] if names else []
    return failure(str(given), "".join([*clauses, "`sweep new NAME` writes a study file"]))


def _listed(names: list[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
