"""TPM commands and time per client command, workload by workload: straight to swtpm, TpmFs, tpm2-abrmd, and the
kernel's policy computed."""

from operator import truediv
from statistics import median

import tpm
from figures import micro, percentile, ratio_spread, spread, table
from processes import one_cpu

LATE = (0.9, 0.99)
PERCENTILES = (0.5, *LATE)
# loaded objects that swtpm has room for; also what Linux's manager allows an opener, of objects and of sessions
SLOTS = 3


class Workload:
    """
    What a client does again and again.

    prepare(run) makes keys and sessions and returns the steps of a round; 'held' are, for each command of a round,
    the objects and sessions that the opener holds before and after it, which is all that the kernel's policy depends
    on; openers and keys, what the TPM must have room for where nobody manages it.
    """

    def __init__(self, name, prepare, held, openers=1, objects=0, opens=False):
        self.name, self.prepare, self.held = name, prepare, held
        self.openers, self.objects, self.opens = openers, objects, opens
        self.commands = len(held)

    @property
    def fits_bare_tpm(self):
        return self.objects <= SLOTS and self.openers == 1

    def kernel_commands(self):
        """tpm2-space.c loads all that the opener holds before each command, and saves it after (objects are flushed
        besides)."""
        if any(count > SLOTS for each in self.held for count in each):
            return None
        return sum(1 + o + s + 2 * o2 + s2 for o, s, o2, s2 in self.held) / self.commands

    def kernel_seconds(self, own, swap):
        if self.kernel_commands() is None:
            return None
        extra = sum((o + s) * swap['ContextLoad'] + (o2 + s2) * swap['ContextSave'] + o2 * swap['FlushContext']
                    for o, s, o2, s2 in self.held)
        return own + extra / self.commands


class Run:
    """One site's client in one workload."""

    def __init__(self, site, client, kind):
        self.site, self.client, self.kind = site, client, kind
        self._made = []

    def key(self, number=0, create=tpm.create_hmac_key):
        return self._make(number, create())

    def session(self, kind, number=0):
        return self._make(number, tpm.start_session(kind))

    def end(self, starter):
        """A bare TPM keeps what nobody flushes."""
        if self.kind == 'unix':
            for handle in self._made:
                self.client.run(0, tpm.flush(handle))
        starter.stop(self.client)

    def _make(self, number, command):
        handle = self.client.handle(number, command)
        self._made.append(handle)
        return handle


def step(command, number=0, use=''):
    return f'{number}:{command.hex()}{use}'


def _keys(count):
    return lambda run: [step(tpm.hmac(key)) for key in [run.key() for _ in range(count)]]


def _openers(count):
    return lambda run: [step(tpm.hmac(run.key(number)), number) for number in range(count)]


def _held(run):
    for _ in range(3):
        run.key()
        run.session(tpm.POLICY_SESSION)
    return [step(tpm.get_random())]


def _read_public(run):
    return [step(tpm.read_public(key)) for key in [run.key() for _ in range(3)]]


def _sign(run):
    key = run.key(create=tpm.create_ecc_key)
    return [step(tpm.sign(key, run.session(tpm.HMAC_SESSION)))]


def _hash(_):
    return [step(tpm.hash_start(), use='>'), *[step(tpm.sequence_update(), use='<')] * 4,
            step(tpm.sequence_complete(), use='<')]


def _open(run):
    return [run.site.step(1, run.kind), step(tpm.get_random(), 1), '-1']


WORKLOADS = [
    Workload('HMAC, 1 key', _keys(1), [(1, 0, 1, 0)], objects=1),
    Workload('HMAC, 2 keys in turn', _keys(2), [(2, 0, 2, 0)] * 2, objects=2),
    Workload('HMAC, 3 keys in turn', _keys(3), [(3, 0, 3, 0)] * 3, objects=3),
    Workload('HMAC, 6 keys in turn', _keys(6), [(6, 0, 6, 0)] * 6, objects=6),
    Workload('HMAC, 4 openers with a key each, in turn', _openers(4), [(1, 0, 1, 0)] * 4, openers=4, objects=4),
    Workload('GetRandom, 3 keys and 3 sessions held', _held, [(3, 3, 3, 3)], objects=3),
    Workload('ReadPublic, 3 keys in turn', _read_public, [(3, 0, 3, 0)] * 3, objects=3),
    Workload('PolicyGetDigest, 1 policy session',
             lambda run: [step(tpm.policy_get_digest(run.session(tpm.POLICY_SESSION)))], [(0, 1, 0, 1)]),
    Workload('ECC Sign with an HMAC session', _sign, [(1, 1, 1, 1)], objects=1),
    Workload('hash sequence: start, 4 updates, complete', _hash, [(0, 0, 1, 0), *[(1, 0, 1, 0)] * 4, (1, 0, 0, 0)],
             objects=1),
    Workload('GetRandom', lambda _: [step(tpm.get_random())], [(0, 0, 0, 0)]),
    Workload('open, GetRandom, close', _open, [(0, 0, 0, 0)], opens=True),
]


def swap_seconds(site, client):
    """How long the commands of a swap take, straight to the TPM."""
    number = 9
    site.open(client, number, 'unix')
    key = client.handle(number, tpm.create_hmac_key())
    context = client.run(number, tpm.context_save(key))[10:]
    client.run(number, tpm.flush(key))
    commands = {'ContextLoad': tpm.context_load(context), 'ContextSave': tpm.context_save(key),
                'FlushContext': tpm.flush(key)}
    seconds = {name: [] for name in commands}
    for _ in range(20):  # the only object that is loaded gets the same handle each time
        for name, command in commands.items():
            seconds[name] += client.loop(1, step(command, number))
    client.ask(f'close {number}')
    return {name: median(samples) for name, samples in seconds.items()}


