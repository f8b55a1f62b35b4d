"""Operations of the agent that name files: directories, permissions, and files that are read or written as a whole."""
import os
import struct

GET_RANDOM = bytes.fromhex("80010000000c0000017b0008")


def use(path, times=1):
    """One command through one open of a node, so many times in a row; the last response."""
    for _ in range(int(times)):
        fd = os.open(path, os.O_RDWR)
        try:
            os.write(fd, GET_RANDOM)
            response = os.read(fd, 4096)
        finally:
            os.close(fd)
    return response


def cat(path):
    with open(path, "rb", buffering=0) as file:
        return file.read()


def echo(path, data=""):
    """As a shell's redirection does it: one open that truncates, one write."""
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        return os.write(fd, bytes.fromhex(data))
    finally:
        os.close(fd)


def acl(path, uid, permissions):
    """Lets one more user in: an ACL as linux/posix_acl_xattr.h has it, with nothing for the group and for others."""
    entries = [(1, 6, 0xFFFFFFFF), (2, int(permissions), int(uid)), (4, 0, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF),
               (32, 0, 0xFFFFFFFF)]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    return os.setxattr(path, "system.posix_acl_access", value) or 0


operations = {
    "use": use,
    "cat": cat,
    "echo": echo,
    "acl": acl,
    "chdir": lambda path: os.chdir(path) or 0,
    "list": lambda path: "\n".join(sorted(os.listdir(path))).encode(),
    "readlink": lambda path: os.readlink(path).encode(),
    "mkdir": lambda path: os.mkdir(path) or 0,
    "rmdir": lambda path: os.rmdir(path) or 0,
    "create": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)) or 0,
    "unlink": lambda path: os.unlink(path) or 0,
    "rename": lambda path, to: os.rename(path, to) or 0,
    "chmod": lambda path, mode: os.chmod(path, int(mode, 8)) or 0,
    "chown": lambda path, uid, gid: os.chown(path, int(uid), int(gid)) or 0,
}
