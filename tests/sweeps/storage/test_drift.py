"""Tests of sweeps.storage.drift."""

from __future__ import annotations

import pytest

from sweeps.storage.drift import Drift, Drifted, require_accepted


def test_drift_of_the_device_names_the_setting_that_undoes_it() -> None:
    with pytest.raises(Drifted, match=r"undo the change \(device: cpu in the study file trains on that device again\)"):
        require_accepted([Drift("device", "kind", "cpu", "cuda")], "toy", accepted=False)
    with pytest.raises(Drifted, match="undo the change, give the study another name"):
        require_accepted([Drift("library", "torch", "2.8", "2.9")], "toy", accepted=False)
