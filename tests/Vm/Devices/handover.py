#!/usr/bin/python3
"""handover.py SCENE PROGRAM FOLDER SECONDS: uses character devices while their daemon is killed and started again.

A stand-in for systemd (tests/Integration/clients/keeper.py) keeps the daemon's descriptors. Each scene fails with what
is wrong, and prints what it counted:
kill, handover: openers with a key, a policy session, an unread response, a read that waits and an epoll go on over
                SIGKILL, or over SIGUSR2
load:           many clients go on while the daemon is killed at random moments
unconfigured:   the next daemon's configuration has no device
damaged:        the next daemon cannot read the records
dropped:        three daemons in a row end while they take over, and the next one drops the records
"""
import errno
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

CLIENTS = Path(__file__).parents[2] / "Integration" / "clients"
sys.path.insert(0, str(CLIENTS))

import survivors  # noqa: E402
from states import LONG  # noqa: E402

DEVICE, RAW = "/dev/tpmrmfs0", "/dev/tpmfs/raw0"
CONFIGURED = '{ "devices": { "tpmrmfs0": "rm0", "tpmfs/raw0": "raw0" } }'
LIMIT = 300  # seconds; an emulated CPU starts .NET


def check(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got!r}, and not {wanted!r}")


def wait(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"no {what} within {LIMIT} s")
        time.sleep(0.02)


