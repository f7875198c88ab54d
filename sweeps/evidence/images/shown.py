"""Choose the images that a report shows: a few of those that flip, from every arm and direction."""

from __future__ import annotations

from itertools import chain, zip_longest

from sweeps.evidence.images.flips import FlippedImage, Flips
from sweeps.evidence.images.summary import SetEvidence

MOST = 36


def shown_images(evidence: SetEvidence, most: int = MOST) -> list[tuple[Flips, FlippedImage]]:
    """Return at most `most` images that flip, with their comparison, by arm; the most certain ones of each first."""
    queues = [
        [(flips, image) for image in flips.images if image.lost is lost]
        for flips in evidence.flips
        for lost in (True, False)
    ]
    in_turn = (one for one in chain.from_iterable(zip_longest(*queues)) if one is not None)
    chosen = {(flips.arm.name, image.image) for (flips, image), _ in zip(in_turn, range(most), strict=False)}
    return [one for queue in queues for one in queue if (one[0].arm.name, one[1].image) in chosen]
