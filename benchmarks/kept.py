"""Where a benchmark's result goes: to the terminal and, if wanted, into two files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def keep(result: Any, text: str, out: Path | None) -> None:
    """Print `text`; with `out`, write it to out.md and `result` to out.json."""
    print(text)
    if out is not None:
        out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(text, encoding="utf-8")
