"""stuck.py FOLDER OPERATION PATH: hands the kernel memory that never arrives, as any user can.

Says "held" once the kernel waits for that memory. The memory is a file of a filesystem of its own, mounted in FOLDER,
whose server answers no READ. OPERATION is "write", "append" (write with O_APPEND set by fcntl) "list" (getdents),
"link" (write, and meanwhile link(2) of the file into its own directory), or "close" (list, and meanwhile open(2) of a
file to be made there, so that nobody can look a name up in the directory; says "closed" then).
Ends when its input does, "close" after 30 s too, lest the test that waits for it ends never; the server goes first, so
that the kernel's wait ends too.
"""
import ctypes
import fcntl
import mmap
import os
import select
import signal
import struct
import sys

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
PR_SET_PDEATHSIG = 1
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
INIT, LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INTERRUPT = 26, 1, 2, 3, 14, 15, 18, 25, 36
SIZE = 1 << 20
COMMAND = struct.pack(">HIIH", 0x8001, 12, 0x17B, 8)

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


def checked(result):
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def child(work):
    """Runs work in a process that does not outlive this one."""
    process = os.fork()
    if process == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        try:
            work()
        finally:
            os._exit(0)
    return process


def become_root_of_a_namespace():
    uid, gid = os.getuid(), os.getgid()
    checked(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    for name, text in ("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1"):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def attributes(node):
    mode = 0o40777 if node == 1 else 0o100666
    return struct.pack("<QQQQQQIIIIIIIIII", node, SIZE, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def serve(device):
    while True:
        request = os.read(device, SIZE + 4096)
        _, opcode, unique, node = struct.unpack("<IIQQ", request[:24])
        if opcode == READ:
            os.write(is_held, b".")
            print("held", flush=True)
            continue
        if opcode in (FORGET, INTERRUPT):
            continue
        body = {
            INIT: struct.pack("<IIIIHHIIHHI", 7, 31, 65536, 0, 0, 0, 65536, 1, 0, 0, 0) + bytes(28),
            LOOKUP: struct.pack("<QQQQII", 2, 1, 3600, 3600, 0, 0) + attributes(2),
            GETATTR: struct.pack("<QII", 3600, 0, 0) + attributes(node),
            OPEN: struct.pack("<QII", 7, 0, 0),
            RELEASE: b"",
            FLUSH: b"",
        }.get(opcode)
        error = 0 if body is not None else -38
        body = body or b""
        os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def link():
    """Links the file, once it is held, into its own directory; its owner may where that can be written in."""
    os.read(until_held, 1)
    directory = os.path.dirname(path).encode()
    libc.linkat(AT_FDCWD, f"/proc/self/fd/{target}".encode(), AT_FDCWD, directory + b"/link", AT_SYMLINK_FOLLOW)
    print("linked", flush=True)


def make():
    os.read(until_held, 1)
    os.open(f"{path}/made", os.O_CREAT | os.O_RDWR)


def say_when_it_waits(process):
    with open(f"/proc/{process}/stat", encoding="ascii") as stat:
        while ") D " not in stat.read():
            stat.seek(0)
    print("closed", flush=True)


folder, operation, path = sys.argv[1:]
lists = operation in ("list", "close")
target = os.open(path, os.O_RDONLY | os.O_DIRECTORY if lists else os.O_RDWR)
until_held, is_held = os.pipe()
if operation == "link":
    child(link)  # before the mounts are others than the descriptor's
become_root_of_a_namespace()
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
checked(libc.mount(b"stuck", folder.encode(), b"fuse", 0, options))
server = child(lambda: serve(device))
os.close(device)
file = os.open(f"{folder}/file", os.O_RDONLY)
memory = libc.mmap(None, 65536, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, file, 0)


def hold():
    if operation == "append":
        fcntl.fcntl(target, fcntl.F_SETFL, fcntl.fcntl(target, fcntl.F_GETFL) | os.O_APPEND)
    if lists:
        libc.getdents64(target, ctypes.c_void_p(memory), ctypes.c_size_t(65536))
    else:
        libc.write(target, ctypes.c_void_p(memory), ctypes.c_size_t(len(COMMAND)))


holder = child(hold)
if operation == "close":
    say_when_it_waits(child(make))
    select.select([sys.stdin], [], [], 30)
else:
    sys.stdin.read()
for process in server, holder:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