class Measured:
    """What one site showed in one workload."""

    def __init__(self):
        self.commands = []
        self.percentiles = {share: [] for share in PERCENTILES}  # of each block, in seconds
        self.codes = {}

    @property
    def seconds(self):
        return self.percentiles[0.5]

    @property
    def per_command(self):
        return median(self.commands) if self.commands else None


def _kind(site, workload):
    """tpm2-abrmd has no file; the TCTI of a device sends a GetRandom of its own at each open."""
    if 'unix' in site.targets:
        return 'unix'
    return 'file' if workload.opens and 'file' in site.targets else 'tcti'


def measure(sites, starter, workload, blocks, rounds):
    runs, measured = [], {}
    for site in sites:
        if site.name == 'straight to swtpm' and not workload.fits_bare_tpm:
            continue
        run = Run(site, starter.client(), _kind(site, workload))
        run.client.pin(one_cpu())
        for number in range(0 if workload.opens else workload.openers):
            site.open(run.client, number, run.kind)
        measured[site.name] = Measured()
        runs.append((run, workload.prepare(run), measured[site.name]))
    for block in range(-1, blocks):  # the first one warms up: every key has been evicted once after it
        for run, steps, result in runs:
            run.client.loop(2, *steps)
            if run.site.proxy:
                run.site.proxy.ask('reset')
            seconds = run.client.loop(rounds, *steps)
            if block >= 0:
                for share in PERCENTILES:
                    result.percentiles[share].append(percentile(seconds, share) / workload.commands)
                if run.site.proxy:
                    result.codes = run.site.proxy.counts()
                    result.commands.append(sum(result.codes.values()) / rounds / workload.commands)
    for run, _, _ in runs:
        run.end(starter)
    return measured


def _sites(starter, counted):
    name = 'counted-' if counted else ''
    sites = [starter.direct(counted, f'{name}direct'), starter.tpmfs(counted, f'{name}tpmfs'),
             starter.abrmd(counted, f'{name}abrmd')]
    for site in sites:
        site.pin(one_cpu())
    return sites


def run(starter, quick, profile=None):
    """All workloads; a profile makes each command last as long as on that TPM. Without one nothing that counts stands
    in the way of what is timed."""
    counted = _sites(starter, True)
    timed = counted if profile else _sites(starter, False)
    blocks, rounds = (3, 4) if profile else (3, 100) if quick else (10, 300)
    for site in counted if profile else []:
        site.proxy.delay(profile.microseconds())
    prober = starter.client()
    prober.pin(one_cpu())
    swap = swap_seconds(timed[0], prober)
    starter.stop(prober)
    results = []
    for workload in WORKLOADS:
        counts = measure(counted, starter, workload, *((1, 30) if timed is not counted else (blocks, rounds)))
        measured = measure(timed, starter, workload, blocks, rounds) if timed is not counted else counts
        bare = measured.get('straight to swtpm')
        own = median(bare.seconds) if bare else median(results[0]['seconds']['straight to swtpm'])
        results.append({
            'workload': workload.name,
            'tpm_commands': {name: result.per_command for name, result in counts.items()}
            | {'kernel (computed)': workload.kernel_commands()},
            'seconds': {name: result.seconds for name, result in measured.items()}
            | {'kernel (computed)': workload.kernel_seconds(own, swap)},
            'late_seconds': {name: [result.percentiles[share] for share in LATE] for name, result in measured.items()},
            'codes': {name: {tpm.NAMES.get(code, hex(code)): count for code, count in result.codes.items()}
                      for name, result in counts.items()},
        })
    return {'profile': profile.name if profile else None, 'blocks': blocks, 'rounds': rounds, 'swap_seconds': swap,
            'rows': results}


COLUMNS = ['straight to swtpm', 'TpmFs', 'tpm2-abrmd', 'kernel (computed)']


def report(result):
    def count(row, name):
        value = row['tpm_commands'].get(name)
        return '-' if value is None else f'{value:.2f}'

    def time(row, name):
        value = row['seconds'].get(name)
        return spread(value) if isinstance(value, list) else micro(value)

    def parts(row):
        own, other = row['seconds']['TpmFs'], row['seconds']['tpm2-abrmd']
        late = [f'{median(map(truediv, *of_both)):.2f}'
                for of_both in zip(row['late_seconds']['TpmFs'], row['late_seconds']['tpm2-abrmd'])]
        bare = row['seconds'].get('straight to swtpm')
        ratios = [(ours - tpm) / (theirs - tpm) for ours, theirs, tpm in zip(own, other, bare)] if bare else []
        managers = f'{median(ratios):.2f}' if ratios else '-'
        return [ratio_spread(list(map(truediv, own, other))), *late, managers]

    under = f" with the latencies of {result['profile']}" if result['profile'] else ''
    head = ['workload', *COLUMNS]
    counts = table('TPM commands per client command', head,
                   [[row['workload'], *[count(row, name) for name in COLUMNS]] for row in result['rows']])
    return ('' if result['profile'] else counts) + table(
        'Time per client command' + under + ', all on one CPU, µs: median of the blocks (lowest–highest)',
        [*head, 'TpmFs / tpm2-abrmd', 'at p90', 'at p99', 'of both without the TPM\'s time'],
        [[row['workload'], *[time(row, name) for name in COLUMNS], *parts(row)] for row in result['rows']])
