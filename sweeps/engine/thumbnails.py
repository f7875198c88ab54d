"""Keep small pictures of the images that a component decides, for the report, while the workload is at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sweeps.artifacts.thumbnails import has_thumbnail, write_thumbnails
from sweeps.evidence.images.shown import shown_images
from sweeps.evidence.images.summary import compared_set
from sweeps.prepare.prepared import PreparedStudy
from sweeps.storage.results import Results

CAPABILITY = "thumbnails"


def keep_thumbnails(prepared: PreparedStudy, results: Results, notify: Callable[[str], None]) -> None:
    """Ask the workload for the images that the report will show, unless they are there already.

    Images of the test set have predictions, and so pictures, only after its opening. A workload that cannot return them
    costs the report its pictures and nothing else: the reason is told.
    """
    evidence = compared_set(results) if prepared.workload.has(CAPABILITY) else None
    indices = sorted({image.image for _, image in shown_images(evidence)}) if evidence is not None else []
    if evidence is None or not indices:
        return
    place = results.folder, evidence.stage, evidence.name
    if all(has_thumbnail(*place, index) for index in indices):
        return
    recipe = prepared.workload.schema.validate(prepared.gate.baseline().settings)
    try:
        pixels = prepared.workload.thumbnails(recipe, prepared.site, evidence.name, indices)
        write_thumbnails(*place, dict(zip(indices, np.asarray(pixels), strict=True)))
    except Exception as error:  # noqa: BLE001  (whatever a workload raises, the study is complete without pictures)
        notify(f"the report shows no images of {evidence.name}: {type(error).__name__}: {error}")
