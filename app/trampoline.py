"""Ties the life of this process to its parent's and becomes the given command.

Run as a script: `trampoline.py PARENT_PID DEATH_SIGNAL USER COMMAND...`; USER may be empty.
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_SETPCAP = 8
SECBIT_NO_SETUID_FIXUP = 4
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, first: int, second: int = 0) -> None:
    zero = ctypes.c_ulong(0)
    arguments = (ctypes.c_ulong(first), ctypes.c_ulong(second), zero, zero)
    if libc.prctl(option, *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def permitted_capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("CapPrm:")).split()[1], 16)


def become_user(name: str) -> None:
    """Drops to the user; keeps root's way to files when there is one, and nothing else.

    The checkout may lie below a folder that only root may enter; its modes stay as they are.
    """
    entry = pwd.getpwnam(name)
    kept = may_keep(permitted_capabilities())
    if kept:
        # Without this bit access(2) forgets the capability of a user who is not root.
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if kept:
        hold_only(kept)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def may_keep(permitted: int) -> int:
    """The bit of the capability, or 0 where root may not pass it on."""
    passing_on = permitted & (1 << CAP_SETPCAP)
    return permitted & (1 << CAP_DAC_OVERRIDE) if passing_on else 0


def hold_only(capabilities: int) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(capabilities, capabilities, capabilities, 0, 0, 0)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")


def main(parent: int, death_signal: int, user: str, /, *, command: list[str]) -> None:
    if user:
        become_user(user)
    # After the change of user: that change clears the death signal.
    prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the parent ended before its child began")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], command=sys.argv[4:])
