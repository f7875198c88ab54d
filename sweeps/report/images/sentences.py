"""Put the per-image evidence into sentences."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.artifacts.layout import FINAL, TEST, VALIDATION
from sweeps.evidence.images import ImageEvidence, SetEvidence
from sweeps.evidence.images.flips import Flips
from sweeps.formatting import count, p_text
from sweeps.stats import ALPHA


def image_sentences(evidence: ImageEvidence) -> list[str]:
    """Return what the main set shows: the images that flip, the classes that differ; then the ensembles."""
    main = evidence.main
    if main is None:
        return []
    return [*(_flips(main, one) for one in main.flips), *_classes(main), *_ensembles(evidence)]


def of_set(name: str) -> str:
    """Return a labelled set as the end of a phrase: "images of the test set"."""
    return {TEST: "the test set", VALIDATION: "the validation data"}.get(name, name)


def _flips(evidence: SetEvidence, one: Flips) -> str:
    arm, reference = one.arm.name, one.reference.name
    shared = "" if evidence.shared else " that the splits of two or more seeds share"
    right = "is right" if one.lost == 1 else "are right"
    return (
        f"{arm} against {reference} ({count(one.seeds, 'pair')}): of {count(one.compared, 'image')} of "
        f"{of_set(evidence.name)}{shared}, {one.lost:,} {right} in nearly all runs of {reference} and wrong in "
        f"nearly all of {arm}, and {one.gained:,} the reverse; by chance {one.by_chance:.1f} of each would be expected."
    )


def _classes(evidence: SetEvidence) -> Iterator[str]:
    if not evidence.differences:
        return
    beginning, family = f"Classes on {evidence.name} data", f"{len(evidence.differences):,} comparisons"
    differing = sorted((one for one in evidence.differences if one.p_holm < ALPHA), key=lambda one: one.p)
    if not differing:
        smallest = min(one.p_holm for one in evidence.differences)
        yield f"{beginning}: inconclusive in all of {family} (smallest Holm p {p_text(smallest)})."
        return
    first, move = differing[0], differing[0].difference
    yield (
        f"{beginning}: the accuracy differs in {len(differing):,} of {family}, most clearly that of {first.name} with "
        f"{first.arm.name}: {move.mean:+.1f} pp against {first.reference.name} (95 % CI {move.low:.1f} to "
        f"{move.high:.1f}, n = {count(move.n, 'pair')}, Holm p {p_text(first.p_holm)})."
    )


def _ensembles(evidence: ImageEvidence) -> Iterator[str]:
    for each in evidence.sets:
        if (each.stage, each.name) != (FINAL, TEST):
            continue
        for one in each.qualities[:1]:
            if one.ensemble is not None:
                yield (
                    f"The ensemble of the {one.ensemble.models} models of {one.arm.name} (the mean of their "
                    f"probabilities) is right on {one.ensemble.accuracy:.2f} % of the test images, a single model on "
                    f"{one.ensemble.single:.2f} % on average. The ensemble is one classifier at the cost of "
                    f"{one.ensemble.models}, and its figure has no spread over seeds: it is not to be compared with "
                    "means of single models."
                )
