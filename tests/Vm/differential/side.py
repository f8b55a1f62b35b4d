"""One of the two that are compared: a node, the openers that use it, and what they have been given."""
import ctypes
import errno
import fcntl
import os
import select
import signal
import time

import vocabulary

LIBC = ctypes.CDLL(None, use_errno=True)
EVENTS = {0x01: "IN", 0x04: "OUT", 0x08: "ERR", 0x10: "HUP", 0x40: "RDNORM", 0x100: "WRNORM"}
ALL = 0x01 | 0x04 | 0x40 | 0x100
ROOM = 8192
RESPONSE_IN = 10_000  # ms, for one command
WAITED = 0.4  # s: shorter than what the actions have a TPM delay a command by, longer than anything else


MISSING = "nothing has the name"


class Missing(Exception):
    """What should have been given that name has failed before."""


class Opener:
    def __init__(self, fd):
        self.fd, self.sent = fd, []


class Side:
    """Actions are lines: 'OPENER VERB ...', or 'tpm ...' for the TPM below. Each has an outcome, a line too, which
    never tells a handle's value."""

    def __init__(self, site):
        self.node, self.raw, self.tpm = site.targets["file"], site.targets["raw"], site.proxy
        self.openers, self.names, self.givers, self.contexts = {}, {}, {}, {}
        self.acting = None

    def act(self, action):
        who, verb, *words = action.split()
        self.acting = who
        if who == "tpm":
            self.tpm.ask(" ".join([verb, *words]))
            return "done"
        if who == "pause":
            time.sleep(int(verb) / 1000)
            return "done"
        timed = verb == "timed"
        if timed:
            verb, *words = words
        start = time.monotonic()
        try:
            if who not in self.openers and verb not in ("open", "openraw", "openlocality", "again"):
                raise Missing(who)
            outcome = VERBS[verb](self, who, *words)
        except OSError as problem:
            outcome = errno.errorcode[problem.errno]
        except Missing as problem:
            outcome = f"{MISSING} {problem}"
        if timed:
            outcome += ", after a wait" if time.monotonic() - start > WAITED else ", at once"
        return outcome

    def handle(self, word):
        """A name, a number as C writes it, or a session's name behind '~': its handle with the other type byte."""
        if word[0] == "~":
            return self.handle(word[1:]) ^ 0x01000000
        if word[0].isdigit():
            return int(word, 0)
        if word not in self.names:
            raise Missing(word)
        return self.names[word]

    def context(self, word):
        if word not in self.contexts:
            raise Missing(word)
        return self.contexts[word]

    def give(self, name, handle):
        self.names.pop(name, None)
        self.names[name] = handle
        self.givers[name] = self.acting

    def name_of(self, handle):
        """The last name that was given to it. An object's number means something to its opener only; a session is the
        low 24 bits of its handle."""
        session = handle >> 24 in vocabulary.SESSION_TYPES
        for name, value in reversed(self.names.items()):
            if value == handle and self.givers[name] == self.acting or \
                    session and value >> 24 in vocabulary.SESSION_TYPES and (value ^ handle) & 0xFFFFFF == 0:
                return name
        return "somebody's"

    def end(self):
        """Closes all, and flushes what outlives its opener, so that the next actions begin on an empty TPM."""
        for opener in self.openers.values():
            os.close(opener.fd)
        self.openers, self.names, self.givers, self.contexts = {}, {}, {}, {}
        self.act("end open")
        for kind in ("saved", "loaded"):
            response = self._exchange("end", ["handles", kind])
            count = int.from_bytes(response[15:19], "big")
            for i in range(count):
                handle = int.from_bytes(response[19 + 4 * i:23 + 4 * i], "big")
                self._exchange("end", ["flush", hex(handle)])
        self.act("end close")

    def _exchange(self, who, words):
        opener = self.openers[who]
        os.write(opener.fd, vocabulary.to_bytes(self, words))
        _wait(opener.fd, 0x01, RESPONSE_IN)
        return os.read(opener.fd, ROOM)


def _wait(fd, events, timeout):
    poller = select.poll()
    poller.register(fd, events)
    ready = sum(revents for _, revents in poller.poll(timeout))
    return "|".join(name for bit, name in EVENTS.items() if ready & bit) or "nothing"


def _open(side, who, path, flags):
    access = 0 if {"rdonly", "wronly"} & set(flags) else os.O_RDWR
    side.openers[who] = Opener(os.open(path, sum((getattr(os, "O_" + flag.upper()) for flag in flags), access)))
    return "done"


def open_node(side, who, *flags):
    return _open(side, who, side.node, flags)


def open_raw(side, who, *flags):
    return _open(side, who, side.raw, flags)


