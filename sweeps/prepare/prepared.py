"""Settle a study for this machine: its device, its data, and whether anything fits its constraints."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sweeps.io.errors import UserError
from sweeps.prepare import environment as sites
from sweeps.prepare.gpu_share import settle_share
from sweeps.prepare.teachers import taught_by_the_same
from sweeps.recipe.schema import BadRecipe
from sweeps.samplers.feasibility import ConstraintGate, smallest
from sweeps.storage.results import SAME_DATA
from sweeps.study.resources import SHARING, with_share
from sweeps.study.study import Study
from sweeps.trial.seeds import stream
from sweeps.workload import Site, Workload
from sweeps.workload.references import References

DRAWS = 64  # random configurations tried before the smallest one is looked for


class Infeasible(UserError):
    """The constraints leave nothing to train."""


@dataclass(frozen=True)
class PreparedStudy:
    """A study settled for this machine, before anything is written: as it was `written`, and as it will run.

    `notes` say how what was measured for it was found, a line each.
    """

    written: Study
    study: Study
    workload: Workload
    site: Site
    gate: ConstraintGate
    environment: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def settle(
    study: Study,
    workload: Workload,
    data_dir: Path,
    known: Mapping[str, Any],
    runs_dir: Path | None = None,
    *,
    measuring: bool = True,
) -> PreparedStudy:
    """Find device and data, and check the budget; `known` is the environment of an earlier run, empty at the first.

    `runs_dir` holds the studies whose models recipes may name; without it they are not looked for. What is settled for
    a study once stays as it is in `known`; without `measuring` it is not measured either. Raises Unavailable for
    missing data or models, Infeasible where nothing fits.
    """
    wanted = study.resources.gpu
    device = "cuda" if wanted != 0 and sites.gpu_count() else "cpu"
    share = min(1.0, study.resources.gpu_share) if device == "cuda" else 1.0
    place = Site(data_dir, device, runs_dir, tuple(study.evaluate), share, measuring)
    baseline = workload.schema.merge(study.settings(workload.schema), known.get("settled", {}))
    learned = References(workload, runs_dir).provenance(baseline) if runs_dir is not None else {}
    try:
        recipe = workload.schema.validate(baseline)
        prepared = workload.prepare(recipe, replace(place, measure=measuring and "settled" not in known))
    except (BadRecipe, ValueError) as error:
        raise Infeasible(f"the baseline cannot be trained on its data: {error}") from None
    settled = known.get("settled", dict(prepared.settings))
    gate = ConstraintGate(study, workload, settled)
    require_feasible(study, gate)
    machine = len(os.sched_getaffinity(0)), sites.gpu_count()
    sharing = settle_share(study, workload, workload.schema.validate(gate.baseline().settings), place, machine, known)
    notes = known.get("settled_notes", list(prepared.notes))
    same = taught_by_the_same(study, workload, runs_dir, prepared.provenance.get("fingerprint")) if runs_dir else []
    environment = {
        **sites.describe(),
        "workload": {"name": workload.name, "code_sha256": sites.code_hash(workload.target)},
        "device": device,
        "data": dict(prepared.provenance),
        "settled": settled,
        **({"settled_notes": notes} if notes else {}),
        **({SHARING: sharing} if sharing else {}),
        **({"references": learned} if learned else {}),
        **({SAME_DATA: same} if same else {}),
    }
    told = (*notes, *([sharing["note"]] if sharing else []))
    return PreparedStudy(study, with_share(study, environment), workload, place, gate, environment, told)


def require_feasible(study: Study, gate: ConstraintGate) -> None:
    """Raise Infeasible unless the baseline and some configuration of the space fit the constraints."""
    baseline = gate.baseline()
    if not baseline.accepted:
        raise Infeasible(f"the baseline does not fit: {baseline.reason}; change baseline or constraints")
    if not study.space.dimensions:
        return
    generator = random.Random(stream(study.seed, "feasible"))
    draws = [study.space.draw(generator) for _ in range(DRAWS)]
    weighed = [(sum(gate.assess(draw).violations.values()), index) for index, draw in enumerate(draws)]
    best = smallest(gate, study.space, draws[min(weighed)[1]])
    if not best.accepted:
        raise Infeasible(f"no configuration fits: the smallest one found has {best.reason}; widen parameters or limits")
