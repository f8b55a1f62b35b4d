#!/usr/bin/python3
"""asks.py PATH: what a character device answers to what programs ask of one, a line each: 'NAME ANSWER'."""
import array
import errno
import fcntl
import mmap
import os
import select
import struct
import sys
import termios

GET_RANDOM = struct.pack(">HIIH", 0x8001, 12, 0x17B, 8)


def ask(name, question):
    try:
        answer = question()
    except OSError as problem:
        answer = errno.errorcode[problem.errno]
    print(name, answer, flush=True)


def events(poller, timeout=60):
    """poll(2) counts in ms, epoll(7) here in s."""
    return [hex(revents) for _, revents in poller.poll(timeout)]


def respond():
    os.write(fd, GET_RANDOM)
    return len(os.read(fd, 4096))


fd = os.open(sys.argv[1], os.O_RDWR)
ask("FIONREAD", lambda: fcntl.ioctl(fd, termios.FIONREAD, array.array("i", [0])))
ask("TCGETS", lambda: fcntl.ioctl(fd, termios.TCGETS, bytes(64)))
ask("mmap", lambda: mmap.mmap(fd, 4096))
ask("fsync", lambda: os.fsync(fd))
ask("ftruncate", lambda: os.ftruncate(fd, 0))
poll = select.poll()
poll.register(fd, select.POLLIN | select.POLLOUT | 0x40 | 0x100)
ask("poll-idle", lambda: events(poll, 0))
os.write(fd, GET_RANDOM)
poll.modify(fd, select.POLLIN | 0x40)
ask("poll-answer", lambda: events(poll, 60_000))
ask("read", lambda: len(os.read(fd, 4096)))
ask("read-again", lambda: len(os.read(fd, 4096)))
epoll = select.epoll()
epoll.register(fd, select.EPOLLIN | select.EPOLLET)
os.write(fd, GET_RANDOM)
ask("epoll-edge", lambda: events(epoll))
ask("epoll-no-edge", lambda: events(epoll, 0))
ask("epoll-read", lambda: len(os.read(fd, 4096)))
os.write(fd, GET_RANDOM)
ask("epoll-next-edge", lambda: events(epoll))
ask("write-unread", lambda: os.write(fd, GET_RANDOM))
os.read(fd, 4096)
os.set_blocking(fd, False)
ask("nonblock-nothing", lambda: len(os.read(fd, 10)))
ask("short", lambda: os.write(fd, GET_RANDOM[:9]))
ask("long", lambda: os.write(fd, GET_RANDOM + bytes(5000)))
ask("very-long", lambda: os.write(fd, GET_RANDOM + bytes(1 << 20)))
os.set_blocking(fd, True)
ask("after-all", respond)
