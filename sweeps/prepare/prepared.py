"""Settle a study for this machine: its device, its data, and whether anything fits its constraints."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sweeps.io.errors import UserError
from sweeps.io.machine import available_cores
from sweeps.prepare.code_identity import code_of
from sweeps.prepare.devices.choice import DeviceChoice, choose_device
from sweeps.prepare.duplicates import Duplicates, find_duplicates, provenance
from sweeps.prepare.environment import describe
from sweeps.prepare.gpu_share import settle_share
from sweeps.prepare.search_size import probe_baseline, search_size, sized_by_hours
from sweeps.prepare.teachers import trained_on_same_data
from sweeps.pruners.factory import epochs_of
from sweeps.recipe.schema import BadRecipe
from sweeps.runners.probe import Probe
from sweeps.samplers.constraint_gate import ConstraintGate, smallest
from sweeps.samplers.warm_start import EarlierSearch, read_searches
from sweeps.storage.results import CHANCE, PERCENTAGES, SAME_DATA, TRAINING, WARM_START
from sweeps.study.resources import SHARING, slots, with_share
from sweeps.study.search.settled import SEARCH_RULES, search_rules
from sweeps.study.search.settled import settled as settled_study
from sweeps.study.study import Study
from sweeps.trial.seeds import stream
from sweeps.trial.work import BaselineWork
from sweeps.workload import Site, Workload
from sweeps.workload.references import References

PROBING = "measuring two epochs of the baseline"
DRAWS = 64  # random configurations that are tried before the smallest one is searched for


class Infeasible(UserError):
    """No configuration satisfies the constraints."""


@dataclass(frozen=True)
class PreparedStudy:
    """A study prepared for this machine, before anything is written.

    Attributes:
        written: The study as its file has it.
        study: The study as it will run: `gpu: auto` is replaced by the share that was found.
        workload: What is trained.
        device: The device of its trials, and how many of its kind this machine has.
        site: The folders and the device.
        gate: Checks configurations against the constraints, starting from the prepared baseline.
        environment: The provenance of the run about to begin.
        notes: One line for each setting that was found by measuring, and what the user should know about the data.
        duplicates: What was found among the images; None where they were not compared.
        earlier: The earlier searches that inform the search, at its first start.
        probed: What two epochs of the baseline took; None where they were not needed.
    """

    written: Study
    study: Study
    workload: Workload
    device: DeviceChoice
    site: Site
    gate: ConstraintGate
    environment: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    duplicates: Duplicates | None = None
    earlier: Sequence[EarlierSearch] = ()
    probed: Probe | None = None


def settle(
    study: Study,
    workload: Workload,
    data_dir: Path,
    previous: Mapping[str, Any],
    runs_dir: Path | None = None,
    *,
    choice: DeviceChoice | None = None,
    workers: int | None = None,
    measuring: bool = True,
    check_test: bool = True,
    notify: Callable[[str], None] = lambda text: None,
) -> PreparedStudy:
    """Find device and data, and check the constraints. What was settled for a study once stays as it is.

    Args:
        study: The study as its file has it.
        workload: What is trained.
        data_dir: The data folder.
        previous: The environment of an earlier run of the study; empty at the first.
        runs_dir: The folder of all studies, whose models recipes may name; without it they are not looked for.
        choice: The device; by default the one that `choose_device` chooses for trials that are to run here.
        workers: The most trials that train at once; None: as many as the machine holds.
        measuring: Whether settings such as `batch_size: auto` are found by measuring where nothing is settled yet.
        check_test: Whether the test set is checked, as far as that is possible without reading it, if the study has a
            stage final, and whether duplicates are looked for among the images.
        notify: Takes what is being done, for the status line.

    Raises:
        Refused: The device that the study asks for is not usable.
        Unavailable: Data or models are missing.
        Leaked: Training images are test images, and the baseline does not say what becomes of them.
        UserError: A study that `warm_start` names cannot inform this one.
        Infeasible: The baseline cannot be trained, nothing satisfies the constraints, or the test set could not be
            evaluated.
    """
    choice = choice or choose_device(study)
    measuring = measuring and choice.is_here
    share = study.resources.gpu_share if choice.device != "cpu" else 1.0
    schema, settled = workload.schema, previous.get("settled")
    begun = settled is not None
    site = Site(data_dir, choice.device, runs_dir, tuple(study.evaluate), share, measuring, begun)
    baseline = prepared_baseline(study, workload, settled or {})
    references = References(workload, runs_dir).provenance(baseline) if runs_dir is not None else {}
    notify("reading the data")
    try:
        prepared = workload.prepare(schema.validate(baseline), replace(site, measure=measuring and not begun))
    except (BadRecipe, ValueError) as error:
        raise Infeasible(f"the baseline cannot be trained on its data: {error}") from None
    if settled is None:
        settled = dict(prepared.settings)
        baseline = prepared_baseline(study, workload, settled)
    notify("checking the constraints")
    gate = ConstraintGate(study, workload, baseline)
    require_feasible(study, gate)
    test_notes = checked_test_data(workload, baseline, site) if study.final is not None and check_test else []
    duplicates = _duplicates(workload, baseline, site, previous, notify) if check_test else None
    notify("settling how many trials run at once")
    machine = available_cores(), choice.count
    at_once = slots(study, choice.device, *machine, workers)
    sharing = settle_share(study, workload, schema.validate(gate.baseline().settings), site, machine, previous)
    probed = None
    if measuring and not previous and sized_by_hours(study):
        notify(PROBING)
        probed = probe_baseline(study, gate, site)
    size = search_size(with_share(study, {SHARING: sharing} if sharing else {}), gate, at_once, site, probed)
    notes = previous.get("settled_notes", [*prepared.notes, *filter(None, [size.note])])
    fingerprint = prepared.provenance.get("fingerprint")
    same_data = trained_on_same_data(study, workload, runs_dir, fingerprint) if runs_dir else []
    earlier = read_searches(study, workload, runs_dir) if runs_dir and WARM_START not in previous else []
    informed = previous.get(WARM_START) or [search.provenance for search in earlier]
    environment = {
        **describe(),
        "workload": {
            **code_of(workload),
            **_percentages(workload, previous),
            CHANCE: workload.chance(schema.validate(gate.baseline().settings)),
        },
        "device": choice.device,
        "data": dict(prepared.provenance),
        "settled": settled,
        SEARCH_RULES: search_rules(previous, size.promotion),
        TRAINING: asdict(BaselineWork.of(gate.baseline().cost, epochs_of(study, workload) or 1)),
        **({"settled_notes": notes} if notes else {}),
        **({"data_notes": list(prepared.data_notes)} if prepared.data_notes else {}),
        **({SHARING: sharing} if sharing else {}),
        **({"references": references} if references else {}),
        **({SAME_DATA: same_data} if same_data else {}),
        **({WARM_START: informed} if informed else {}),
        **provenance(duplicates),
    }
    found = [duplicates.note] if duplicates is not None and duplicates.note else []
    data_notes = list(dict.fromkeys([*prepared.data_notes, *test_notes, *found]))
    lines = (*filter(None, [choice.note]), *notes, *([sharing["note"]] if sharing else []), *data_notes)
    return PreparedStudy(
        study,
        settled_study(study, environment),
        workload,
        choice,
        site,
        gate,
        environment,
        lines,
        duplicates,
        earlier,
        probed,
    )


def _percentages(workload: Workload, previous: Mapping[str, Any]) -> dict[str, list[str]]:
    """The metrics in percent. A study of before workloads said so is shown as it was, until its workload does."""
    says = workload.has("percentages") or not previous or PERCENTAGES in previous.get("workload", {})
    return {PERCENTAGES: workload.percentages()} if says else {}


def checked_test_data(workload: Workload, baseline: Mapping[str, Any], site: Site) -> list[str]:
    """Check the test set as far as the workload can without reading it. Returns what the user should know about it.

    Raises:
        Unavailable: A set is missing.
        Infeasible: The test set could not be evaluated.
    """
    try:
        return workload.check_test_data(workload.schema.validate(baseline), site)
    except (BadRecipe, ValueError) as error:
        raise Infeasible(
            f"the stage final could not evaluate its models, so nothing was trained; mend the test data or remove "
            f"`final` from the study: {error}"
        ) from None


def _duplicates(
    workload: Workload,
    baseline: Mapping[str, Any],
    site: Site,
    previous: Mapping[str, Any],
    notify: Callable[[str], None],
) -> Duplicates | None:
    try:
        return find_duplicates(workload, workload.schema.validate(baseline), site, previous, notify)
    except (BadRecipe, ValueError) as error:
        raise Infeasible(f"the images could not be compared to find duplicates: {error}") from None


def prepared_baseline(study: Study, workload: Workload, settled: Mapping[str, Any]) -> dict[str, Any]:
    """Return the baseline with what was settled for a machine, as nested settings.

    Args:
        study: The study.
        workload: Its workload.
        settled: The settled settings by dotted key; empty before anything was settled.
    """
    return workload.schema.merge(study.settings(workload.schema), settled)


def require_feasible(study: Study, gate: ConstraintGate) -> None:
    """Raise Infeasible unless the baseline and some configuration of the space satisfy the constraints."""
    baseline = gate.baseline()
    if not baseline.accepted:
        raise Infeasible(f"the baseline does not fit: {baseline.reason}; change baseline or constraints")
    if not study.space.dimensions:
        return
    generator = random.Random(stream(study.seed, "feasible"))
    draws = [study.space.draw(generator) for _ in range(DRAWS)]
    violations = [sum(gate.assess(draw).violations.values()) for draw in draws]
    best = smallest(gate, study.space, draws[violations.index(min(violations))])
    if not best.accepted:
        raise Infeasible(f"no configuration fits: the smallest one found has {best.reason}; widen parameters or limits")
