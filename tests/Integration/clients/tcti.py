"""Operations of the agent on a TCTI, through libtss2-tctildr: what programs that use the TSS do.

A context is named by the descriptor that it has for poll(2). An operation's outcome is the TSS's code.
"""
import ctypes
import errno
import functools
import os
import select
import socket
import struct


class PollHandle(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


SIZE = ctypes.POINTER(ctypes.c_size_t)


class Context(ctypes.Structure):
    """TSS2_TCTI_CONTEXT_COMMON_V1 of tss2_tcti.h."""


Context._fields_ = [
    ("magic", ctypes.c_uint64), ("version", ctypes.c_uint32),
    ("transmit", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.POINTER(Context), ctypes.c_size_t, ctypes.c_char_p)),
    ("receive", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.POINTER(Context), SIZE, ctypes.c_char_p, ctypes.c_int32)),
    ("finalize", ctypes.CFUNCTYPE(None, ctypes.POINTER(Context))),
    ("cancel", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.POINTER(Context))),
    ("handles", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.POINTER(Context), ctypes.POINTER(PollHandle), SIZE)),
    ("locality", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.POINTER(Context), ctypes.c_uint8)),
]


@functools.cache
def loader():
    return ctypes.CDLL("libtss2-tctildr.so.0")


def tcti_open(conf):
    context = ctypes.POINTER(Context)()
    code = loader().Tss2_TctiLdr_Initialize(conf.encode(), ctypes.byref(context))
    if code:
        raise OSError(errno.ECONNREFUSED, hex(code))
    handle, count = PollHandle(), ctypes.c_size_t(1)
    if context.contents.handles(context, ctypes.byref(handle), ctypes.byref(count)):
        raise OSError(errno.EOPNOTSUPP, "no poll handle")
    os.set_blocking(handle.fd, True)  # for the agent's own reads and writes
    contexts[handle.fd] = context
    return handle.fd


def tcti_transmit(fd, command):
    data = bytes.fromhex(command)
    return contexts[int(fd)].contents.transmit(contexts[int(fd)], len(data), data)


def tcti_receive(fd, timeout):
    size = ctypes.c_size_t(8192)
    buffer = ctypes.create_string_buffer(size.value)
    context = contexts[int(fd)]
    code = context.contents.receive(context, ctypes.byref(size), buffer, int(timeout))
    return code or buffer.raw[:size.value]


def tcti_close(fd):
    loader().Tss2_TctiLdr_Finalize(ctypes.byref(contexts.pop(int(fd))))
    return 0


def tcti_churn(conf, times):
    """Makes a connection, sends a command, reads the response, closes it: so many times. Counts what went wrong."""
    wrong = 0
    for _ in range(int(times)):
        fd = tcti_open(conf)
        if tcti_transmit(fd, "80010000000c0000017b0008") or not isinstance(tcti_receive(fd, -1), bytes):
            wrong += 1
        tcti_close(fd)
    return wrong


def tcti_flood(fd, command):
    """Sends a command again and again without reading, until the socket takes no more; how many went out whole."""
    data = bytes.fromhex(command)
    count = 0
    while True:
        ready = select.select([], [int(fd)], [], 1)[1]
        if not ready:
            return count
        try:
            sent = socket_of(fd).send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        while sent < len(data):
            sent += socket_of(fd).send(data[sent:])
        count += 1


def tcti_drain(fd, count, size):
    """Reads so many responses of one size; how many of them were successes."""
    good = 0
    for _ in range(int(count)):
        response = socket_of(fd).recv(int(size), socket.MSG_WAITALL)
        good += len(response) == int(size) and response[6:10] == bytes(4)
    return good


def send_lingering(fd):
    """Sends a byte, and with it the last descriptor of a file that takes two minutes to be dropped."""
    listener = socket.create_server(("127.0.0.1", 0))
    slow = socket.create_connection(listener.getsockname())
    lingering.append(listener.accept()[0])
    slow.setblocking(False)
    try:
        while True:
            slow.send(bytes(65536))
    except BlockingIOError:
        pass
    with slow:
        sent = socket.send_fds(socket_of(fd), [b"\x80"], [slow.fileno()])
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 120))
    return sent


@functools.cache
def socket_of(fd):
    return socket.socket(fileno=os.dup(int(fd)))


contexts = {}
lingering = []
operations = {
    "tcti_open": tcti_open,
    "tcti_transmit": tcti_transmit,
    "tcti_receive": tcti_receive,
    "tcti_cancel": lambda fd: contexts[int(fd)].contents.cancel(contexts[int(fd)]),
    "tcti_locality": lambda fd, locality: contexts[int(fd)].contents.locality(contexts[int(fd)], int(locality)),
    "tcti_close": tcti_close,
    "tcti_churn": tcti_churn,
    "tcti_flood": tcti_flood,
    "tcti_drain": tcti_drain,
    "send_lingering": send_lingering,
    "shut_write": lambda fd: socket_of(fd).shutdown(socket.SHUT_WR) or 0,
}
