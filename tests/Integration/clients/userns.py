"""userns.py BASE COUNT UID COMMAND...: runs a command in a user namespace where ids 0 to COUNT - 1 are BASE and up
outside, as UID."""
import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000

base, count, uid = map(int, sys.argv[1:4])
libc = ctypes.CDLL(None, use_errno=True)
reader, writer = os.pipe()
mapper = os.fork()
if mapper == 0:
    # Only somebody outside of the namespace may map more than one id.
    os.read(reader, 1)
    for kind in "uid", "gid":
        with open(f"/proc/{os.getppid()}/{kind}_map", "w", encoding="ascii") as table:
            table.write(f"0 {base} {count}\n")
    os._exit(0)

if libc.unshare(CLONE_NEWUSER) != 0:
    sys.exit("unshare: " + os.strerror(ctypes.get_errno()))
os.write(writer, b".")
if os.waitpid(mapper, 0)[1] != 0:
    sys.exit("the ids could not be mapped")
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
os.execvp(sys.argv[4], sys.argv[4:])
