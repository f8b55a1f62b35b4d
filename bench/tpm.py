"""The TPM 2.0 commands that the benchmarks send, as bytes (TPM 2.0 specification, part 3; structures of part 2)."""

import struct

CODES = {
    'Certify': 0x148, 'CreatePrimary': 0x131, 'ContextLoad': 0x161, 'ContextSave': 0x162, 'FlushContext': 0x165,
    'HMAC': 0x155, 'Sign': 0x15D, 'SequenceUpdate': 0x15C, 'SequenceComplete': 0x13E, 'HashSequenceStart': 0x186,
    'ReadPublic': 0x173,
    'StartAuthSession': 0x176, 'GetCapability': 0x17A, 'GetRandom': 0x17B, 'PolicyGetDigest': 0x189,
    'SelfTest': 0x143, 'Startup': 0x144, 'Shutdown': 0x145, 'LoadExternal': 0x167, 'PolicyCommandCode': 0x16C,
    'GetTestResult': 0x17C, 'Hash': 0x17D,
    'PCR_Read': 0x17E, 'PolicyRestart': 0x180,
}
NAMES = {code: name for name, code in CODES.items()}

OWNER, NULL, PASSWORD = 0x40000001, 0x40000007, 0x40000009
SHA256, ECDSA, ALG_NULL, KEYEDHASH, HMAC_ALG, ECC, NIST_P256 = 0x000B, 0x0018, 0x0010, 0x0008, 0x0005, 0x0023, 0x0003
POLICY_SESSION, HMAC_SESSION = 0x01, 0x00
CONTINUE = 0x01
# sign | noDA | userWithAuth | sensitiveDataOrigin | fixedParent | fixedTPM
SIGNING_KEY = 1 << 18 | 1 << 10 | 1 << 6 | 1 << 5 | 1 << 4 | 1 << 1


def sized(data):
    return struct.pack('>H', len(data)) + data


def command(name, handles=(), parameters=b'', session=None, attributes=CONTINUE, sessions=None):
    """Returns a command's bytes.

    session authorizes the first handle: PASSWORD (which is empty), or a session without nonce and HMAC; sessions are
    all of several.
    """
    if sessions is None:
        sessions = [] if session is None else [session]
    body = b''.join(struct.pack('>I', handle) for handle in handles)
    if sessions:
        authorizations = b''.join(struct.pack('>IHBH', each, 0, attributes, 0) for each in sessions)
        body += struct.pack('>I', len(authorizations)) + authorizations
    body += parameters
    return struct.pack('>HII', 0x8002 if sessions else 0x8001, 10 + len(body), CODES[name]) + body


def get_random(count=8):
    return command('GetRandom', parameters=struct.pack('>H', count))


def create_hmac_key():
    """A keyedhash key has a new random secret each time."""
    public = struct.pack('>HHIHHH', KEYEDHASH, SHA256, SIGNING_KEY, 0, HMAC_ALG, SHA256)
    return _create_primary(public + sized(b''))


def create_ecc_key():
    scheme = struct.pack('>HHHHH', ALG_NULL, ECDSA, SHA256, NIST_P256, ALG_NULL)
    public = struct.pack('>HHIH', ECC, SHA256, SIGNING_KEY, 0) + scheme
    return _create_primary(public + sized(b'') + sized(b''))


def _create_primary(public):
    """With an empty password, exempt from dictionary-attack protection, which costs a TPM writes to NV."""
    sensitive = sized(b'') + sized(b'')
    return command('CreatePrimary', [OWNER], sized(sensitive) + sized(public) + sized(b'') + struct.pack('>I', 0),
                   PASSWORD)


def hmac(key, session=PASSWORD):
    return command('HMAC', [key], sized(b'message') + struct.pack('>H', SHA256), session)


def sign(key, session=PASSWORD):
    ticket = struct.pack('>HIH', 0x8024, NULL, 0)
    return command('Sign', [key], sized(bytes(32)) + struct.pack('>H', ALG_NULL) + ticket, session)


def start_session(kind):
    parameters = sized(bytes(16)) + sized(b'') + struct.pack('>BHH', kind, ALG_NULL, SHA256)
    return command('StartAuthSession', [NULL, NULL], parameters)


def policy_get_digest(session):
    return command('PolicyGetDigest', [session])


def hash_start():
    return command('HashSequenceStart', parameters=sized(b'') + struct.pack('>H', SHA256))


def sequence_update(handle=0, size=64):
    return command('SequenceUpdate', [handle], sized(bytes(size)), PASSWORD)


def sequence_complete(handle=0):
    return command('SequenceComplete', [handle], sized(b'') + struct.pack('>I', NULL), PASSWORD)


def read_public(handle):
    return command('ReadPublic', [handle])


def context_save(handle):
    return command('ContextSave', [handle])


def context_load(context):
    return command('ContextLoad', parameters=context)


def flush(handle):
    return command('FlushContext', parameters=struct.pack('>I', handle))