class Service:
    """The daemon, under the stand-in for systemd."""

    def __init__(self, program, folder):
        self.folder = folder
        self.config = folder / "config"
        self.config.write_text(CONFIGURED)
        self.mount = folder / "mnt"
        self.mount.mkdir()
        self.counts = {"started": 0, "ready": 0, "ended": 0, "stopped": 0}
        self.log = open(folder / "log", "wb")
        self.keeper = subprocess.Popen(
            [sys.executable, CLIENTS / "keeper.py", folder / "notify", program, "mount", self.mount, "--tpm",
             f"embedded:{folder}/tpm", "--state-dir", folder / "state", "--config", self.config],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        threading.Thread(target=self.hear, daemon=True).start()
        self.await_count("ready", 1)

    def hear(self):
        for line in self.keeper.stdout:
            word = line.split()[0]
            if word in self.counts:
                self.counts[word] += 1

    def tell(self, order):
        self.keeper.stdin.write(order + "\n")
        self.keeper.stdin.flush()

    def await_count(self, word, count):
        wait(lambda: self.counts[word] >= count or self.keeper.poll() is not None, f"{word} number {count}")

    def replace(self, order):
        ready = self.counts["ready"]
        self.tell(order)
        self.await_count("ready", ready + 1)

    def damage(self):
        """Overwrites the records of the doors, which the stand-in keeps."""
        for entry in Path(f"/proc/{self.keeper.pid}/fd").iterdir():
            if "tpmfs-doors" in os.readlink(entry):
                with open(entry, "r+b", buffering=0) as memory:
                    memory.write(b"\xa5" * 65536)
                return
        sys.exit("the stand-in keeps no records")

    def lock(self):
        """The file that a daemon locks while it serves the mount; it names the mount point."""
        return next(path for path in Path("/run/tpmfsd").glob("*/mount.lock")
                    if str(self.mount) in path.read_text().splitlines())

    def text(self):
        return (self.folder / "log").read_text()

    def end(self):
        """The service is stopped: the devices go."""
        self.tell("end")
        self.await_count("stopped", 1)
        check("devices after the stop", [path for path in (DEVICE, RAW) if os.path.exists(path)], [])


class Reader(threading.Thread):
    """Reads the response to a command that takes long."""

    def __init__(self, fd):
        super().__init__(daemon=True)
        self.fd = fd
        self.answer = b""
        self.start()

    def run(self):
        self.answer = os.read(self.fd, 4096)


def random_bytes(count):
    return survivors.command(0x17B, struct.pack(">H", count))


def code(answer):
    return struct.unpack(">HII", answer[:10])[2] if len(answer) >= 10 else None


def errno_of(action):
    try:
        return f"no error, {action()!r}"
    except OSError as problem:
        return errno.errorcode[problem.errno]


def openers_go_on(service, order):
    before = os.stat(DEVICE)
    for _ in range(2):
        key = survivors.Client(DEVICE, "block")
        handle = survivors.make_key(key)
        name = survivors.name_of(key, handle)
        policy = survivors.Client(DEVICE, "block")
        session = survivors.start_policy(policy)
        policy.do(0x16B, struct.pack(">I", session))
        digest = policy.do(0x189, struct.pack(">I", session))
        unread = os.open(DEVICE, os.O_RDWR)
        os.write(unread, random_bytes(20))
        select.select([unread], [], [])
        part = os.read(unread, 10)
        edge = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
        edges = select.epoll()
        edges.register(edge, select.EPOLLIN | select.EPOLLET)
        waiting = os.open(DEVICE, os.O_RDWR)
        os.write(waiting, LONG)
        reader = Reader(waiting)
        os.write(edge, LONG)

        service.replace(order)

        check("the key's name", survivors.name_of(key, handle), name)
        check("the policy's digest", policy.do(0x189, struct.pack(">I", session)), digest)
        check("the unread response's length", len(os.read(unread, 4096)) + len(part), 32)
        reader.join(LIMIT)
        check("the waiting read's response", code(reader.answer), 0)
        answer = b""
        while not answer:  # an edge may come for nothing
            check("what epoll says", [event for _, event in edges.poll(LIMIT)], [select.EPOLLIN])
            try:
                answer = os.read(edge, 4096)
            except BlockingIOError:
                pass
        check("the response after an edge", code(answer), 0)
        for fd in key.fd, policy.fd, unread, edge, waiting:
            os.close(fd)
    after = os.stat(DEVICE)
    check("number, mode and owner", (after.st_rdev, after.st_ino, after.st_mode, after.st_uid, after.st_gid),
          (before.st_rdev, before.st_ino, before.st_mode, before.st_uid, before.st_gid))
    wait(lambda: (service.mount / "stat").read_text().startswith("openers 0\nobjects 0\nsessions 0\n"), "empty TPM")


def load(service, seconds):
    links = service.folder / "links"
    links.mkdir()
    (links / "rm0").symlink_to(DEVICE)
    (links / "raw0").symlink_to(RAW)
    number = os.stat(DEVICE).st_rdev
    kinds = ["hash-block", "hash-edge", "policy-block", "policy-poll", "saved-edge", "sequence-block", "keys-edge",
             "kept-block", "reopen", "pieces", "raw"]
    clients = subprocess.Popen([sys.executable, CLIENTS / "survivors.py", links, str(seconds), "1", *kinds],
                               stdout=subprocess.PIPE, text=True)
    while clients.poll() is None:
        ready = service.counts["ready"]
        time.sleep(random.random() * 2)
        service.tell("kill")
        # Some of the next ones are killed before they serve.
        if random.random() < 0.3:
            service.await_count("started", service.counts["ended"] + 1)
            time.sleep(random.random() * 2)
            service.tell("kill")
        service.await_count("ready", ready + 1)
    check("clients that failed", clients.returncode, 0)
    commands = sum(int(line.split()[2]) for line in clients.stdout)
    check("the device's number", os.stat(DEVICE).st_rdev, number)
    print(f"{service.counts['ended']} kills, {commands} commands of {len(kinds)} clients")


def unconfigured(service):
    fd = os.open(DEVICE, os.O_RDWR)
    os.write(fd, LONG)
    answers = []
    reader = threading.Thread(target=lambda: answers.append(errno_of(lambda: os.read(fd, 4096))), daemon=True)
    reader.start()
    service.tell("hold")
    service.tell("kill")
    service.await_count("ended", 1)
    service.config.write_text("{}")
    service.tell("release")
    service.await_count("ready", 2)
    reader.join(LIMIT)
    check("a read that waited", answers, ["ENODEV"])
    check("a write", errno_of(lambda: os.write(fd, random_bytes(8))), "ENODEV")
    wait(lambda: not os.path.exists(DEVICE), "end of the device's file")
    check("the device while it is open", os.path.exists("/sys/class/cuse/tpmrmfs0"), True)
    os.close(fd)
    wait(lambda: not os.path.exists("/sys/class/cuse/tpmrmfs0"), "end of the device")
    wait(lambda: "its device is not there any more" in service.text(), "word of the opener in the log")


def damaged(service):
    def damage():
        service.damage()
        service.tell("release")

    lose_records(service, damage)


def dropped(service):
    """No daemon can take the mount over while another process holds its lock."""
    def let_daemons_end():
        with open(service.lock()) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            service.tell("release")
            service.await_count("ended", 5)

    lose_records(service, let_daemons_end)
    wait(lambda: "3 daemons ended while they took it over" in service.text(), "word of the three in the log")


def lose_records(service, lose):
    """An opener, and a read that waits, end with an error, and there is a device that works."""
    gone = ("ENODEV", "ENOTCONN", "ECONNABORTED")
    fd, waiting = os.open(DEVICE, os.O_RDWR), os.open(DEVICE, os.O_RDWR)
    os.write(waiting, LONG)
    answers = []
    reader = threading.Thread(
        target=lambda: answers.append(errno_of(lambda: os.read(waiting, 4096))), daemon=True)
    reader.start()
    service.tell("hold")
    service.tell("kill")
    service.await_count("ended", 1)
    lose()
    service.await_count("ready", 2)
    check("a write", errno_of(lambda: os.write(fd, random_bytes(8))) in gone, True)
    reader.join(LIMIT)
    check("a read that waited", len(answers) == 1 and answers[0] in gone, True)
    client = survivors.Client(DEVICE, "block")
    survivors.hash_of(client, b"after")
    client.close()
    word = "what the openers of /dev/tpmrmfs0 have open is not taken over"
    wait(lambda: word in service.text().replace('"', ""), "word of the device in the log")
    os.close(fd)
    os.close(waiting)


def main():
    scene, program, folder, seconds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
    folder.mkdir()
    service = Service(program, folder)
    if scene in ("kill", "handover"):
        openers_go_on(service, "kill" if scene == "kill" else "kill 12")  # SIGUSR2
    elif scene == "load":
        load(service, seconds)
    else:
        {"unconfigured": unconfigured, "damaged": damaged, "dropped": dropped}[scene](service)
    service.end()
    if scene in ("kill", "handover", "load"):
        check("the log", [line for line in service.text().splitlines() if "not taken over" in line], [])
    print("passed")


if __name__ == "__main__":
    try:
        main()
    except SystemExit:
        log = Path(sys.argv[3]) / "log"
        if sys.exc_info()[1].code and log.exists():
            sys.stderr.write(log.read_text()[-8000:])
        raise
