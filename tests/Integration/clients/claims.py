"""claims.py PLACE USER FOLDER: shows a copy of FOLDER at PLACE, as a FUSE filesystem that USER mounted for all users.

Its server says that root owns everything in it. Says "ready" once it is mounted; ends when its input does.
"""
import ctypes
import os
import stat
import struct
import sys
import threading

INIT, LOOKUP, FORGET, GETATTR, OPEN, READ, INTERRUPT, OPENDIR, READDIR = 26, 1, 2, 3, 14, 15, 36, 27, 28
RELEASE, FLUSH, RELEASEDIR = 18, 25, 29
ENOENT, ENOSYS = 2, 38

place, user, folder = sys.argv[1:]
paths = [None, folder]


def attributes(node):
    status = os.lstat(paths[node])
    return struct.pack(
        "<QQQQQQIIIIIIIIII", node, status.st_size, 1, 0, 0, 0, 0, 0, 0, status.st_mode & ~0o022, 1, 0, 0, 0, 4096, 0)


def look_up(node, name):
    path = os.path.join(paths[node], name)
    if not os.path.lexists(path):
        return None
    if path not in paths:
        paths.append(path)
    found = paths.index(path)
    return struct.pack("<QQQQII", found, 1, 0, 0, 0, 0) + attributes(found)


def entries(node, offset):
    listing = b""
    for i, name in enumerate(os.listdir(paths[node]), 1):
        mode = os.lstat(os.path.join(paths[node], name)).st_mode
        name = name.encode()
        padding = bytes(-len(name) % 8)
        listing += struct.pack("<QQII", i + 1, i, len(name), stat.S_IFMT(mode) >> 12) + name + padding
    return b"" if offset else listing


def content(node, offset, size):
    with open(paths[node], "rb") as file:
        return file.read()[offset:offset + size]


def serve():
    while True:
        request = os.read(device, 1 << 20)
        _, opcode, unique, node = struct.unpack("<IIQQ", request[:24])
        body, error = b"", 0
        if opcode in (FORGET, INTERRUPT):
            continue
        if opcode == INIT:
            body = struct.pack("<IIIIHHIIHHI", 7, 31, 65536, 0, 0, 0, 65536, 1, 0, 0, 0) + bytes(28)
        elif opcode == LOOKUP:
            body = look_up(node, request[40:-1].decode())
            body, error = (b"", ENOENT) if body is None else (body, 0)
        elif opcode == GETATTR:
            body = struct.pack("<QII", 0, 0, 0) + attributes(node)
        elif opcode in (OPEN, OPENDIR):
            body = struct.pack("<QII", 0, 0, 0)
        elif opcode in (READ, READDIR):
            _, offset, size = struct.unpack("<QQI", request[40:60])
            body = entries(node, offset) if opcode == READDIR else content(node, offset, size)
        elif opcode not in (RELEASE, FLUSH, RELEASEDIR):
            error = ENOSYS
        os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id={user},group_id=0,allow_other".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"claims", place.encode(), b"fuse.claims", 0, options) == -1:
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
