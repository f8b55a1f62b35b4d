"""Uses a TPM in many ways while its daemon is killed, and checks every answer.

usage: survivors.py FOLDER SECONDS|FILE SEED [KIND...]

Starts a process for each KIND (all of KINDS, unless named). Each repeats its round until the time is up, or until FILE
exists, and notices a command that was executed twice, not at all, or answered wrongly: a policy digest and a sequence
depend on each of the commands before, a hash on its own data. Prints "KIND ROUNDS COMMANDS" for each, and fails with
what went wrong.
"""
import hashlib
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time

RH_OWNER, RH_NULL, RS_PW = 0x40000001, 0x40000007, 0x40000009
NO_SESSIONS, SESSIONS = 0x8001, 0x8002
ALG_SHA256, ALG_NULL = 0x000B, 0x0010
LONGEST = 60  # seconds that an answer may take, whatever is killed meanwhile


def sized(data):
    return struct.pack(">H", len(data)) + data


def command(code, body=b"", tag=NO_SESSIONS):
    return struct.pack(">HII", tag, 10 + len(body), code) + body


PASSWORD = struct.pack(">IIHBH", 9, RS_PW, 0, 1, 0)


class Wrong(Exception):
    pass


class Client:
    """Sends a command and reads its answer; how it waits is the kind's."""

    def __init__(self, path, wait):
        self.fd = os.open(path, os.O_RDWR | (0 if wait == "block" else os.O_NONBLOCK))
        self.wait = wait
        self.commands = 0
        self.poller = None
        if wait == "poll":
            self.poller = select.poll()
            self.poller.register(self.fd, select.POLLIN)
        elif wait == "edge":
            self.poller = select.epoll()
            self.poller.register(self.fd, select.EPOLLIN | select.EPOLLET)

    def close(self):
        os.close(self.fd)

    def send(self, data):
        signal.alarm(LONGEST)
        written = os.write(self.fd, data)
        if written != len(data):
            raise Wrong(f"write took {written} of {len(data)} bytes")
        answer = self.read()
        signal.alarm(0)
        self.commands += 1
        if len(answer) < 10 or struct.unpack(">I", answer[2:6])[0] != len(answer):
            raise Wrong(f"an answer of {len(answer)} bytes: {answer.hex()}")
        return answer

    def read(self):
        while True:
            try:
                answer = os.read(self.fd, 4096)
                if answer or self.wait == "block":
                    return answer
            except BlockingIOError:
                pass
            if self.wait == "poll":
                self.poller.poll(LONGEST * 1000)
            elif self.wait == "edge":
                self.poller.poll(LONGEST)

    def do(self, code, body=b"", tag=NO_SESSIONS):
        """Returns what follows the header of a successful answer."""
        answer = self.send(command(code, body, tag))
        rc = struct.unpack(">I", answer[6:10])[0]
        if rc:
            raise Wrong(f"{code:#x} was answered with {rc:#x}")
        return answer[10:]

    def expect(self, what, got, wanted):
        if got != wanted:
            raise Wrong(f"{what} is {got.hex()}, and not {wanted.hex()}")


def hash_of(client, data):
    answer = client.do(0x17D, sized(data) + struct.pack(">HI", ALG_SHA256, RH_NULL))
    client.expect("a hash", answer[2:34], hashlib.sha256(data).digest())


def hashes(client):
    """A command that depends on nothing."""
    for _ in range(8):
        hash_of(client, os.urandom(32))


def start_policy(client):
    answer = client.do(0x176, struct.pack(">II", RH_NULL, RH_NULL) + sized(os.urandom(16)) + sized(b"")
                       + struct.pack(">BHH", 1, ALG_NULL, ALG_SHA256))
    return struct.unpack(">I", answer[:4])[0]


def policies(client):
    """A policy session, whose digest shows each of the commands, once."""
    session = start_policy(client)
    digest = bytes(32)
    for _ in range(random.randrange(2, 8)):
        client.do(0x16B, struct.pack(">I", session))  # PolicyAuthValue
        digest = hashlib.sha256(digest + struct.pack(">I", 0x16B)).digest()
    client.expect("a policy digest", client.do(0x189, struct.pack(">I", session))[2:34], digest)
    client.do(0x165, struct.pack(">I", session))


def saved(client):
    """A policy session that its client saves and loads again in between."""
    session = start_policy(client)
    digest = bytes(32)
    for _ in range(3):
        client.do(0x16B, struct.pack(">I", session))
        digest = hashlib.sha256(digest + struct.pack(">I", 0x16B)).digest()
        context = client.do(0x162, struct.pack(">I", session))
        session = struct.unpack(">I", client.do(0x161, context)[:4])[0]
    client.expect("a saved session's digest", client.do(0x189, struct.pack(">I", session))[2:34], digest)
    client.do(0x165, struct.pack(">I", session))