def open_locality(side, who, locality):
    """The raw node of a locality, which is beside the plain one."""
    return _open(side, who, side.raw.parent / "locality" / locality / side.raw.name, [])


def open_again(side, who, other):
    """A second descriptor of the same open file."""
    side.openers[who] = Opener(os.dup(side.openers[other].fd))
    return "done"


def close(side, who):
    os.close(side.openers.pop(who).fd)
    return "done"


def write(side, who, *words):
    opener = side.openers[who]
    count = os.write(opener.fd, vocabulary.to_bytes(side, words))
    opener.sent = words
    return f"{count} bytes"


def cut(side, who, size, *words):
    """A command of which only the first bytes are written, or which has zeros behind it."""
    opener = side.openers[who]
    data = vocabulary.to_bytes(side, words)
    count = os.write(opener.fd, (data + bytes(int(size)))[:int(size)])
    opener.sent = words
    return f"{count} bytes"


def read(side, who, size=ROOM):
    opener = side.openers[who]
    response = os.read(opener.fd, int(size))
    return vocabulary.to_text(side, opener.sent, response) if response else "0 bytes"


def do(side, who, *words):
    """A command and its response, as most clients send it."""
    opener = side.openers[who]
    opener.sent = words
    try:
        os.write(opener.fd, vocabulary.to_bytes(side, words))
    except OSError as problem:
        return "write: " + errno.errorcode[problem.errno]
    _wait(opener.fd, 0x01, RESPONSE_IN)
    return read(side, who)


def poll(side, who):
    return _wait(side.openers[who].fd, ALL, 0)


def wait(side, who):
    """As tcti-device does: until there is something to read."""
    return _wait(side.openers[who].fd, 0x01, RESPONSE_IN)


def nonblock(side, who, word):
    fd = side.openers[who].fd
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_NONBLOCK if word == "on" else flags & ~os.O_NONBLOCK)
    return "done"


def interrupted(side, who, verb, *words):
    """A write or a read that a signal comes into, while it waits if it does. Python's own calls begin again after a
    signal."""
    opener = side.openers[who]
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, WAITED / 2)
    if verb == "write":
        opener.sent = words
        data = vocabulary.to_bytes(side, words)
        count = LIBC.write(opener.fd, data, len(data))
    else:
        data = ctypes.create_string_buffer(ROOM)
        count = LIBC.read(opener.fd, data, ROOM)
    problem = ctypes.get_errno()
    signal.setitimer(signal.ITIMER_REAL, 0)
    return errno.errorcode[problem] if count < 0 else f"{count} bytes"


def call(function):
    def verb(side, who, *words):
        function(side.openers[who].fd, *words)
        return "done"
    return verb


def leave(side, who, count):
    """Sessions that are saved and never loaded again."""
    for i in range(int(count)):
        for words in (["session", "left", "policy"], ["save", "left", f"left{i}"]):
            outcome = do(side, who, *words)
            if not outcome.startswith("ok"):
                return f"{outcome}, after {i}"
    return f"{count} sessions"


def spin(side, who, count, *words):
    """The same command again and again, as long as it succeeds."""
    for i in range(int(count)):
        outcome = do(side, who, *words)
        if not outcome.startswith("ok"):
            return f"{outcome}, after {i}"
    return f"{count} times"


def number(side, who, name):
    return hex(side.handle(name))


def order(side, who, first, second):
    """Which of two handles is the larger number."""
    difference = side.handle(second) - side.handle(first)
    return "ascending" if difference > 0 else "descending" if difference < 0 else "the same"


def kind(side, who):
    mode = os.fstat(side.openers[who].fd).st_mode
    return {0o020000: "a character device", 0o100000: "a regular file"}[mode & 0o170000]


VERBS = {
    "open": open_node, "openraw": open_raw, "openlocality": open_locality, "again": open_again, "close": close,
    "write": write, "cut": cut, "read": read, "do": do, "poll": poll, "wait": wait,
    "nonblock": nonblock, "interrupted": interrupted, "number": number, "order": order, "kind": kind,
    "leave": leave, "spin": spin,
    "empty": call(lambda fd: os.write(fd, b"")),
    "pread": call(lambda fd: os.pread(fd, 10, 0)),
    "pwrite": call(lambda fd: os.pwrite(fd, bytes(10), 0)),
    "lseek": call(lambda fd: os.lseek(fd, 0, os.SEEK_SET)),
    "truncate": call(lambda fd: os.ftruncate(fd, 0)),
    "fsync": call(os.fsync),
    "ioctl": call(lambda fd: fcntl.ioctl(fd, 0x5401, bytes(64))),
    "lock": call(lambda fd: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)),
}
