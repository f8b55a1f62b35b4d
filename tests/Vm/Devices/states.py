#!/usr/bin/python3
"""states.py PATH: kills a client of a character device in each state that an opener can be in, with SIGKILL.

Prints a line for each state once the client is gone. What is left is for the caller to look at: nothing should be.
"""
import os
import select
import signal
import struct
import sys

GET_RANDOM = struct.pack(">HIIH", 0x8001, 12, 0x17B, 8)
# CreatePrimary of an RSA key, which takes a software TPM long
LONG = bytes.fromhex("8002" "00000043" "00000131" "40000001" "00000009" "40000009" "0000" "00" "0000" "0004" "00000000"
                     "001a" "0001" "000b" "00030072" "0000" "0006" "0080" "0043" "0010" "0800" "00000000" "0000"
                     "0000" "00000000")
EVERYTHING = select.POLLIN | select.POLLOUT
IN_TIME = 60_000  # ms


def idle(fd):
    """Nothing was written."""


def running(fd):
    os.write(fd, LONG)


def running_read(fd):
    os.write(fd, LONG)
    tell()
    os.read(fd, 4096)


def running_poll(fd):
    os.write(fd, LONG)
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    tell()
    poller.poll()


def running_epoll(fd):
    os.write(fd, LONG)
    poller = select.epoll()
    poller.register(fd, select.EPOLLIN | select.EPOLLET)
    tell()
    poller.poll()


def unread(fd):
    os.write(fd, GET_RANDOM)
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    assert poller.poll(IN_TIME) == [(fd, select.POLLIN)]


def partly_read(fd):
    unread(fd)
    assert len(os.read(fd, 3)) == 3


def nothing_to_read(fd):
    assert os.read(fd, 10) == b""


def told_to_try_again(fd):
    """A read with O_NONBLOCK while a command runs."""
    os.set_blocking(fd, False)
    os.write(fd, LONG)
    try:
        os.read(fd, 10)
    except BlockingIOError:
        return
    raise AssertionError("the read did not say EAGAIN")


def tell():
    print("ready", file=told, flush=True)


STATES = (idle, running, running_read, running_poll, running_epoll, unread, partly_read, nothing_to_read,
          told_to_try_again)


def main():
    global told
    for state in STATES:
        ready, tells = os.pipe()
        client = os.fork()
        if client == 0:
            told = os.fdopen(tells, "w")
            state(os.open(sys.argv[1], os.O_RDWR))
            tell()
            signal.pause()
        os.close(tells)
        assert os.read(ready, 100).startswith(b"ready"), state.__name__
        os.kill(client, signal.SIGKILL)
        os.waitpid(client, 0)
        os.close(ready)
        print(state.__name__, flush=True)


if __name__ == "__main__":
    main()
