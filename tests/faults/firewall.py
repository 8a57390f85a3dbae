"""A firewall before the servers, in a network of this process's own: it drops packets or refuses them."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, of sched.h
_BOTH_WAYS = ("--dport", "--sport")
_enclosed = False


def enclose() -> bool:
    """Move this process, and all that it starts, to a network that holds nothing but loopback: rules in it
    touch nobody else's, and end with it.

    Returns:
        Whether that could be: it needs root and iptables.
    """
    global _enclosed
    if os.geteuid() or not shutil.which("iptables") or not shutil.which("ip"):
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        return False
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _enclosed = True
    return True


def is_up() -> bool:
    """Whether lines can be cut."""
    return _enclosed


def cut(port: int) -> None:
    """Nothing reaches the server of this port, or comes from it, and nobody is told."""
    for way in _BOTH_WAYS:
        _rule("--insert", way, port, "DROP")


def mend(port: int) -> None:
    """All goes through again; TCP sends again what has vanished."""
    for way in _BOTH_WAYS:
        _rule("--delete", way, port, "DROP")


def refuse(port: int) -> None:
    """Whoever talks to the server of this port is told at once that none is there, as when it has ended."""
    _rule("--insert", "--dport", port, "REJECT", "--reject-with", "tcp-reset")


def accept(port: int) -> None:
    """It is there again."""
    _rule("--delete", "--dport", port, "REJECT", "--reject-with", "tcp-reset")


def _rule(how: str, way: str, port: int, *then: str) -> None:
    rule = ["INPUT", "--protocol", "tcp", way, str(port), "--jump", *then]
    subprocess.run(["iptables", "--wait", how, *rule], check=True)
