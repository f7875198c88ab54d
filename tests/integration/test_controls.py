"""A study with real training and a known result: a planted handicap is significant, a null component is not."""

from __future__ import annotations

from pathlib import Path

from sweeps import evidence
from sweeps.validation.loading import Edits, load_study
from tests.sweeps.support import ROOT, run_inline


def test_planted_handicap_is_told_from_a_null_component(tmp_path: Path) -> None:
    study, _ = load_study(ROOT / "studies" / "controls.yaml", Edits())
    ablation_evidence = evidence.ablation(run_inline(study, tmp_path).results)
    assert ablation_evidence is not None
    planted, null = ablation_evidence.comparisons
    assert planted.verdict.startswith("Removing shuffled_labels lowered validation accuracy by ")
    assert "n = 10 pairs, Holm p " in planted.verdict
    assert planted.short == "lower"
    assert null.short in ("inconclusive", "smaller than ±1.5 pp")
    assert null.p_holm is not None
    assert null.p_holm > 0.05
    # Shared draws are what pairs have in common; the null component takes them away, but for the split.
    assert planted.paired is not None
    assert null.paired is not None
    assert (planted.paired.correlation or 0.0) > (null.paired.correlation or 0.0)
