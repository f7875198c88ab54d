"""What kind of disk a folder is on: databases and locks that rely on one machine's memory fail on a network's."""

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
    """The environment names a kind of disk that does not exist."""


def on_network(folder: Path) -> bool:
    """Whether `folder`, or where it will be, is on a network file system: NFS, Lustre and their like.

    `$SWEEP_FILESYSTEM` (network, local) says so where the system does not know better. Raises UnknownKind.
    """
    given = os.environ.get(VARIABLE, "")
    if given not in ("", "network", "local"):
        raise UnknownKind(f"{VARIABLE} must be network or local but is {given!r}")
    return given == "network" if given else kind(folder) in NETWORK


def kind(folder: Path, mounts: Path = MOUNTS) -> str:
    """The file system that `folder` is on, as the kernel calls it: "ext4", "nfs4"; "" where that is not told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place, found = folder.absolute().resolve(), (Path(), "")
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, name = before.split(), after.split(" ", 1)[0]
        if len(fields) < 5:
            continue
        # A later mount on the same point lies over an earlier one.
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if place.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = point, name
    return found[1]
