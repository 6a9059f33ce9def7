"""What a worker gives up before it meets hostile bytes: starting programs, the network, and nearly all files.

Through Linux itself (Landlock, seccomp), not through bubblewrap: that confines a program as it is started, while a
worker is forked from a small server that has its decoders loaded; and these are there without anything installed.
Each part is applied where the kernel has it; `confine` says which parts were. The numbers are Linux's own:
landlock(7), seccomp(2), and the system call tables of the two processors.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS of prctl(2)

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION, _PATH_BENEATH = 1, 1
#: Rights over files that each version of Landlock knows: 13 of version 1, then one more each in 2, 3 and 5.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_NETWORK_FROM, _SCOPES_FROM = 4, 6
_TCP_BIND_AND_CONNECT, _SOCKETS_AND_SIGNALS = 0b11, 0b11

_SET_SECCOMP, _FILTER = 22, 2  # PR_SET_SECCOMP and SECCOMP_MODE_FILTER of prctl(2)
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_LOAD_WORD, _JUMP_IF_EQUAL, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_CALL_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_CLONE_THREAD = 0x00010000

#: By processor: its name in seccomp, `clone`, `clone3`, and the calls that are refused outright: execve, execveat, fork
#: and vfork where they exist, socket, connect, ptrace, process_vm_readv and _writev, kill, mount, unshare, bpf, keyctl,
#: userfaultfd, perf_event_open, io_uring_setup.
_CALLS: Mapping[str, tuple[int, int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        56,
        435,
        (59, 322, 57, 58, 41, 42, 101, 310, 311, 62, 165, 272, 321, 250, 323, 298, 425),
    ),
    "aarch64": (0xC00000B7, 220, 435, (221, 281, 198, 203, 117, 270, 271, 129, 40, 97, 280, 219, 282, 241, 425)),
}


def confine() -> tuple[str, ...]:
    """Give up for this process and its threads to come what a decoder has no use for; return what was given up.

    Left are reading files of the Python installation and of system libraries, memory, threads, and what is open
    already. ``files`` and ``programs`` are the parts; either is missing where the kernel does not have it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    parts = []
    if _restrict_files(libc):
        parts.append("files")
    if _restrict_calls(libc):
        parts.append("programs")
    return tuple(parts)


def _readable() -> Iterable[Path]:
    """Yield the folders that code may still be loaded from."""
    names = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found = {Path(name).resolve() for name in (*names, "/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo")}
    yield from sorted(path for path in found if path.is_dir())


def _restrict_files(libc: ctypes.CDLL) -> bool:
    """Leave reading of a few folders, nothing else of any file system; say whether the kernel did it."""
    version = libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return False
    rights = (1 << _FILE_RIGHTS.get(version, max(_FILE_RIGHTS.values()))) - 1
    words = [rights]
    if version >= _NETWORK_FROM:
        words.append(_TCP_BIND_AND_CONNECT)
    if version >= _SCOPES_FROM:
        words.append(_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"={len(words)}Q", *words)
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        for folder in _readable():
            handle = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", _READ_FILE | _READ_FOLDER, handle)
            added = libc.syscall(_LANDLOCK_ADD, ruleset, _PATH_BENEATH, rule, 0)
            os.close(handle)
            if added != 0:
                return False
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


class _Program(ctypes.Structure):
    """A filter's length and its instructions (struct sock_fprog)."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def _restrict_calls(libc: ctypes.CDLL) -> bool:
    """Refuse the system calls that start programs, reach the network or other processes; say whether it is done."""
    if platform.machine() not in _CALLS:
        return False
    code = b"".join(_filter(*_CALLS[platform.machine()]))
    program = _Program(length=len(code) // 8, code=code)
    return bool(libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(architecture: int, clone: int, clone3: int, refused: tuple[int, ...]) -> Iterable[bytes]:
    """Yield the filter's instructions (struct sock_filter: code, jump if true, jump if false, operand)."""

    def instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, operand)

    yield instruction(_LOAD_WORD, _ARCHITECTURE_AT)
    yield instruction(_JUMP_IF_EQUAL, architecture, 1, 0)
    yield instruction(_RETURN, _FAIL | errno.EPERM)  # calls of another processor's table mean something else
    yield instruction(_LOAD_WORD, _CALL_AT)
    for number in refused:
        yield instruction(_JUMP_IF_EQUAL, number, 0, 1)
        yield instruction(_RETURN, _FAIL | errno.EPERM)
    yield instruction(_JUMP_IF_EQUAL, clone3, 0, 1)
    yield instruction(_RETURN, _FAIL | errno.ENOSYS)  # its flags cannot be seen here: the library falls back to clone
    yield instruction(_JUMP_IF_EQUAL, clone, 0, 3)
    yield instruction(_LOAD_WORD, _FIRST_ARGUMENT_AT)
    yield instruction(_JUMP_IF_SET, _CLONE_THREAD, 1, 0)
    yield instruction(_RETURN, _FAIL | errno.EPERM)  # a new process, not a thread
    yield instruction(_RETURN, _ALLOW)
