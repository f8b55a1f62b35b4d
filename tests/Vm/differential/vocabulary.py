"""The commands of a client's actions: the words of an action to bytes, and a response to text that is the same on
two TPMs with the same seeds.

A handle is a name that an earlier command gave it, or a number. COMMANDS has, for each word, what makes the bytes
and what makes the text.
"""
import hashlib
import struct

import tpm

TRANSIENT, LOADED, SAVED, PERSISTENT = 0x80000000, 0x02000000, 0x03000000, 0x81000000
RANGES = {"transient": TRANSIENT, "loaded": LOADED, "saved": SAVED, "persistent": PERSISTENT}
KINDS = {"hmac": 0x00, "policy": 0x01, "trial": 0x03}
SESSION_TYPES = (0x02, 0x03)
CAP_HANDLES, CAP_PROPERTIES = 1, 6
AUDIT = 0x80
EXTERNAL_KEY = 1 << 18 | 1 << 10 | 1 << 6  # sign | noDA | userWithAuth
RESPONSE_HEADER = 10


def load(side, name, secret="1"):
    """An HMAC key with a secret that both TPMs are given, in the hierarchy of nobody."""
    seed = bytes(32)
    sensitive = struct.pack(">H", tpm.KEYEDHASH) + tpm.sized(b"") + tpm.sized(seed) + tpm.sized(secret.encode())
    public = struct.pack(">HHIHHH", tpm.KEYEDHASH, tpm.SHA256, EXTERNAL_KEY, 0, tpm.HMAC_ALG, tpm.SHA256)
    unique = hashlib.sha256(seed + secret.encode()).digest()  # part 1, 27.5.3.2
    return tpm.command("LoadExternal",
                       parameters=tpm.sized(sensitive) + tpm.sized(public + tpm.sized(unique))
                       + struct.pack(">I", tpm.NULL))


def session(side, name, kind="hmac"):
    return tpm.start_session(KINDS[kind])


def auth(side, words):
    """What stands after the handles: 'with SESSION', 'ending SESSION' (continueSession clear), or a password."""
    if not words:
        return tpm.PASSWORD, tpm.CONTINUE
    return side.handle(words[1]), tpm.CONTINUE if words[0] == "with" else 0


def authorized(side, name, handle, parameters, words):
    session_handle, attributes = auth(side, words)
    return tpm.command(name, [side.handle(handle)], parameters, session_handle, attributes)


def hmac(side, key, *words):
    return authorized(side, "HMAC", key, tpm.sized(b"message") + struct.pack(">H", tpm.SHA256), words)


def update(side, sequence, *words):
    return authorized(side, "SequenceUpdate", sequence, tpm.sized(b"data"), words)


def complete(side, sequence, *words):
    return authorized(side, "SequenceComplete", sequence, tpm.sized(b"") + struct.pack(">I", tpm.NULL), words)


def certify(side, key):
    """Of a key by itself: two handles, two passwords."""
    both = [side.handle(key), side.handle(key)]
    parameters = tpm.sized(b"") + struct.pack(">H", tpm.ALG_NULL)
    return tpm.command("Certify", both, parameters, attributes=0, sessions=[tpm.PASSWORD, tpm.PASSWORD])


def audited(side, what, session):
    """Returns a command with a session that audits it, whose response nobody may change."""
    name, parameters = {
        "random": ("GetRandom", struct.pack(">H", 8)),
        "handles": ("GetCapability", capability(CAP_HANDLES, TRANSIENT, 100)),
        "properties": ("GetCapability", capability(CAP_PROPERTIES, 0x10e, 1)),
    }[what]
    return tpm.command(name, parameters=parameters, session=side.handle(session), attributes=AUDIT | tpm.CONTINUE)


def capability(kind, first, count):
    return struct.pack(">III", kind, first, count)


def handles(side, kind, first=None, count="100"):
    start = side.handle(first) if first else RANGES[kind]
    return tpm.command("GetCapability", parameters=capability(CAP_HANDLES, start, int(count)))


def properties(side, first, count="1"):
    return tpm.command("GetCapability", parameters=capability(CAP_PROPERTIES, int(first, 0), int(count)))


def restore(side, context, name):
    return tpm.context_load(side.context(context))


def parameters_of(response):
    """Without the authorization area of a response that has one."""
    tag, _, _ = struct.unpack_from(">HII", response)
    if tag != 0x8002:
        return response[RESPONSE_HEADER:]
    (size,) = struct.unpack_from(">I", response, RESPONSE_HEADER)
    return response[RESPONSE_HEADER + 4:RESPONSE_HEADER + 4 + size]


