"""pagecache.py WAY NODE: writes a command to a node, reads in a way of its own, and then reads the response.

Most ways go through the kernel's page cache. Prints what the way gave (an errno, a number of bytes, or the signal that
ended it), and the size of the response.
"""
import ctypes
import errno
import mmap
import os
import struct
import sys

GET_RANDOM = bytes.fromhex("80010000000c0000017b0008")
PAGE = 4096
NR_IO_SETUP, NR_IO_SUBMIT, NR_IO_GETEVENTS = (206, 209, 208) if os.uname().machine == "x86_64" else (0, 2, 4)
IOCB_CMD_PREAD = 0

libc = ctypes.CDLL(None, use_errno=True)


def splice(fd):
    reader, writer = os.pipe()
    os.splice(fd, writer, 20)
    return len(os.read(reader, PAGE))


def touch(fd):
    """A page that cannot be read ends the process that touches it, so another one does."""
    memory = mmap.mmap(fd, PAGE, mmap.MAP_PRIVATE, mmap.PROT_READ)
    child = os.fork()
    if child == 0:
        os._exit(memory[0] and 1)
    return -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def asynchronous(fd):
    """A read of Linux's asynchronous I/O, after a look at the file, which refreshes the kernel's idea of its size."""
    os.fstat(fd)
    context = ctypes.c_ulong()
    if libc.syscall(NR_IO_SETUP, 1, ctypes.byref(context)) != 0:
        raise OSError(ctypes.get_errno(), "io_setup")
    buffer = ctypes.create_string_buffer(PAGE)
    block = ctypes.create_string_buffer(struct.pack(
        "<QIIHhIQQqQII", 0, 0, 0, IOCB_CMD_PREAD, 0, fd, ctypes.addressof(buffer), PAGE, 0, 0, 0, 0))
    if libc.syscall(NR_IO_SUBMIT, context, ctypes.c_long(1), (ctypes.c_void_p * 1)(ctypes.addressof(block))) != 1:
        raise OSError(ctypes.get_errno(), "io_submit")
    event = ctypes.create_string_buffer(32)
    libc.syscall(NR_IO_GETEVENTS, context, ctypes.c_long(1), ctypes.c_long(1), event, None)
    return struct.unpack("<QQqq", event.raw)[2]


WAYS = {
    "splice": splice,
    "sendfile": lambda fd: os.sendfile(os.pipe()[1], fd, None, 20),
    "copy_file_range": lambda fd: os.copy_file_range(fd, os.memfd_create("copy"), 20),
    "mmap": touch,
    "shared mmap": lambda fd: len(mmap.mmap(fd, PAGE, mmap.MAP_SHARED, mmap.PROT_READ)),
    "readahead": lambda fd: libc.readahead(fd, ctypes.c_int64(0), ctypes.c_size_t(PAGE)),
    "fadvise": lambda fd: os.posix_fadvise(fd, 0, PAGE, os.POSIX_FADV_WILLNEED) or 0,
    "readv": lambda fd: os.readv(fd, [bytearray(5), bytearray(PAGE)]),
    "asynchronous": asynchronous,
}

fd = os.open(sys.argv[2], os.O_RDWR | (os.O_DIRECT if sys.argv[1].startswith("direct ") else 0))
os.write(fd, GET_RANDOM)
try:
    outcome = WAYS[sys.argv[1].removeprefix("direct ")](fd)
except OSError as error:
    outcome = errno.errorcode[error.errno]
print(outcome, len(os.read(fd, PAGE)))
