"""Run a program as another user: ``python as_user.py UID GID FOLDER PROGRAM [ARGUMENT ...]``, as root.

Postgres refuses to run as root. If only root may enter one of the folders above PROGRAM or FOLDER, the other user
can't reach them. The program then gets a Linux capability that bypasses the permissions of folders; the permissions
themselves stay as they are. The exit code is 77 if the system does not allow that either.
"""

import ctypes
import os
import sys

# Constants from the Linux headers <linux/capability.h>, <linux/prctl.h> and <linux/securebits.h>.
DAC_OVERRIDE, DAC_READ_SEARCH, SETPCAP = 1, 2, 8
PR_SET_KEEPCAPS, PR_SET_SECUREBITS = 8, 28
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 47, 2, 4
NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522
NOT_ALLOWED = 77


def keep_folder_access(libc: ctypes.CDLL) -> bool:
    """Keep a capability that gives access to every folder, also after exec; return False if the system denies it."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, each as two times 32 bits
    libc.capget(header, data)
    for capability in (DAC_READ_SEARCH, DAC_OVERRIDE):
        data[0], data[2], data[3] = 1 << capability | 1 << SETPCAP, 1 << capability, 0
        if libc.capset(header, data) == 0:
            # Postgres looks for its own files with access(), which ignores capabilities unless this bit is set.
            libc.prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0)
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
            if is_reachable():
                return True
    return False


def is_reachable() -> bool:
    """Return whether this process may run PROGRAM and enter FOLDER."""
    return os.access(sys.argv[4], os.X_OK) and os.access(sys.argv[3], os.X_OK)


def main() -> None:
    """Switch to the other user, then replace this process by PROGRAM."""
    libc = ctypes.CDLL(None, use_errno=True)
    linux = sys.platform == "linux"
    if linux:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[1]))
    if not is_reachable() and not (linux and keep_folder_access(libc)):
        sys.exit(NOT_ALLOWED)
    os.execv(sys.argv[4], sys.argv[4:])


if __name__ == "__main__":
    main()
