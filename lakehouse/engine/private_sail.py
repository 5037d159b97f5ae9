"""Sail with a port that its owner alone reaches: ``python -P private_sail.py SOCKET``.

Sail answers whoever connects. So its port is opened in a network namespace that holds nothing else, where a relay
passes on what arrives at the Unix socket ``SOCKET``, in a folder that only its owner may enter. A port belongs to the
namespace of the thread that opens it: all other threads of Sail stay in the machine's network and reach S3 as before.

Root makes the namespace as it is; other users make it in a user namespace that maps them to themselves. Linux only.
It runs at each start of an engine, so it imports little.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# From Linux's sched.h, sys/prctl.h, signal.h, linux/capability.h, linux/sockios.h and linux/if.h.
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, SIGKILL = 1, 9
CAPABILITY_VERSION_3 = 0x20080522
SIOCSIFFLAGS, IFF_UP, IFF_LOOPBACK = 0x8914, 1, 8

# Nothing else listens in the namespace.
ADDRESS = ("127.0.0.1", 50051)
RELAY_BYTES = 1 << 20


def obstacle(folder: Path) -> str | None:
    """Return why others can't be kept from Sail's port on this machine, None if they can.

    ``folder`` is to hold the socket; as long as it does not exist, only the network is tried.
    """
    if sys.platform != "linux":
        return "this system has no network namespaces"
    import subprocess

    tried = subprocess.run(
        [sys.executable, "-I", "-S", __file__, "--try", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return None if tried.returncode == 0 else (tried.stderr.strip().splitlines() or ["the attempt failed"])[-1]


def attempt(folder: str) -> None:
    """Do in this process what it takes, and end it with the reason if it can't be done."""
    try:
        enter_user_namespace()
        enter_new_network()
    except OSError as error:
        sys.exit(f"this system forbids network namespaces ({error.strerror})")
    if not os.path.exists(folder):
        return
    try:
        os.chdir(folder)
        if os.stat(".").st_mode & 0o077:
            sys.exit("the file system of the data home has no permissions")
        listen(f"{os.getpid()}.try")
        os.unlink(f"{os.getpid()}.try")
    except OSError as error:
        sys.exit(f"the file system of the data home takes no sockets ({error.strerror})")


def serve(path: str) -> None:
    """Run Sail and the relay; return when the relay has ended."""
    enter_user_namespace()
    ready_to_read, ready = os.pipe()
    relay = os.fork()
    if relay == 0:
        try:
            run_relay(path, ready)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(1)
    os.close(ready)
    if not os.read(ready_to_read, 1):
        sys.exit("OSError: the relay to Sail's port did not start.")
    # The threads that do the work are made here, before this one leaves the machine's network.
    made: list[Any] = []
    maker = threading.Thread(target=lambda: made.append(make_server()))
    maker.start()
    maker.join()
    with open(f"/proc/{relay}/ns/net") as namespace:
        call("setns", namespace.fileno(), CLONE_NEWNET)
    drop_capabilities()
    made[0].start(background=True)
    os.waitpid(relay, 0)


def make_server() -> Any:
    """Return a server that does not listen yet."""
    drop_capabilities()
    from pysail.spark import SparkConnectServer

    return SparkConnectServer(*ADDRESS)


def run_relay(path: str, ready: int) -> None:
    """Enter a new network, say so, and pass on connections until the server's process ends."""
    call("prctl", PR_SET_PDEATHSIG, SIGKILL)
    enter_new_network()
    drop_capabilities()
    os.chdir(os.path.dirname(path))
    listener = listen(os.path.basename(path))
    os.write(ready, b"1")
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(ADDRESS)
        except OSError:
            client.close()
            continue
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for ends in ((client, server), (server, client)):
            threading.Thread(target=pass_on, args=ends, daemon=True).start()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Send to one socket what the other receives, to the end."""
    buffer = memoryview(bytearray(RELAY_BYTES))
    with suppress(OSError):
        while count := source.recv_into(buffer):
            target.sendall(buffer[:count])
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            end.shutdown(how)


def listen(name: str) -> socket.socket:
    """Return a Unix socket that listens in the working folder: the path of one has at most 107 bytes."""
    os.umask(0o177)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()
    return listener


def enter_user_namespace() -> None:
    """Let a user who is not root make namespaces; files that it writes still belong to it."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        return
    call("unshare", CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def enter_new_network() -> None:
    """Move this thread to a new network namespace that has 127.0.0.1 and nothing else."""
    call("unshare", CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP | IFF_LOOPBACK))


def drop_capabilities() -> None:
    """Leave this thread what its user may do, and no more; root stays root."""
    if os.geteuid():
        call("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24))


def call(name: str, *arguments: int | bytes) -> None:
    """Call a function of the C library that Python lacks; OSError if it fails."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    attempt(sys.argv[2]) if sys.argv[1] == "--try" else serve(sys.argv[1])
