"""reads.py TREE: reads every file in every way that programs read files, and prints what is answered in no sensible
way."""
import errno
import os
import select
import sys

SENSIBLE = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.EINVAL, errno.ESPIPE, errno.ENODEV, errno.EOPNOTSUPP,
            errno.EAGAIN, errno.EXDEV, errno.EBADF}
LIMIT = 1 << 20


def splice(fd):
    reader, writer = os.pipe()
    try:
        os.splice(fd, writer, 4096)
    finally:
        os.close(reader)
        os.close(writer)


WAYS = {
    "read": lambda fd: os.read(fd, 4096),
    "to the end": lambda fd: [None for _ in iter(lambda: os.read(fd, 65536), b"")],
    "pread": lambda fd: os.pread(fd, 100, 0),
    "far pread": lambda fd: os.pread(fd, 100, 1 << 40),
    "seek": lambda fd: os.lseek(fd, 0, os.SEEK_END),
    "sendfile": lambda fd: os.sendfile(sink, fd, None, LIMIT),
    "copy_file_range": lambda fd: os.copy_file_range(fd, sink, LIMIT),
    "splice": splice,
    "readv": lambda fd: os.readv(fd, [bytearray(10), bytearray(4096)]),
    "fsync": os.fsync,
    "poll": lambda fd: select.select([fd], [], [], 0),
    "advice": lambda fd: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL),
    "lock": lambda fd: os.lockf(fd, os.F_TEST, 0),
    "stat": os.fstat,
}

sink = os.memfd_create("sink")
wrong = 0
for folder, _, names in os.walk(sys.argv[1]):
    for path in (os.path.join(folder, name) for name in names):
        for more in 0, os.O_NONBLOCK, os.O_NOATIME, os.O_PATH, os.O_DIRECT:
            flags = os.O_RDONLY | more
            for way, read in WAYS.items():
                try:
                    fd = os.open(path, flags)
                except OSError as error:
                    if error.errno not in SENSIBLE | {errno.ENOENT}:
                        print(path, "open", hex(flags), error)
                        wrong = 1
                    continue
                try:
                    read(fd)
                except OSError as error:
                    if error.errno not in SENSIBLE:
                        print(path, way, hex(flags), error)
                        wrong = 1
                finally:
                    os.close(fd)
sys.exit(wrong)
