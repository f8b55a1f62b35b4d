"""Asks for the flags of a file by file_getattr(2), again and again, until its input ends: fileattr.py PATH.

Linux 6.17 and newer have the call, and open a FUSE file for it without asking whether the caller may. Prints how the
first call ended: the name of the error, or "-".
"""
import ctypes
import errno
import os
import sys
import threading

FILE_GETATTR = 468  # on all architectures
AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)


def ask():
    attributes = ctypes.create_string_buffer(24)
    size = ctypes.c_size_t(len(attributes))
    outcome = libc.syscall(FILE_GETATTR, AT_FDCWD, os.fsencode(sys.argv[1]), attributes, size, 0)
    return errno.errorcode[ctypes.get_errno()] if outcome < 0 else "-"


def ask_without_end():
    while True:
        ask()


print(ask(), flush=True)
for _ in range(4):
    threading.Thread(target=ask_without_end, daemon=True).start()
sys.stdin.read()
os._exit(0)
