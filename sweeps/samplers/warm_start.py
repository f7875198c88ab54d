"""The searches of earlier studies that inform a search, in its own terms, and the copy of them in its folder.

What is read is fixed at the first start: the copy holds every curve that was used, so that a restart, another machine
and a study whose sources have gone or have grown all decide the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.artifacts.layout import WARM_START_FILE, study_names
from sweeps.artifacts.record import BadRecord, digest, read_sealed, write_sealed
from sweeps.io.errors import Refused, UserError, unknown
from sweeps.recipe.keys import value_at
from sweeps.recipe.schema import BadRecipe
from sweeps.samplers.observations import Observations, full_epochs, tells
from sweeps.space.space import TOGGLE, Dimension, Numeric
from sweeps.storage.results import WARM_START, Results
from sweeps.storage.runs import NotFound, open_results
from sweeps.study.study import Study
from sweeps.trial.trial import Trial
from sweeps.workload import Workload

if TYPE_CHECKING:
    from sweeps.surrogate.warm_start import Source

_NOTHING = object()  # equals no value of a setting


@dataclass(frozen=True)
class EarlierSearch:
    """The search of an earlier study, in the terms of the study that it informs.

    Attributes:
        study: The name of the earlier study.
        id: Its id.
        trials: Its trials that have ended, each with `parameters` in the space of the informed study and `curve`, the
            pairs of an epoch and a value; None for a trial that broke.
        missing: The searched settings of the informed study of which it says nothing.
    """

    study: str
    id: str
    trials: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]

    @property
    def provenance(self) -> dict[str, Any]:
        """What the environment says of it: the study, the number of trials that were used, and their SHA-256."""
        return {"study": self.study, "id": self.id, "trials": len(self.trials), "sha256": digest(plain(self))}

    def source(self) -> Source:
        """Return it as the surrogate takes it."""
        from sweeps.surrogate.observed import Observed  # here, because the surrogate loads scipy
        from sweeps.surrogate.warm_start import Source

        observed = [
            Observed(
                trial["parameters"], {epoch: math.nan if value is None else value for epoch, value in trial["curve"]}
            )
            for trial in self.trials
        ]
        return Source(tuple(observed), self.missing)


def plain(search: EarlierSearch) -> dict[str, Any]:
    """Return an earlier search as plain data for JSON."""
    return {**asdict(search), "trials": list(search.trials), "missing": list(search.missing)}


def read_searches(study: Study, workload: Workload, runs: Path) -> list[EarlierSearch]:
    """Read the searches that `warm_start` names.

    Raises:
        UserError: One is unknown, has another metric, shares no searched setting with this one, or has no curve.
    """
    return [_read(study, workload, runs, name) for name in study.warm_start]


def store(folder: Path, searches: Sequence[EarlierSearch]) -> None:
    """Write the copy of the searches into a study's folder."""
    write_sealed(folder / WARM_START_FILE, {"searches": [plain(search) for search in searches]})


def stored_sources(folder: Path, environment: Mapping[str, Any]) -> list[Source]:
    """Return the sources of a study's search from the copy in its folder; none if it has none.

    Raises:
        Refused: The copy is not the one that the search began with.
    """
    recorded = environment.get(WARM_START)
    if not recorded:
        return []
    file = folder / WARM_START_FILE
    way = "restore it from a copy of the study's folder, or begin anew with --fresh"
    try:
        entries = read_sealed(file)["searches"]
        searches = [EarlierSearch(**{**entry, "trials": tuple(entry["trials"])}) for entry in entries]
    except (BadRecord, KeyError, TypeError) as error:
        raise Refused(f"{file}: the curves that inform the search cannot be read: {error}; {way}") from None
    if [search.provenance for search in searches] != recorded:
        raise Refused(f"{file}: these are not the curves that the search began with; {way}")
    return [search.source() for search in searches]


