"""Count what a training step asks of a GPU: operators, copies from and to the host, and waits of the host.

    python -m benchmarks.step_counts [--only NAME ...] [--out FILE] [--before FILE]
    python -m benchmarks.step_counts --code DIR --out before      # the counts of an earlier checkout

No GPU is needed: the steps run on the pretended device of `tests/cuda`, so the counts are exact, do not depend on the
load of the machine, and say nothing about time. A fused or foreach operator counts as one, a replayed graph too, views
are none. Augmentations work on 4 steps at once, as they do on a GPU for 512 images of 32 pixels a step, where the code
can; they do the more operators the fewer steps these are, and 16 images a step draw fewer different operations than 512
do. Scenarios that begin with "large" are the ResNet and the preset whose speed the documentation discusses, at an
eighth of their width, which changes no count; the others are those of the tests.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tests.cuda  # noqa: F401  (before `--code` is looked at: the counting is that of this checkout, whatever code is counted)
from benchmarks.common import write_result

RESNET: dict[str, Any] = {
    "model": {"name": "resnet", "blocks": [1, 1, 1, 1], "widths": [8, 16, 32, 64], "strides": [1, 2, 2, 2]}
}
MANY = {"augment.trivial_augment": {}, "augment.erasing": {}, "augment.mix": {"cutmix": 1.0}}
LARGE: dict[str, dict[str, Any]] = {
    "large: ResNet": RESNET,
    "large: ResNet in bf16": {**RESNET, "precision": "bf16"},
    "large: ResNet in bf16, graph": {**RESNET, "precision": "bf16", "execution": "graph"},
    "large: ResNet, AdamW": {**RESNET, "optimizer.name": "adamw", "optimizer.lr": 1e-3},
    "large: ResNet, RandAugment": {**RESNET, "augment.rand_augment": {}},
    "large: ResNet, TrivialAugment": {**RESNET, "augment.trivial_augment": {}},
    "large: ResNet, AugMix": {**RESNET, "augment.aug_mix": {}},
    "large: ResNet, TrivialAugment, erasing, CutMix, EMA, clipping": {
        **RESNET,
        **MANY,
        "regularization.ema": 0.99,
        "regularization.grad_clip": 1.0,
    },
}
FAST_WIDTHS = {"model.widths": [8, 32, 32]}
HEADER = (
    "What a training step asks of a GPU, counted on the pretended device of `tests/cuda`: operators that are launched "
    "(a fused or foreach operator and a replayed graph are one each), copies between host and device, and waits of the "
    "host; the last column is the waits of a whole epoch with its validation, besides those of its steps. "
    "Augmentations work on 4 steps at once where the code can, as they do for 512 images of 32 pixels a step."
)
COLUMNS = ("operators", "copies", "waits", "epoch_waits")


def counts(only: list[str] | None) -> dict[str, dict[str, Any]]:
    """Return the counts of every scenario by its name; a scenario that this code cannot train has an `error` alone."""
    from tests.cuda.pretended import pretended
    from tests.cuda.scenarios import GRAPHS, SCENARIOS, TECHNIQUES, Scenario, write_images
    from tests.cuda.training import Site, step_counts

    fast = {**TECHNIQUES["fast"], **FAST_WIDTHS}
    large = {
        **LARGE,
        "large: preset fast": fast,
        "large: preset fast in bf16": {**fast, "precision": "bf16"},
        "large: preset fast in bf16, graph": {**fast, "precision": "bf16", "execution": "graph"},
    }
    scenarios = {
        **{name: Scenario(name, settings) for name, settings in large.items()},
        **{name: scenario for name, scenario in SCENARIOS.items() if scenario.has_even_steps},
        **{
            f"graph of {name}": Scenario(name, {**SCENARIOS[name].settings, "execution": "graph"})
            for name in GRAPHS
            if SCENARIOS[name].has_even_steps
        },
    }
    found = {}
    with tempfile.TemporaryDirectory(prefix="step-counts-") as scratch:
        site = Site(Path(scratch), Path(scratch))
        write_images(site.data_dir)
        for name, scenario in scenarios.items():
            if only is None or any(text in name for text in only):
                with pretended() as device:
                    found[name] = _counted(lambda scenario=scenario, device=device: step_counts(scenario, site, device))
                print(f"{name}: { {key: found[name].get(key) for key in COLUMNS} }", file=sys.stderr)
    return found


def _counted(count: Any) -> dict[str, Any]:
    try:
        counted = vars(count())
    except Exception as error:  # noqa: BLE001  (an earlier checkout may fail in any way)
        return {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}
    return {**counted, "by_operator": dict(list(counted["by_operator"].items())[:12])}


def table(result: Mapping[str, Any]) -> str:
    """Return the counts as Markdown, before and after where both are known."""
    before, after = result.get("before", {}), result["after"]
    compared = " → " if before else ""
    lines = [
        f"{HEADER}{' Before → after.' if before else ''} Averages over 4 steps; torch {result['torch']}.",
        "",
        "| scenario | operators | copies | waits | waits of an epoch |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in after.items():
        cells = [
            compared.join([*([_cell(before.get(name, {}), key)] if before else []), _cell(row, key)]) for key in COLUMNS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any], key: str) -> str:
    return f"{row[key]:.4g}" if key in row else "–"


def main() -> None:
    """Count, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="scenarios whose name contains this (again for more)")
    parser.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    parser.add_argument("--before", type=Path, help="the .json of an earlier checkout's counts, to stand beside these")
    parser.add_argument("--code", type=Path, help="the checkout whose packages are counted instead of this one's")
    chosen = parser.parse_args()
    if chosen.code is not None:
        sys.path.insert(0, str(chosen.code.resolve()))
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    result: dict[str, Any] = {"torch": torch.__version__, "python": platform.python_version()}
    result["after"] = counts(chosen.only)
    if chosen.before is not None:
        result["before"] = json.loads(chosen.before.read_text(encoding="utf-8"))["after"]
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
