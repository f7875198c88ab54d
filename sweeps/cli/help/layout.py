"""The layout of the help pages: commands in groups with whole summaries, usage without braces, examples at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sweeps.cli.help.examples import EXAMPLES, GROUPS
from sweeps.cli.process import telling_usage_errors

if TYPE_CHECKING:
    from typer.models import CommandInfo

OTHERS = "Others"


class Commands(TyperGroup):
    """All commands of `sweep`."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the words before the command."""
        with telling_usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Read the words of the command, and run it."""
        with telling_usage_errors():
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands group by group; a summary that is too long for a line wraps."""
        summaries = {name: _summary(command.help) for name, command in self.commands.items()}
        listed = [(title, list(names)) for title, names in GROUPS.items()]
        listed.append((OTHERS, [name for name in summaries if name not in EXAMPLES]))
        width = max(map(len, summaries))
        for title, names in listed:
            if rows := [(f"{name:{width}}", summaries[name]) for name in names if name in summaries]:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Command(TyperCommand):
    """One command of `sweep`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the line "Usage: …": STUDY where typer writes {STUDY}, and the dots of NAME... once."""
        pieces = super().collect_usage_pieces(ctx)
        return [piece.replace("{", "").replace("}", "").replace("......", "...") for piece in pieces]


def lay_out(app: typer.Typer) -> None:
    """Give every command of `app` its layout and its examples; those of a group of commands stand in its own help."""
    for group in app.registered_groups:
        if group.typer_instance is None:
            continue
        if group.name:
            group.epilog = _epilog(EXAMPLES.get(group.name, ()))
        for command in group.typer_instance.registered_commands:
            command.cls = Command
            command.epilog = _epilog(() if group.name else EXAMPLES.get(_name(command), ()))
        lay_out(group.typer_instance)


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def _epilog(examples: tuple[str, ...]) -> str | None:
    """The examples as a paragraph whose lines stay lines: click marks such a one with a backspace."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in examples)]) if examples else None


def _summary(text: str | None) -> str:
    """The first paragraph of a command's help, as one line."""
    return " ".join((text or "").partition("\n\n")[0].split())
