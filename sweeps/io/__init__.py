"""Files, disks, locks and text formats. This package knows nothing of studies."""
