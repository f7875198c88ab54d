"""What a proposal of the surrogate takes, in seconds of one core, with 20 to 1,000 trials.

    python -m benchmarks.proposal_time [--trials 20 50 200 1000] [--proposals 15] [--out FILE] [--loaded]

The space has eight dimensions, two of them choices and one conditional; the trials are those of a search of 27 epochs
that promotes half of each rung. Only proposals by the model are timed, one after another in one process, as a search
makes them. The time is that of the processor, over all threads (`time.process_time`), so that other programs on the
machine add little to it.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.common import machine, machine_line, options, require_quiet, spread, write_result
from sweeps.space.space import Categorical, Numeric, Space
from sweeps.surrogate.observed import Observed
from sweeps.surrogate.proposer import Proposer

EPOCHS = 27
RUNGS = (1, 2, 4, 8, 16, EPOCHS)
LIMITS = {200: 1.0, 1000: 5.0}  # seconds of the median with so many trials
SPACE = Space.of(
    [
        Numeric(key="lr", low=1e-4, high=1.0, log=True),
        Numeric(key="weight_decay", low=1e-6, high=1e-2, log=True),
        Numeric(key="batch_size", low=32, high=512, log=True, integer=True, quantum=32),
        Numeric(key="dropout", low=0.0, high=0.5),
        Numeric(key="depth", low=1, high=8, integer=True),
        Categorical(key="widths", values=([16, 32], [32, 64], [64, 128])),
        Categorical(key="optimizer", values=("sgd", "adam", "lion")),
        Numeric(key="momentum", low=0.0, high=0.99, when={"optimizer": ("sgd",)}),
    ],
    {},
)


def accuracy(parameters: Mapping[str, Any], epoch: int) -> float:
    """A made-up accuracy."""
    level = 1.0 - 0.1 * abs(math.log10(parameters["lr"]) + 2) - 0.02 * abs(parameters["depth"] - 5)
    return level - 0.3 * parameters["dropout"] / math.sqrt(epoch) - 0.2 / epoch


def searched(count: int, seed: int) -> list[Observed]:
    """The trials of a search at random: each rung is reached by half of those of the one before."""
    rng = random.Random(seed)
    trials = []
    for _ in range(count):
        parameters = SPACE.draw(rng)
        last = RUNGS[min(int(-math.log2(1 - rng.random())), len(RUNGS) - 1)]
        trials.append(Observed(parameters, {epoch: accuracy(parameters, epoch) for epoch in range(1, last + 1)}))
    return trials


def seconds(count: int, proposals: int) -> list[float]:
    """The seconds of each proposal by the model after `count` trials."""
    trials = searched(count, seed=count)
    proposer = Proposer(SPACE, EPOCHS, "maximize", seed=0)
    state: Mapping[str, Any] | None = None
    taken: list[float] = []
    while len(taken) < proposals:
        began = time.process_time()
        proposal = proposer.propose(trials, len(trials), lambda _: True, lambda _: 1.0, state)
        if proposal.by == "model":
            taken.append(time.process_time() - began)
        state = proposal.state
        trials.append(Observed(proposal.parameters, {1: accuracy(proposal.parameters, 1)}))
    return taken


def render(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    rows = [
        f"| {row['trials']:,} | {spread([1000 * value for value in row['seconds']], '.0f')} |" for row in result["rows"]
    ]
    return "\n".join(
        [
            "What a proposal of the surrogate takes, in milliseconds of one core: the median over "
            f"{len(result['rows'][0]['seconds'])} proposals (smallest to largest). {machine_line(result['machine'])}",
            "",
            "| trials | ms |",
            "| ---: | ---: |",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[20, 50, 200, 1000])
    parser.add_argument("--proposals", type=int, default=15)
    arguments = parser.parse_args()
    busy = require_quiet(arguments.loaded)
    rows = [{"trials": count, "seconds": seconds(count, arguments.proposals)} for count in arguments.trials]
    result = {"machine": machine(busy, "numpy", "scipy"), "rows": rows}
    write_result(result, render(result), arguments.out)
    for row in rows:
        limit = LIMITS.get(row["trials"], math.inf)
        median = sorted(row["seconds"])[len(row["seconds"]) // 2]
        if median > limit:
            print(f"{row['trials']} trials: {median:.2f} s, over the limit of {limit} s", file=sys.stderr)
            raise SystemExit(1)


if __name__ == "__main__":
    main()
