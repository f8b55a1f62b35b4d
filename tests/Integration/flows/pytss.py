"""python3-tpm2-pytss: the objects and sessions of one ESAPI context. Prints nothing that is random."""
import os

from tpm2_pytss import (
    ESAPI, ESYS_TR, TPM2_ALG, TPM2_CAP, TPM2_SE, TPM2B_PUBLIC, TPMA_OBJECT, TPMA_SESSION, TPMT_SIG_SCHEME,
    TPMT_SYM_DEF, TSS2_Exception)

TRANSIENT_FIRST = 0x80000000
OWN_SCHEME = TPMT_SIG_SCHEME(scheme=TPM2_ALG.NULL)
AES_128_CFB = TPMT_SYM_DEF(algorithm=TPM2_ALG.AES)
AES_128_CFB.keyBits.aes = 128
AES_128_CFB.mode.aes = TPM2_ALG.CFB
SIGNING = TPM2B_PUBLIC.parse(
    "ecc:ecdsa-sha256",
    TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.SENSITIVEDATAORIGIN | TPMA_OBJECT.USERWITHAUTH
    | TPMA_OBJECT.SIGN_ENCRYPT)


def objects(tpm):
    _, capability = tpm.get_capability(TPM2_CAP.HANDLES, TRANSIENT_FIRST, 64)
    return len(list(capability.data.handles))


with ESAPI(tcti=os.environ["TPM2TOOLS_TCTI"]) as tpm:
    primary, public, *_ = tpm.create_primary(None, "ecc")
    print("primary", public.publicArea.unique.ecc.x)
    private, public, *_ = tpm.create(primary, None, SIGNING)
    key = tpm.load(primary, private, public)
    session = tpm.start_auth_session(primary, ESYS_TR.NONE, TPM2_SE.HMAC, AES_128_CFB, TPM2_ALG.SHA256)
    tpm.trsess_set_attributes(session, TPMA_SESSION.DECRYPT | TPMA_SESSION.ENCRYPT | TPMA_SESSION.CONTINUESESSION)
    digest, ticket = tpm.hash(b"to be signed", TPM2_ALG.SHA256, ESYS_TR.OWNER, session1=session)
    print("digest", digest)
    signature = tpm.sign(key, digest, OWN_SCHEME, ticket)
    tpm.verify_signature(key, digest, signature, session1=session)
    print("verified")

    saved = tpm.context_save(key)
    tpm.flush_context(key)
    print("objects", objects(tpm))
    key = tpm.context_load(saved)
    tpm.verify_signature(key, digest, tpm.sign(key, digest, OWN_SCHEME, ticket))
    print("verified after a context load, objects", objects(tpm))

    sequence = tpm.hash_sequence_start(None, TPM2_ALG.SHA256)
    tpm.sequence_update(sequence, b"to be")
    digest, _ = tpm.sequence_complete(sequence, b" signed")
    print("digest of a sequence", digest)

    tpm.flush_context(session)
    tpm.flush_context(key)
    tpm.flush_context(primary)
    print("objects", objects(tpm))
    try:
        tpm.read_public(key)
        print("a key that was flushed can be read")
    except TSS2_Exception as error:
        print("a key that was flushed is gone:", error)
