"""The names of studies and stages, and of the files and folders that they leave on disk."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatch
from pathlib import Path

# Names of stages. A stage's Optuna study and its folder (except that of the search) have the same name.
SEARCH = "search"
CONFIRM = "confirm"
ABLATION = "ablation"
FINAL = "final"
# The part of confirm with the runs that are made once the incumbent has been chosen.
INCUMBENT_RUNS = "incumbent"
# Parts of the ablation that have trials of their own.
RACE = "race"
RETUNE = "retune-"  # followed by a digest of the recipe and the space that are tuned again
# Runs of one recipe with the seed of a run that exists (`sweep run --repeat`). They belong to no stage.
REPEATS = "repeats"

_STAGES = frozenset({SEARCH, CONFIRM, INCUMBENT_RUNS, ABLATION, FINAL, RACE, REPEATS})

# The stages in which a run keeps its prediction for each image. A search would take the space of hundreds of them.
WITH_PREDICTIONS = frozenset({CONFIRM, INCUMBENT_RUNS, ABLATION, FINAL})

VALIDATION = "validation"
TEST = "test"
CURVES = "curves.csv"
TRIALS = "trials"  # the folder of the search's trials; every other stage has a folder of its own name
RECIPE = "recipe.yaml"
RECORD = "record.json"
PAUSED = "paused.json"  # what is known of a trial that waits, should the database be lost
CHECKPOINT = "checkpoint"  # the folder of a trial's checkpoints
PREDICTIONS = "predictions"  # the folder of a trial's predictions, one file per labelled set
LOG = "log.txt"
THUMBNAILS = "thumbnails"  # the folder with pictures of the images that the report shows
STAGES = "stages"  # the folder with one file per stage: its arms and facts
ENVIRONMENT = "environment.json"
STUDY_FILE = "study.yaml"
DATABASE = "study.db"
DUPLICATES = "duplicates.json"  # all pairs of images that a study has twice
WARM_START_FILE = "warm_start.json"  # the curves of earlier studies that inform the search
STOP_FILE = "stop"  # while it exists, runs end at their next checkpoint
# What runs write into a study's folder, beside hidden files. Patterns, because some files have others beside them.
WRITTEN = (
    *(
        f"{STUDY_FILE}*",
        f"{DATABASE}*",
        f"{ENVIRONMENT}*",
        DUPLICATES,
        WARM_START_FILE,
        "lock*",
        STOP_FILE,
        STAGES,
        THUMBNAILS,
    ),
    *(TRIALS, CONFIRM, INCUMBENT_RUNS, ABLATION, RACE, f"{RETUNE}*", FINAL, REPEATS, ".*"),
)

# The rule of a name of a study or a stage, and of the folder of either: it can lead to no other folder. 255 bytes is
# the limit of file systems. A study file allows less (`STUDY_NAME_LENGTH`), because suffixes such as those of --fresh
# and --smoke make a folder's name longer.
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"
STUDY_NAME_LENGTH = 64
_NAME = re.compile(NAME)


def is_name(text: str) -> bool:
    """Whether `text` can be the name of a folder of a study or a stage."""
    return _NAME.fullmatch(text) is not None


def is_study_name(text: str) -> bool:
    """Whether `text` is allowed as `name` in a study file: as `is_name`, but at most `STUDY_NAME_LENGTH` characters."""
    return is_name(text) and len(text) <= STUDY_NAME_LENGTH


def is_stage(name: str) -> bool:
    """Whether `name` is the name of a stage, or of a part of one that has trials of its own."""
    return name in _STAGES or (name.startswith(RETUNE) and is_name(name))


def trial_folder(folder: Path, number: int, stage: str = SEARCH) -> Path:
    """Return the folder of trial `number` of a stage in the study's `folder`."""
    return folder / (TRIALS if stage == SEARCH else stage) / f"{number:04d}"


def set_slug(set_name: str) -> str:
    """Return the part of a file's name that stands for a labelled set, which may have any text as its name."""
    slug = re.sub(r"[^a-z0-9]+", "-", set_name.lower()).strip("-")[:60]
    # Two names may have the same slug, so a part of the name's hash is added where the slug is not the name itself.
    return slug if slug == set_name else f"{slug}-{hashlib.sha256(set_name.encode()).hexdigest()[:6]}"


def append_log(folder: Path, text: str) -> None:
    """Append a text, with one line break at its end, to the log in a trial's folder."""
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(text.rstrip("\n") + "\n")


def study_names(runs: Path) -> list[str]:
    """Return the names of the studies in a runs folder, sorted."""
    return sorted(path.parent.name for path in runs.glob(f"*/{STUDY_FILE}"))


def foreign_names(folder: Path) -> list[str]:
    """Return the names in a study's `folder` that no run has written, sorted; empty if there is no such folder."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if not any(fnmatch(name, pattern) for pattern in WRITTEN)]


def folder_names(runs: Path) -> list[str]:
    """Return the names of the visible folders in a runs folder, sorted, whether or not they are studies."""
    paths = runs.iterdir() if runs.exists() else ()
    return sorted(path.name for path in paths if path.is_dir() and not path.name.startswith("."))


def stage_file(folder: Path, stage: str) -> Path:
    """Return the sealed file with the arms and facts of a stage in the study's `folder`."""
    return folder / STAGES / f"{stage}.json"


def stages_kept(folder: Path) -> set[str]:
    """Return the stages that have left records of trials, or a file of their own, in the study's `folder`."""
    names = {place.name for place in folder.glob("*/") if any(place.glob(f"*/{RECORD}"))}
    names |= {file.stem for file in folder.glob(f"{STAGES}/*.json")}
    return {name for name in (SEARCH if name == TRIALS else name for name in names) if is_stage(name)}
