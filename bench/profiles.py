"""How long a hardware TPM takes for each command, for the proxy to imitate.

Published: the output of wolfTPM's bench program in its README (https://github.com/wolfSSL/wolfTPM, "TPM2
Benchmarks"), run on each chip over SPI from the same computer. It gives ECDSA P-256 signatures; hash updates of 1
KiB; and random bytes per second, which that program asks for 32 at a time (MAX_RNG_REQ_SIZE).

Assumed: no published figures were found for the commands of a swap (ContextLoad, ContextSave, FlushContext) or for
the other short ones. Commands on such chips take 5 to 40 ms; the values here are at the lower end, which favours
managers that swap more.
"""

import tpm

ASSUMED = {'ContextLoad': 15, 'ContextSave': 15, 'FlushContext': 5, 'HMAC': 15, 'ReadPublic': 10,
           'StartAuthSession': 10,
           'PolicyGetDigest': 5, 'HashSequenceStart': 5, 'SequenceComplete': 10}
ASSUMED_OTHERS = 10


class Profile:
    """Milliseconds; 'published' and where from."""

    def __init__(self, name, sign, update_per_second, random_per_second):
        self.name = name
        self.published = {'Sign': sign, 'SequenceUpdate': 1000 / update_per_second,
                          'GetRandom': 32 * 1000 / (random_per_second * 1024)}

    def microseconds(self):
        """By command code; 0 for all others."""
        both = ASSUMED | self.published
        return {0: ASSUMED_OTHERS * 1000} | {tpm.CODES[name]: round(milliseconds * 1000)
                                             for name, milliseconds in both.items()}

    def source(self):
        published = ', '.join(f'{name} {value:.1f}' for name, value in self.published.items())
        assumed = ', '.join(f'{name} {value}' for name, value in ASSUMED.items())
        return f'ms a command. From the README of wolfTPM: {published}. Assumed: {assumed}, others {ASSUMED_OTHERS}.'


PROFILES = {profile.name: profile for profile in (
    Profile('infineon-slb9670', 68.865, 136.763, 14.033),
    Profile('st33tp', 42.338, 82.467, 13.763),
    Profile('nuvoton-npct750', 56.399, 120.551, 14.368),
)}
