"""Stands in for systemd as a service's manager: keeps descriptors for it and starts it again when it is killed.

usage: keeper.py SOCKET PROGRAM ARGUMENT...

It speaks what sd_notify(3) and sd_listen_fds(3) say: the service gets NOTIFY_SOCKET=SOCKET, and what it stores with
FDSTORE=1 comes back to its next process by LISTEN_FDS and LISTEN_FDNAMES, in random order.

Standard input, a line each: "kill" sends SIGKILL, "kill SIGNAL" another signal, "end" SIGTERM and no new start, "hold"
keeps the next start back until "release", "forget NAME" closes what is kept under a name, "format NAME NUMBER" changes
the format of a mirror (its bytes 12 to 15), "limit BYTES" is the longest file of the processes that are started from
then on (RLIMIT_FSIZE; none with "limit -1").
Standard output, a line each: "started PID", "ready PID", "ended PID STATUS", "stored NAME", "kept NAME...", and
"stopped" at the end.
"""
import array
import os
import random
import resource
import select
import signal
import socket
import sys

FIRST = 3  # SD_LISTEN_FDS_START


class Service:
    def __init__(self, path, command):
        self.command = command
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.kept = []  # of (name, descriptor)
        self.pid = 0
        self.pidfd = -1
        self.is_ending = False
        self.is_held = False
        self.longest_file = resource.RLIM_INFINITY

    def start(self):
        kept = random.sample(self.kept, len(self.kept))
        # Out of the way of the numbers that the service gets.
        high = [os.dup2(descriptor, FIRST + 1000 + i) for i, (_, descriptor) in enumerate(kept)]
        pid = os.fork()
        if pid == 0:
            for i, descriptor in enumerate(high):
                os.dup2(descriptor, FIRST + i, inheritable=True)
            environment = dict(os.environ, NOTIFY_SOCKET=self.path)
            if kept:
                environment.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)),
                                   LISTEN_FDNAMES=":".join(name for name, _ in kept))
            os.closerange(FIRST + len(kept), FIRST + 3000)
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(2, 1)
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which Python ignores
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.longest_file, resource.RLIM_INFINITY))
            os.execve(self.command[0], self.command, environment)
        for descriptor in high:
            os.close(descriptor)
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        say("started", pid)

    def receive(self):
        data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(4 * 16))
        descriptors = array.array("i")
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(content[:len(content) - len(content) % descriptors.itemsize])
        lines = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
        name = lines.get("FDNAME", "stored")
        if lines.get("FDSTOREREMOVE") == "1":
            self.forget(name)
        if lines.get("FDSTORE") == "1":
            if lines.get("FDPOLL") != "0":
                say("polled", name)  # the manager would wake up for each request
            self.kept += [(name, descriptor) for descriptor in descriptors]
            say("stored", name)
        if lines.get("READY") == "1":
            say("ready", self.pid)
            say("kept", *sorted(name for name, _ in self.kept))

    def forget(self, name):
        for kept in [kept for kept in self.kept if kept[0] == name]:
            os.close(kept[1])
            self.kept.remove(kept)

    def reap(self):
        # What was sent before the end is still there.
        while select.select([self.socket], [], [], 0)[0]:
            self.receive()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.pidfd = -1
        say("ended", self.pid, status)

    def obey(self, line):
        words = line.split()
        if words[0] == "kill" and self.pidfd >= 0:
            signal.pidfd_send_signal(self.pidfd, int(words[1]) if len(words) > 1 else signal.SIGKILL)
        elif words[0] == "end":
            is_first, self.is_ending = not self.is_ending, True
            if is_first and self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
        elif words[0] == "hold":
            self.is_held = True
        elif words[0] == "release":
            self.is_held = False
        elif words[0] == "forget":
            self.forget(words[1])
        elif words[0] == "format":
            for descriptor in [descriptor for name, descriptor in self.kept if name == words[1]]:
                os.pwrite(descriptor, int(words[2]).to_bytes(4, sys.byteorder), 12)
        elif words[0] == "limit":
            self.longest_file = int(words[1])

    def run(self):
        self.start()
        buffer = b""
        is_open = True
        while not self.is_ending or self.pidfd >= 0:
            sources = [self.socket] + ([0] if is_open else []) + ([self.pidfd] if self.pidfd >= 0 else [])
            ready, _, _ = select.select(sources, [], [])
            if self.socket in ready:
                self.receive()
            if 0 in ready:
                data = os.read(0, 4096)
                is_open = bool(data)
                buffer += data or b"end\n"
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self.obey(line.decode())
            if self.pidfd >= 0 and self.pidfd in ready:
                self.reap()
            if self.pidfd < 0 and not self.is_ending and not self.is_held:
                self.start()
        say("stopped")


def say(*words):
    print(*words, flush=True)


if __name__ == "__main__":
    Service(sys.argv[1], sys.argv[2:]).run()
