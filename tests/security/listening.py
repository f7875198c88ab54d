"""List the network addresses where the processes of a run listen."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import psutil


def listening_elsewhere(pid: int) -> list[str]:
    """Return the addresses where process `pid` and its descendants listen for other machines."""
    addresses = []
    driver = psutil.Process(pid)
    for process in (driver, *driver.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            for socket in process.net_connections(kind="inet"):
                address = ip_address(socket.laddr.ip)
                local = (getattr(address, "ipv4_mapped", None) or address).is_loopback
                if socket.status == psutil.CONN_LISTEN and not local:
                    addresses.append(f"{process.name()} at {socket.laddr.ip}:{socket.laddr.port}")
    return addresses
