"""What `sweep` says when no command is given: the next steps from the folder at hand."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from sweeps.artifacts.layout import study_names

FIRST_STUDY = Path("studies", "quickstart.yaml")


def version_line() -> str:
    """Return the name and the version of the program: "sweep 0.1.0"."""
    return f"sweep {version('cifar-sweep')}"


def next_steps(runs: Path) -> str:
    """Return a few lines about what can be done next.

    Args:
        runs: The runs folder; its studies, if there are any, are named first.
    """
    names = study_names(runs)
    studies = f"the {len(names)} studies" if len(names) > 1 else "".join(names)
    steps = {
        "sweep ls": f"what {runs} has: {studies}" if names else "",
        f"sweep run {FIRST_STUDY}": "a first study: handwritten digits, under two minutes"
        if FIRST_STUDY.exists()
        else "",
        "sweep new NAME": "write a study of your own",
        "sweep --help": "all commands; `sweep run --help` explains one",
    }
    shown = {command: purpose for command, purpose in steps.items() if purpose}
    width = max(map(len, shown))
    lines = [f"  {command:{width}}  {purpose}" for command, purpose in shown.items()]
    return "\n".join([f"{version_line()}: sweeps and ablation studies from one YAML file. What next?", "", *lines])
