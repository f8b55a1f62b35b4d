"""Does on files what it is told, a line at a time: an operation and its arguments on standard input, its outcome on
standard output.

An outcome is "= NUMBER", "+ BYTES" in hexadecimal, or "! ERRNO". SIGUSR1 ends a system call with EINTR.
"""
import errno
import fcntl
import os
import resource
import select
import signal
import sys

import names
import tcti


def open_file(path, flags):
    return os.open(path, sum(getattr(os, flag) for flag in flags.split("|")))


def nonblock(fd, on):
    flags = fcntl.fcntl(int(fd), fcntl.F_GETFL)
    wanted = flags | os.O_NONBLOCK if int(on) else flags & ~os.O_NONBLOCK
    return fcntl.fcntl(int(fd), fcntl.F_SETFL, wanted)


def poll(fd, events, timeout):
    poller = select.poll()
    poller.register(int(fd), int(events))
    return sum(revents for _, revents in poller.poll(int(timeout)))


def epoll_add(epoll, fd, events):
    return epolls[int(epoll)].register(int(fd), int(events)) or 0


def epoll_wait(epoll, timeout):
    return sum(revents for _, revents in epolls[int(epoll)].poll(int(timeout) / 1000))


def epoll_create():
    epoll = select.epoll()
    epolls[epoll.fileno()] = epoll
    return epoll.fileno()


def fork_read(fd, size):
    """Reads in a child process that has inherited the descriptor."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, os.read(int(fd), int(size)))
        os._exit(0)
    os.close(writer)
    data = os.read(reader, int(size))
    os.close(reader)
    os.waitpid(child, 0)
    return data


def interrupted(*_):
    raise InterruptedError(errno.EINTR, "a signal")


epolls = {}
operations = {
    "open": open_file,
    "close": lambda fd: os.close(int(fd)) or 0,
    "dup": lambda fd: os.dup(int(fd)),
    "write": lambda fd, data="": os.write(int(fd), bytes.fromhex(data)),
    "writev": lambda fd, *parts: os.writev(int(fd), [bytes.fromhex(part) for part in parts]),
    "read": lambda fd, size: os.read(int(fd), int(size)),
    "pread": lambda fd, size, offset: os.pread(int(fd), int(size), int(offset)),
    "pwrite": lambda fd, data, offset: os.pwrite(int(fd), bytes.fromhex(data), int(offset)),
    "lseek": lambda fd, offset: os.lseek(int(fd), int(offset), os.SEEK_SET),
    "truncate": lambda fd, size: os.ftruncate(int(fd), int(size)) or 0,
    # python ignores SIGXFSZ
    "limit_files": lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY)) or 0,
    "nonblock": nonblock,
    "poll": poll,
    "epoll_create": epoll_create,
    "epoll_add": epoll_add,
    "epoll_wait": epoll_wait,
    "fork_read": fork_read,
    **names.operations,
    **tcti.operations,
}

signal.signal(signal.SIGUSR1, interrupted)
for line in sys.stdin:
    name, *arguments = line.split()
    try:
        result = operations[name](*arguments)
        print("+ " + result.hex() if isinstance(result, bytes) else f"= {result}", flush=True)
    except OSError as error:
        print("! " + errno.errorcode[error.errno], flush=True)
