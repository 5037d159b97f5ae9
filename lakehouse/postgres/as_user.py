"""Run a program as another user: ``python as_user.py UID GID FOLDER PROGRAM [ARGUMENT ...]``, as root.

Postgres refuses to run as root. Where that user can't reach the program or FOLDER, because one of the
folders above belongs to root alone, the program gets the capability to pass them, for itself only, and
no folder changes. Exit code 77: even that is not allowed here.
"""

import ctypes
import os
import sys

# Numbers of the Linux kernel's interface.
DAC_OVERRIDE, DAC_READ_SEARCH, SETPCAP = 1, 2, 8
PR_SET_KEEPCAPS, PR_SET_SECUREBITS = 8, 28
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 47, 2, 4
NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522
NOT_ALLOWED = 77


def pass_folders(libc: ctypes.CDLL) -> bool:
    """Keep, across exec, the right to read and search every folder; False if it is not to be had."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice 32 bits
    libc.capget(header, data)
    for capability in (DAC_READ_SEARCH, DAC_OVERRIDE):
        data[0], data[2], data[3] = 1 << capability | 1 << SETPCAP, 1 << capability, 0
        if libc.capset(header, data) == 0:
            # Without this bit access(), with which Postgres looks for its own files, ignores capabilities.
            libc.prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0)
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
            if reachable():
                return True
    return False


def reachable() -> bool:
    """Whether this process may run PROGRAM and enter FOLDER."""
    return os.access(sys.argv[4], os.X_OK) and os.access(sys.argv[3], os.X_OK)


def main() -> None:
    """Become the user and the program."""
    libc = ctypes.CDLL(None, use_errno=True)
    linux = sys.platform == "linux"
    if linux:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[1]))
    if not reachable() and not (linux and pass_folders(libc)):
        sys.exit(NOT_ALLOWED)
    os.execv(sys.argv[4], sys.argv[4:])


if __name__ == "__main__":
    main()
