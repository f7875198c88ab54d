"""What a run records about itself: the provenance of its study, and how it ended."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from sweeps.engine.signals import Stopped
from sweeps.evidence.ending import Ending, How, shortfalls
from sweeps.io.errors import UserError
from sweeps.storage.drift import Drift
from sweeps.storage.results import COMPLETE, ENDED, Results
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.search.settled import SEARCH_RULES, as_written_before
from sweeps.study.stages import RunRequest
from sweeps.study.study import Study, dump


def provenance(previous: Mapping[str, Any], current: Mapping[str, Any], accepted: Sequence[Drift]) -> dict[str, Any]:
    """Return the environment to record when a run begins.

    Args:
        previous: That of the run before; empty at the first run.
        current: What this run was prepared with.
        accepted: The drift that was accepted for this run.

    Returns:
        `current`, with the id, start, commands, accepted drift and smoke mark of earlier runs.
    """
    at = now()
    commands = [*previous.get("commands", []), {"at": at, "command": current["command"]}]
    drift = list(previous.get("drift", []))
    if accepted:
        drift.append({"at": at, "changes": [change.plain() for change in accepted]})
    identity = {"id": previous.get("id") or uuid.uuid4().hex, **({"drift": drift} if drift else {})}
    if previous.get("smoke"):
        identity["smoke"] = True
    started = previous.get("started", at)
    # Without an ending: where a kill leaves it so, the report says that the last run broke off.
    return {**current, **identity, "started": started, "updated": at, "commands": commands, ENDED: None}


def fingerprint(study: Study, request: RunRequest) -> str:
    """Return a digest of a study and its requested stages: a later run with the same digest has nothing to do."""
    texts = [dump(study), *(stage.name for stage in request.stages)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def is_complete(previous: Results, study: Study, request: RunRequest) -> bool:
    """Return whether the study's last run has left nothing to do for these stages. Repeats are always to be done."""
    written = study if SEARCH_RULES in previous.environment else as_written_before(study)
    same = previous.environment.get(COMPLETE) == fingerprint(written, request)
    # Version 0.1.0 called a study complete that lacks runs which failed.
    return same and not request.repeat and not shortfalls(previous, [stage.name for stage in request.stages])


def record_environment(storage: StudyStorage, environment: Mapping[str, Any]) -> None:
    """Record the provenance with the ending, unless the disk that ended the study is full."""
    with suppress(OSError):
        storage.write_environment(environment)


@contextmanager
def recording_endings(
    storage: StudyStorage, environment: Mapping[str, Any], previous: Mapping[str, Any]
) -> Iterator[None]:
    """Record an ending that is an exception: a signal outside the stages, a second one, or the loss of Ray or the disk.

    A request that is refused leaves the ending of the run before.
    """
    try:
        yield
    except UserError:
        kept = {name: previous[name] for name in (ENDED, COMPLETE) if name in previous}
        record_environment(storage, {**environment, **kept})
        raise
    except (KeyboardInterrupt, Stopped) as error:
        why = f"stopped by {error}" if str(error) else "stopped at once by a second signal"
        ending = Ending(How.INTERRUPTED, why, at=now())
        record_environment(storage, {**environment, ENDED: ending.plain()})
        raise
    except OSError as error:
        ending = Ending(How.ABORTED, str(error), at=now())
        record_environment(storage, {**environment, ENDED: ending.plain()})
        raise


def now() -> str:
    """Return this moment as an ISO time in UTC."""
    return datetime.now(UTC).isoformat("T", "seconds")
