"""Floods TpmFs's name on a message bus: busflood.py SOCKET CONNECTIONS MESSAGES FILES KIND.

Makes so many connections to the bus, and sends messages with so many descriptors each. By the kind:
calls     calls CreateConnection, and keeps so many calls of each connection unanswered. Closes what it is given at once
unasked   makes calls that want no answer, so many at a time
signals   sends signals, so many at a time
leaving   makes so many calls by each connection, closes it as soon as the bus answers anything, and makes another one
Prints a line once all connections are made, and lives until its input ends.
"""
import errno
import os
import select
import socket
import struct
import sys

path = sys.argv[1]
connections, calls, files = (int(number) for number in sys.argv[2:5])
kind = sys.argv[5]
is_answered = kind in ("calls", "leaving")
passed = [sys.stdout.fileno()] * files
CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED = 1


def text(value):
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def padded(data, to):
    return data + b"\0" * (-len(data) % to)


def call(serial, destination, at, interface, method, descriptors=0, type=CALL, flags=0):
    """A message without arguments: D-Bus specification, "Message Protocol"."""
    fields = b""
    for code, kind, value in ((1, b"o", at), (2, b"s", interface), (3, b"s", method), (6, b"s", destination)):
        fields = padded(fields, 8) + bytes([code, 1]) + kind + b"\0"
        fields = padded(fields, 4) + text(value)
    if descriptors > 0:
        fields = padded(padded(fields, 8) + bytes([9, 1]) + b"u\0", 4) + struct.pack("<I", descriptors)
    return padded(b"l" + bytes([type, flags, 1]) + struct.pack("<III", 0, serial, len(fields)) + fields, 8)


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        for line in (f"\0AUTH EXTERNAL {str(os.getuid()).encode().hex()}", "NEGOTIATE_UNIX_FD"):
            self.socket.sendall(line.encode() + b"\r\n")
            self.socket.recv(1024)
        self.socket.sendall(b"BEGIN\r\n")
        bus = "org.freedesktop.DBus"
        self.socket.sendall(call(1, bus, "/org/freedesktop/DBus", bus, "Hello"))
        self.socket.setblocking(False)
        self.serial, self.unanswered, self.received = 1, 1, b""

    def send(self):
        """Sends as many messages as are missing, as far as the socket takes whole ones."""
        for _ in range(calls - self.unanswered if is_answered else calls):
            message = call(
                self.serial + 1, "com.intel.tss2.Tabrmd", "/com/intel/tss2/Tabrmd/Tcti", "com.intel.tss2.TctiTabrmd",
                "CreateConnection", files, SIGNAL if kind == "signals" else CALL,
                NO_REPLY_EXPECTED if kind == "unasked" else 0)
            try:
                sent = socket.send_fds(self.socket, [message], passed)
                if sent < len(message):
                    self.socket.setblocking(True)
                    self.socket.sendall(message[sent:])
                    self.socket.setblocking(False)
            except OSError as error:
                # The bus ends a connection that has brought it too many descriptors, and the kernel has a limit too.
                # Whoever polls the socket notices the end.
                if error.errno not in (errno.EAGAIN, errno.EPIPE, errno.ECONNRESET, errno.ETOOMANYREFS):
                    raise
                return
            self.serial, self.unanswered = self.serial + 1, self.unanswered + is_answered

    def receive(self):
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 18, 250)
        for descriptor in descriptors:
            os.close(descriptor)
        if not data:
            raise EOFError("the bus has ended the connection")
        self.received += data
        while len(self.received) >= 16:
            body, _, fields = struct.unpack("<III", self.received[4:16])
            length = 16 + fields + -fields % 8 + body
            if len(self.received) < length:
                return
            self.unanswered -= self.received[1] in (RETURN, ERROR)
            self.received = self.received[length:]


def connect():
    client = Client()
    clients[client.socket.fileno()] = client
    poll.register(client.socket, select.POLLIN if is_answered else select.POLLIN | select.POLLOUT)
    client.send()


clients = {}
poll = select.poll()
poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
for _ in range(connections):
    connect()
print("all at work", flush=True)
while True:
    for descriptor, event in poll.poll():
        if descriptor == sys.stdin.fileno():
            sys.exit(0)
        try:
            if event != select.POLLOUT:
                clients[descriptor].receive()
                if kind == "leaving":
                    raise EOFError("this connection has made its calls")
            clients[descriptor].send()
        except (EOFError, ConnectionResetError):
            poll.unregister(descriptor)
            clients.pop(descriptor).socket.close()
            connect()
