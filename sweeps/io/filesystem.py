"""Detect network file systems, where SQLite's WAL mode and file locks do not work across machines."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sweeps.io.errors import UserError

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "fhgfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"}
    | {"nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs"}
    | {f"fuse.{name}" for name in ("ceph", "gcsfuse", "glusterfs", "juicefs", "rclone", "s3fs", "sshfs")}
)
VARIABLE = "SWEEP_FILESYSTEM"


class UnknownKind(UserError):
    """`$SWEEP_FILESYSTEM` has an invalid value."""


def on_network(folder: Path) -> bool:
    """Whether `folder` is, or would be, on a network file system such as NFS or Lustre.

    `$SWEEP_FILESYSTEM` ("network" or "local") overrides the detection.

    Raises:
        UnknownKind: The variable has another value.
    """
    override = os.environ.get(VARIABLE, "")
    if override not in ("", "network", "local"):
        raise UnknownKind(f"{VARIABLE} must be network or local but is {override!r}")
    return override == "network" if override else kind(folder) in NETWORK


def kind(folder: Path, mounts: Path = MOUNTS) -> str:
    """Return the kernel's name of the file system of `folder`, such as "ext4" or "nfs4"; "" if it is unknown.

    Args:
        folder: It need not exist.
        mounts: The kernel's list of mounts, in the format of `/proc/self/mountinfo`.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place, innermost = folder.absolute().resolve(), (Path(), "")
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, name = before.split(), after.split(" ", 1)[0]
        if len(fields) < 5:
            continue
        # The kernel writes blanks and backslashes of a mount point as octal numbers.
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        # ">=": a later mount on the same point hides an earlier one.
        if place.is_relative_to(point) and len(point.parts) >= len(innermost[0].parts):
            innermost = point, name
    return innermost[1]
