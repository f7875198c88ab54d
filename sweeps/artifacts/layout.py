"""The names of the files and folders that studies and trials leave on disk."""

from __future__ import annotations

from pathlib import Path

VALIDATION = "validation"
TEST = "test"
CURVES = "curves.csv"
SEARCH = "search"
TRIALS = "trials"  # the folder of the search's trials; other stages have one of their own name
RECIPE = "recipe.yaml"
RECORD = "record.json"
STAGES = "stages"  # the folder with a file for each stage: what it decides by
ENVIRONMENT = "environment.json"
STUDY_FILE = "study.yaml"
DATABASE = "study.db"


def trial_folder(folder: Path, number: int, stage: str = SEARCH) -> Path:
    """The folder of a trial inside the study's folder: those of the search in `trials`, others in their stage's."""
    return folder / (TRIALS if stage == SEARCH else stage) / f"{number:04d}"


def stage_file(folder: Path, stage: str) -> Path:
    """The file inside the study's folder that proves what a stage decides by."""
    return folder / STAGES / f"{stage}.json"


def stages_kept(folder: Path) -> set[str]:
    """The stages that have left records of trials or of what they decided by in the study's folder."""
    found = {place.name for place in folder.glob("*/") if any(place.glob(f"*/{RECORD}"))}
    found |= {file.stem for file in folder.glob(f"{STAGES}/*.json")}
    return {SEARCH if name == TRIALS else name for name in found}
