"""Evidence from the predictions for each image, which replicates of confirm, ablation and final keep.

docs/evidence.md explains the methods. A run without predictions (diverged, damaged, of an earlier version) is left out.
"""

from __future__ import annotations

from sweeps.evidence.images.summary import ImageEvidence, SetEvidence, image_evidence

__all__ = ["ImageEvidence", "SetEvidence", "image_evidence"]