def _read(study: Study, workload: Workload, runs: Path, name: str) -> EarlierSearch:
    try:
        results = open_results(runs, name)
    except NotFound:
        known = [each for each in study_names(runs) if each != study.name]
        raise UserError(f"warm_start: {unknown('study', name, known)}") from None
    _require_same_metric(study, results)
    given = dict(_given(study, workload, results))
    searched = {dimension.key for dimension in results.study.space.dimensions}
    if not any(dimension.key in searched for dimension in study.space.dimensions):
        raise UserError(
            f"warm_start: {name} searches none of the settings that this study searches; it searches: "
            f"{', '.join(sorted(searched)) or 'nothing'}; leave it out"
        )
    missing = tuple(each.key for each in study.space.dimensions if each.key not in searched and each.key not in given)
    trials = tuple(_trials(study, workload, results, given))
    if not trials:
        raise UserError(
            f"warm_start: {name} has no trial that has ended with a value and lies in the space of this study: run it "
            "first, or leave it out"
        )
    return EarlierSearch(name, str(results.environment.get("id", "")), trials, missing)


def _require_same_metric(study: Study, results: Results) -> None:
    here, there = study.metric, results.study.metric
    if (here.name, here.goal) != (there.name, there.goal):
        raise UserError(
            f"warm_start: {results.name} has the metric {there.name} ({there.goal}), but this study has {here.name} "
            f"({here.goal}): name studies of the same metric"
        )


def _given(study: Study, workload: Workload, results: Results) -> Iterator[tuple[str, Any]]:
    """The values that the earlier study's recipe has of settings that only this study searches."""
    searched = {dimension.key for dimension in results.study.space.dimensions}
    for dimension in study.space.dimensions:
        if dimension.key not in searched:
            value = _baseline_value(workload, results, dimension.key)
            if value is not _NOTHING and _inside(dimension, value):
                yield dimension.key, value


def _baseline_value(workload: Workload, results: Results, key: str) -> Any:
    earlier, schema = results.study, workload.schema
    if earlier.workload != workload.name:
        return value_at(earlier.baseline, key, _NOTHING)
    if key.startswith(TOGGLE):
        return True
    try:
        return schema.get(schema.validate(earlier.settings(schema)), key)
    except (BadRecipe, KeyError, ValueError):
        return _NOTHING


def _trials(study: Study, workload: Workload, results: Results, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The trials that have ended, in the space and with the epochs of this study."""
    ended = [trial for trial in results.trials if trial.ended and tells(trial)]
    length = full_epochs(study, workload)
    same = results.study.workload == workload.name
    own = full_epochs(results.study, workload) if same else max((trial.epochs for trial in ended), default=1)
    observations = Observations(own, study.metric)
    for trial, observed in zip(ended, observations.of(ended), strict=True):
        parameters = _projected(study, trial, given)
        if parameters is not None and observed.curve:
            curve = {_stretched(epoch, own, length): value for epoch, value in sorted(observed.curve.items())}
            pairs = [[epoch, value if math.isfinite(value) else None] for epoch, value in curve.items()]
            yield {"parameters": parameters, "curve": pairs}


def _projected(study: Study, trial: Trial, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """A trial's configuration in the space of another study; None if it lies outside."""
    projected: dict[str, Any] = {}
    values = {**given, **trial.parameters}
    for dimension in study.space.dimensions:
        if dimension.key in values and study.space.active(dimension, projected):
            if not _inside(dimension, values[dimension.key]):
                return None
            projected[dimension.key] = values[dimension.key]
    return projected


def _inside(dimension: Dimension, value: Any) -> bool:
    """Whether a value lies in the range of a dimension, if not on its steps, or is one of its choices."""
    if not isinstance(dimension, Numeric):
        return dimension.contains(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and dimension.low <= value <= dimension.high


def _stretched(epoch: int, own: int, length: int) -> int:
    """The epoch of a training of `length` epochs that is as far on, by the logarithm, as one of `own` epochs."""
    share = math.log(max(1, epoch)) / math.log(own) if own > 1 else 1.0
    return min(length, max(1, round(math.pow(length, min(1.0, share)))))
