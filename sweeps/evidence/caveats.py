"""List what weakens the figures of a report: accepted changes, unequal tuning, teachers of the same data, and more.

What was changed after looking comes first. What another program has added to the database is listed too: it is in no
figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.artifacts.layout import VALIDATION
from sweeps.evidence.declaration.sentences import declaration_sentences
from sweeps.evidence.procedure.same_seed import same_seed_sentences
from sweeps.evidence.procedure.tuning import unequal_tuning
from sweeps.formatting import count
from sweeps.storage.drift import Drift
from sweeps.storage.results import SAME_DATA, STOPS, WARM_START, Results


def caveats(results: Results) -> list[str]:
    """Return a sentence for each reason to read the figures with care."""
    return [
        *declaration_sentences(results),
        *_accepted_changes(results),
        *unequal_tuning(results),
        *_shared_data(results),
        *_stopped_instead(results),
        *_informed(results),
        *_worker_deaths(results),
        *_repeated(results),
        *same_seed_sentences(results),
        *_foreign_trials(results),
    ]


def changes(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the changes that the user accepted with `--accept-drift`, in words, by number and time of acceptance."""
    return {
        f"drift {number}, accepted at {accepted['at']}": "; ".join(
            str(Drift(**change)) for change in accepted["changes"]
        )
        for number, accepted in enumerate(environment.get("drift", ()), start=1)
    }


def _accepted_changes(results: Results) -> list[str]:
    accepted = changes(results.environment)
    if not accepted:
        return []
    runs = results.everything
    later = sum(trial.drift > 0 for trial in runs)
    return [
        f"{later:,} of {count(len(runs), 'run')} were made after a change that was accepted "
        f"({'; '.join(accepted.values())}): figures from before and after are not of the same thing."
    ]


def _shared_data(results: Results) -> list[str]:
    """Name the teachers that may have been trained on the validation images of this study."""
    teachers = results.environment.get(SAME_DATA, ())
    if not teachers:
        return []
    return [
        f"Runs of this study learn from {', '.join(teachers)}, trained on the same data and so perhaps on images "
        f"that they are validated on: their {VALIDATION} figures may be optimistic, those of the test set are not."
    ]


def _stopped_instead(results: Results) -> list[str]:
    """Say that trials could not pause: the first ones at each rung went on whatever they were worth."""
    why = results.facts.get(STOPS)
    return [f"{why[0].upper()}{why[1:]}."] if why else []


def _informed(results: Results) -> list[str]:
    """Name the earlier studies that have informed the search: what it found is not found from nothing."""
    sources = results.environment.get(WARM_START, ())
    if not sources:
        return []
    named = ", ".join(f"{count(source['trials'], 'trial')} of {source['study']}" for source in sources)
    return [
        f"The search was informed by earlier ones ({named}), so the number of its own trials is not what a search "
        "from nothing would have needed."
    ]


def _worker_deaths(results: Results) -> list[str]:
    """Count the workers that died. The runs continued from their checkpoints, so no figure changes."""
    affected = [trial for trial in results.everything if trial.deaths]
    if not affected:
        return []
    times = count(sum(trial.deaths for trial in affected), "time")
    return [f"Workers died {times} under {count(len(affected), 'run')}, which went on from their checkpoints."]


def _foreign_trials(results: Results) -> list[str]:
    """Count the trials that another program, such as Optuna's dashboard, has added to the database."""
    if not results.foreign:
        return []
    verbs = ("was", "is") if results.foreign == 1 else ("were", "are")
    trials = count(results.foreign, "trial")
    return [f"{trials} in study.db {verbs[0]} not started by this engine and {verbs[1]} left out."]


def _repeated(results: Results) -> list[str]:
    """Count the failed runs that were run again. Each figure is that of the one run that finished."""
    repeated = [trial for stage in results.stages.values() for trial in stage.repeated]
    if not repeated:
        return []
    runs = len({(trial.stage, trial.recipe, trial.replicate) for trial in repeated})
    verb = "was" if runs == 1 else "were"
    kept = f"{count(len(repeated), 'failed attempt')} {'stays' if len(repeated) == 1 else 'stay'} on record"
    return [f"{count(runs, 'run')} that failed {verb} run again with the same seeds; {kept} among the outcomes."]
