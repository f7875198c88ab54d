"""The engine of sweeps and ablations. It knows nothing of images and imports no torch."""
