"""Settle `batch_size: auto`, on a GPU in a process of its own.

The process that starts a study must not set up a GPU: its context would take some hundred MiB until the study's end,
and under the exclusive mode of a GPU no trial could start. On a CPU there is nothing to set up, so the size is
estimated where it is asked for, which saves the start of a process.

The process of the measurement gets JSON as its argument and prints RESULT followed by JSON. It ends when its stdin is
closed, and so with its parent, however that ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.batch_size.batch import auto_batch_size
from sweeps.workload import Site, Unavailable

RESULT = "result "
CODE = "from cifar_sweep.tune.batch_size.auto_batch import main; main()"
WAY_OUT = "give batch_size as a number"


def settle_batch_size(recipe: Recipe, site: Site) -> int:
    """Return the number for `batch_size: auto` at `site`.

    Raises:
        ValueError: Not even the smallest batch fits, or the size cannot be measured.
        Unavailable: The data is missing.
    """
    return auto_batch_size(recipe, site) if site.device == "cpu" else measure_apart(recipe, site)


def measure_apart(recipe: Recipe, site: Site) -> int:
    """Return what `auto_batch_size` finds in a process of its own, which has ended then. Raises as it does."""
    answer = _ask(
        {
            "recipe": recipe.model_dump(mode="json"),
            "data_dir": str(site.data_dir),
            "device": site.device,
            "runs_dir": None if site.runs_dir is None else str(site.runs_dir),
            "share": site.share,
        }
    )
    if "missing" in answer:
        raise Unavailable(answer["missing"])
    if "refused" in answer:
        raise ValueError(answer["refused"])
    if "error" in answer:
        raise ValueError(f"batch_size is auto but measuring it on {site.device} failed: {answer['error']}; {WAY_OUT}")
    return int(answer["batch_size"])


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a process to a request. The process is ended however this call ends."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        with process:
            try:
                answer = _answer(process)
            finally:
                process.kill()
        if answer is not None:
            return answer
        stderr.seek(0)
        return {"error": _how_it_ended(process.returncode, stderr.read().decode(errors="replace"))}


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """Return what the process answers; None where it ends without an answer."""
    assert process.stdout is not None
    # Other lines are passed over: libraries print to stdout too.
    for line in process.stdout:
        if (text := line.decode(errors="replace")).startswith(RESULT):
            answer: dict[str, Any] = json.loads(text.removeprefix(RESULT))
            return answer
    process.wait()  # its own end, before it could be killed
    return None


def _how_it_ended(code: int, stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    return f"the process of the measurement {how}" + (f": {lines[-1]}" if lines else "")


def _measured(request: dict[str, Any]) -> dict[str, Any]:
    """Return the batch size, or why there is none."""
    runs_dir = None if request["runs_dir"] is None else Path(request["runs_dir"])
    site = Site(Path(request["data_dir"]), request["device"], runs_dir, share=request["share"])
    try:
        return {"batch_size": auto_batch_size(Recipe.model_validate(request["recipe"]), site)}
    except Unavailable as error:
        return {"missing": str(error)}
    except ValueError as error:
        return {"refused": str(error)}
    except Exception as error:  # noqa: BLE001  (drivers raise anything; the parent says what the user can do)
        return {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # not by the file object, whose lock would be held when the process ends
    os._exit(1)


def main() -> None:
    """Answer the request in the command line: the process of the measurement."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.write(f"\n{RESULT}{json.dumps(_measured(json.loads(sys.argv[1])))}\n")
    sys.stdout.flush()
