"""Files, disks, locks and text formats. Nothing here knows of studies."""
