"""hammer.py NODE SECONDS: makes, checks and flushes objects and sessions through a node, which must always be exactly
its own."""
import os
import random
import struct
import sys
import time

NULL_HIERARCHY, OWNER, PASSWORD = 0x40000007, 0x40000001, 0x40000009
TRANSIENT_FIRST, LOADED_SESSIONS = 0x80000000, 0x02000000

node, seconds = sys.argv[1], int(sys.argv[2])
raw = "raw" in os.path.basename(node)
fd = os.open(node, os.O_RDWR)


def sized(data):
    return struct.pack(">H", len(data)) + data


def transact(code, handles=(), password=False, parameters=b""):
    body = b"".join(struct.pack(">I", handle) for handle in handles)
    if password:
        body += struct.pack(">IIHBH", 9, PASSWORD, 0, 1, 0)
    body += parameters
    os.write(fd, struct.pack(">HII", 0x8002 if password else 0x8001, 10 + len(body), code) + body)
    response = os.read(fd, 8192)
    tag, size, result = struct.unpack(">HII", response[:10])
    assert size == len(response), (size, len(response))
    return result, response[10:]


def ok(result, what):
    assert result[0] == 0, f"{what}: 0x{result[0]:X}"
    return result[1]


def handle_of(body):
    return struct.unpack(">I", body[:4])[0]


def listed(first):
    body = ok(transact(0x17A, parameters=struct.pack(">III", 1, first, 254)), "GetCapability")
    count = struct.unpack(">I", body[5:9])[0]
    return set(struct.unpack(f">{count}I", body[9:]))


def unique():
    """An HMAC key of its own making, below the null hierarchy."""
    sensitive = sized(struct.pack(">H", 0) + sized(os.urandom(16)))
    public = sized(struct.pack(">HHIHHHH", 0x08, 0x0B, 0x00040440, 0, 0x05, 0x0B, 0))
    return handle_of(ok(transact(0x131, [NULL_HIERARCHY], True, sensitive + public + struct.pack(">HI", 0, 0)),
                        "CreatePrimary"))


def answer(key):
    return ok(transact(0x155, [key], True, sized(b"a text") + struct.pack(">H", 0x10)), "HMAC")


def session():
    return handle_of(ok(transact(0x176, [NULL_HIERARCHY, NULL_HIERARCHY], False,
                                 sized(bytes(16)) + struct.pack(">HBHH", 0, 1, 0x10, 0x0B)), "StartAuthSession"))


keys, sessions = {}, set()
# Raw leaves a slot of each kind to the others.
most = 2
end = time.monotonic() + seconds
while time.monotonic() < end:
    choice = random.random()
    if choice < 0.25 and len(keys) < most:
        key = unique()
        assert key not in keys
        keys[key] = answer(key)
    elif choice < 0.4 and len(sessions) < most:
        sessions.add(session())
    elif choice < 0.6 and keys:
        key = random.choice(list(keys))
        assert answer(key) == keys[key], "another key answered"
    elif choice < 0.7 and sessions:
        ok(transact(0x189, [random.choice(list(sessions))]), "PolicyGetDigest")
    elif choice < 0.8 and keys:
        key, _ = keys.popitem()
        ok(transact(0x165, parameters=struct.pack(">I", key)), "FlushContext")
    elif choice < 0.9 and sessions:
        ok(transact(0x165, parameters=struct.pack(">I", sessions.pop())), "FlushContext")
    else:
        assert listed(TRANSIENT_FIRST) == set(keys), "objects of somebody else, or lost ones"
        assert listed(LOADED_SESSIONS) == sessions, "sessions of somebody else, or lost ones"

if raw:
    for handle in [*keys, *sessions]:
        ok(transact(0x165, parameters=struct.pack(">I", handle)), "FlushContext")
