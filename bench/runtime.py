"""Asks a .NET process for a full garbage collection, through its diagnostic socket, so that memory can be compared."""

import glob
import os
import socket
import struct

COLLECT_HEAP = 0x800000  # keyword GCHeapCollect of the runtime's event provider: enabling it collects all generations
EVENT_PIPE, START, STOP = 2, 2, 1


def _text(value):
    return struct.pack('<I', len(value) + 1) + (value + '\0').encode('utf-16-le')


def _ask(path, command, payload):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(path)
    connection.sendall(struct.pack('<14sHBBH', b'DOTNET_IPC_V1\0', 20 + len(payload), EVENT_PIPE, command, 0) + payload)
    return connection


def _answer(connection):
    header = connection.recv(20, socket.MSG_WAITALL)
    if header[16:18] != b'\xff\0':
        raise RuntimeError(f'the runtime refused: {header.hex()}')
    return struct.unpack('<Q', connection.recv(8, socket.MSG_WAITALL))[0]


def collect(pid):
    """Returns when the collection is over: the events end after it."""
    # older ones are dead namesakes'
    path = max(glob.glob(f'/tmp/dotnet-diagnostic-{pid}-*-socket'), key=os.path.getmtime)
    provider = struct.pack('<QI', COLLECT_HEAP, 4) + _text('Microsoft-Windows-DotNETRuntime') + _text('')
    with _ask(path, START, struct.pack('<III', 1, 1, 1) + provider) as events:
        session = _answer(events)
        with _ask(path, STOP, struct.pack('<Q', session)) as stop:
            while events.recv(65536):  # or the runtime does not get to the end of them
                pass
            _answer(stop)