def sequences(client):
    """A hash sequence, whose result shows each of the updates, once and in order."""
    handle = struct.unpack(">I", client.do(0x186, sized(b"") + struct.pack(">H", ALG_SHA256))[:4])[0]
    data = b""
    for _ in range(random.randrange(1, 6)):
        piece = os.urandom(random.randrange(1, 200))
        client.do(0x15C, struct.pack(">I", handle) + PASSWORD + sized(piece), SESSIONS)
        data += piece
    answer = client.do(0x13E, struct.pack(">I", handle) + PASSWORD + sized(b"") + struct.pack(">I", RH_NULL), SESSIONS)
    client.expect("a sequence's hash", answer[6:38], hashlib.sha256(data).digest())


def make_key(client):
    """An HMAC key of the null hierarchy, unlike all others."""
    public = struct.pack(">HHI", 8, ALG_SHA256, 0x40072) + sized(b"") + struct.pack(">HH", 5, ALG_SHA256)
    answer = client.do(0x131, struct.pack(">I", RH_NULL) + PASSWORD + sized(sized(b"") + sized(b""))
                       + sized(public + sized(os.urandom(32))) + sized(b"") + struct.pack(">I", 0), SESSIONS)
    return struct.unpack(">I", answer[:4])[0]


def name_of(client, handle):
    answer = client.do(0x173, struct.pack(">I", handle))
    size = struct.unpack(">H", answer[:2])[0]
    return answer[2:2 + size]


def keys(client):
    """Several objects, more than fit into a TPM at a time with those of the others."""
    handles = [make_key(client) for _ in range(3)]
    publics = [name_of(client, handle) for handle in handles]
    for _ in range(4):
        which = random.randrange(len(handles))
        client.expect("a key's public area", name_of(client, handles[which]), publics[which])
    for handle in handles:
        client.do(0x165, struct.pack(">I", handle))


def kept(client):
    """An object that lives as long as its opener."""
    if not hasattr(client, "handle"):
        client.handle = make_key(client)
        client.public = name_of(client, client.handle)
    client.expect("a key's public area", name_of(client, client.handle), client.public)


def reopens(client):
    """Opens anew for each command."""
    other = Client(client.path, client.wait)
    hash_of(other, os.urandom(20))
    other.close()
    client.commands += 1


def pieces(client):
    """Reads answers a few bytes at a time."""
    data = os.urandom(24)
    signal.alarm(LONGEST)
    os.write(client.fd, command(0x17D, sized(data) + struct.pack(">HI", ALG_SHA256, RH_NULL)))
    answer = b""
    while len(answer) < 10 or len(answer) < struct.unpack(">I", answer[2:6])[0]:
        part = os.read(client.fd, 7)
        if not part:
            raise Wrong(f"an answer ended after {len(answer)} bytes")
        answer += part
    signal.alarm(0)
    client.commands += 1
    client.expect("a hash", answer[12:44], hashlib.sha256(data).digest())


KINDS = {
    "hash-block": (hashes, "rm0", "block"), "hash-poll": (hashes, "rm0", "poll"), "hash-edge": (hashes, "rm0", "edge"),
    "policy-block": (policies, "rm0", "block"), "policy-poll": (policies, "rm0", "poll"),
    "policy-edge": (policies, "rm0", "edge"), "saved-block": (saved, "rm0", "block"),
    "saved-edge": (saved, "rm0", "edge"), "sequence-block": (sequences, "rm0", "block"),
    "sequence-poll": (sequences, "rm0", "poll"),
    "keys-block": (keys, "rm0", "block"), "keys-edge": (keys, "rm0", "edge"),
    "kept-block": (kept, "rm0", "block"), "reopen": (reopens, "rm0", "block"), "pieces": (pieces, "rm0", "block"),
    "raw": (hashes, "raw0", "block"),
}


def end_at(when):
    """Returns a function that is True from a moment on: so many seconds from now, or as soon as a file exists."""
    if when.startswith("/"):
        return lambda: os.path.exists(when)
    end = time.monotonic() + float(when)
    return lambda: time.monotonic() >= end


def run(kind, folder, is_over, seed):
    action, node, wait = KINDS[kind]
    random.seed(f"{seed} {kind}")
    path = os.path.join(folder, node)
    client = Client(path, wait)
    client.path = path
    rounds = 0
    while not is_over():
        action(client)
        rounds += 1
    client.close()
    os.write(1, f"{kind} {rounds} {client.commands}\n".encode())  # whole, beside those of others


def main():
    if len(sys.argv) == 6 and sys.argv[1] == "--one":
        signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(Wrong(f"no answer within {LONGEST} s")))
        try:
            run(sys.argv[2], sys.argv[3], end_at(sys.argv[4]), sys.argv[5])
        except (Wrong, OSError) as problem:
            sys.exit(f"{sys.argv[2]}: {problem}")
        return
    folder, end, seed = sys.argv[1:4]
    clients = [subprocess.Popen([sys.executable, sys.argv[0], "--one", kind, folder, end, seed])
               for kind in sys.argv[4:] or KINDS]
    failed = sum(client.wait() != 0 for client in clients)
    sys.exit(f"{failed} clients failed" if failed else 0)


if __name__ == "__main__":
    main()