def exact(side, words, response):
    return parameters_of(response).hex()


def length(side, words, response):
    return f"{len(response)} bytes"


def handle(side, words, response):
    """The first word is the name that the new handle gets; the rest of the response is random."""
    side.give(words[0], struct.unpack_from(">I", response, RESPONSE_HEADER)[0])
    return f"{words[0]}, {len(response)} bytes"


def restored(side, words, response):
    side.give(words[1], struct.unpack_from(">I", response, RESPONSE_HEADER)[0])
    return f"{words[1]}, {len(response)} bytes"


def saved(side, words, response):
    """TPMS_CONTEXT: the sequence is a counter of the TPM's, savedHandle says what it is, and the blob is random."""
    side.contexts[words[1]] = response[RESPONSE_HEADER:]
    _, what, hierarchy = struct.unpack_from(">QII", response, RESPONSE_HEADER)
    return f"{side.name_of(what) if what >> 24 in SESSION_TYPES else hex(what)} {hierarchy:#x}, {len(response)} bytes"


def handle_list(side, words, response):
    more, _, count = struct.unpack_from(">BII", response, RESPONSE_HEADER)
    found = struct.unpack_from(f">{count}I", response, RESPONSE_HEADER + 9)
    return ("more " if more else "") + "[" + " ".join(sorted(side.name_of(one) for one in found)) + "]"


def property_list(side, words, response):
    more, _, count = struct.unpack_from(">BII", response, RESPONSE_HEADER)
    pairs = struct.iter_unpack(">II", response[RESPONSE_HEADER + 9:RESPONSE_HEADER + 9 + 8 * count])
    return ("more " if more else "") + " ".join(f"{name:#x}={value:#x}" for name, value in pairs)


def plain(name, *parameters):
    return lambda side: tpm.command(name, parameters=b"".join(parameters))


def on_handle(name, *parameters):
    return lambda side, what: tpm.command(name, [side.handle(what)], b"".join(parameters))


COMMANDS = {
    "random": (lambda side, count="8": tpm.get_random(int(count)), length),
    "hash": (plain("Hash", tpm.sized(b"data"), struct.pack(">HI", tpm.SHA256, tpm.NULL)), exact),
    "selftest": (plain("SelfTest", b"\0"), exact),
    "startup": (plain("Startup", b"\0\0"), exact),
    "testresult": (plain("GetTestResult"), exact),
    "pcr": (plain("PCR_Read", bytes.fromhex("00000001000b03010000")), exact),
    "load": (load, handle),
    "create": (lambda side, name: tpm.create_ecc_key(), handle),
    "hmac": (hmac, exact),
    "sign": (lambda side, key, *words: authorized(
        side, "Sign", key, tpm.sized(bytes(32)) + struct.pack(">HHIH", tpm.ALG_NULL, 0x8024, tpm.NULL, 0), words),
        length),
    "public": (lambda side, what: tpm.read_public(side.handle(what)), exact),
    "flush": (lambda side, what: tpm.flush(side.handle(what)), exact),
    "certify": (certify, length),
    "audited": (audited, length),
    "shutdown": (plain("Shutdown", b"\0\0"), exact),
    "save": (lambda side, what, context: tpm.context_save(side.handle(what)), saved),
    "restore": (restore, restored),
    "session": (session, handle),
    "digest": (on_handle("PolicyGetDigest"), exact),
    "policy": (on_handle("PolicyCommandCode", struct.pack(">I", tpm.CODES["HMAC"])), exact),
    "restart": (on_handle("PolicyRestart"), exact),
    "sequence": (lambda side, name: tpm.hash_start(), handle),
    "update": (update, exact),
    "complete": (complete, exact),
    "handles": (handles, handle_list),
    "properties": (properties, property_list),
    "bytes": (lambda side, hex_digits: bytes.fromhex(hex_digits), length),
}


def to_bytes(side, words):
    return COMMANDS[words[0]][0](side, *words[1:])


def to_text(side, words, response):
    """What a response says. A code other than 0 is all that it says."""
    if len(response) < RESPONSE_HEADER:
        return f"{len(response)} bytes"
    tag, size, code = struct.unpack_from(">HII", response)
    if size != len(response):
        return f"{len(response)} bytes"
    return f"0x{code:08X}" if code else f"ok {COMMANDS[words[0]][1](side, words[1:], response)}".rstrip()
