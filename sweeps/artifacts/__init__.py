"""What trials and stages leave on disk: file names, checkpoints, curves, confusion matrices, records."""
