"""A light client beside a flood, on a slow TPM; and how openers, users and domains share it."""

import os
import time

import tpm
from figures import percentile, table

COMMAND = 0.002  # seconds
LIGHT = 16  # openers that take turns, so that there are many samples though each asks for less than its share
FLOOD = 84  # openers; with the light ones as many as tpm2-abrmd allows
# seconds from a light opener's command to its next; its share is one in FLOOD commands of up to three TPM commands each
ROUND = 0.8
OTHER_USER = 65534
START = 0.5  # seconds until every opener of a flood has had several turns: before that all are equal
HEAVY = 300  # the weight of one domain beside another of 100


def _client(starter, site, other):
    """Where the site has users: tpm2-abrmd does not tell them apart."""
    if not other:
        return starter.client()
    return starter.client(OTHER_USER, os.stat(site.targets['file']).st_gid)


def _flooding(starter, site, way, other, openers, with_objects):
    client = _client(starter, site, other)
    commands = {}
    for number in range(openers):
        site.open(client, number, way)
        commands[number] = tpm.hmac(client.handle(number, tpm.create_hmac_key())) if with_objects else tpm.get_random()
    return client, commands


def _light(starter, site, way, flood, seconds):
    """Seconds of each command of clients that ask for less than their share of the TPM."""
    client = starter.client()
    for number in range(LIGHT):
        site.open(client, number, way)
    if flood:
        flood[0].start_flood(seconds, flood[1])
        time.sleep(START)
    samples, end = [], time.monotonic() + seconds * 0.95 - START
    while time.monotonic() < end:
        time.sleep(ROUND / LIGHT)
        samples += client.loop(1, f'{len(samples) % LIGHT}:{tpm.get_random().hex()}')
    if flood:
        flood[0].end_flood()
    starter.stop(client)
    return samples


def _single(starter, site, way, with_objects):
    """The longest that a command of the flood takes when no other one is there: four openers in turn, so that keys move
    in and out."""
    client, commands = _flooding(starter, site, way, False, 4, with_objects)
    steps = [f'{number}:{command.hex()}' for number, command in commands.items()]
    client.loop(2, *steps)
    longest = max(max(client.loop(1, one)) for _ in range(50) for one in steps)
    starter.stop(client)
    return longest


def _beside_floods(starter, site, way, flood_way, seconds):
    rows = []
    alone = _light(starter, site, way, None, seconds / 4)
    rows.append({'site': site.name, 'beside': 'nobody', 'p50': percentile(alone, 0.5), 'p99': percentile(alone, 0.99),
                 'single': None})
    for other in (False, True) if 'file' in site.targets else (False,):
        for with_objects in (False, True):
            single = _single(starter, site, flood_way, with_objects)
            flood = _flooding(starter, site, flood_way, other, FLOOD, with_objects)
            samples = _light(starter, site, way, flood, seconds)
            starter.stop(flood[0])
            whose = 'another user' if other else 'the same user'
            rows.append({'site': site.name,
                         'beside': f"{FLOOD} openers of {whose}, {'a key each' if with_objects else 'GetRandom'}",
                         'p50': percentile(samples, 0.5), 'p99': percentile(samples, 0.99), 'single': single,
                         'samples': samples})
    return rows


class Domain:
    """A new one, as an administrator makes it."""

    def __init__(self, site, name, weight):
        self.folder = site.manager.mount / 'domains' / name
        self.folder.mkdir()
        (self.folder / 'weight').write_text(f'{weight}\n')

    @property
    def node(self):
        return self.folder / 'rm0'

    def busy(self):
        """The TPM's time that it has used, in microseconds."""
        return int(dict(line.split() for line in (self.folder / 'stat').read_text().splitlines())['busy_usec'])


def _counts(starter, site, floods, seconds):
    """Commands of each opener of floods at the same time: of a user, through a domain's node or the site's own, that
    many openers."""
    clients = []
    for other, node, openers in floods:
        client = _client(starter, site, other)
        for number in range(openers):
            client.open(number, 'epoll', node or site.targets['epoll'])
        clients.append((client, {number: tpm.get_random() for number in range(openers)}))
    for client, commands in clients:
        client.start_flood(seconds, commands)
    counts = [client.end_flood()[1] for client, _ in clients]
    for client, _ in clients:
        starter.stop(client)
    return counts


def _shares(starter, site, seconds):
    """
    What those get who all flood: domains, of the TPM's time; openers and users, whose time is not told, of the
    commands, each of which takes the TPM as long.
    """
    rows = []

    openers, = _counts(starter, site, [(False, None, 20)], seconds)
    rows += [{'what': f'the opener that got the {which}, of 20 of one user', 'due': 1 / 20, 'got': got / sum(openers)}
             for which, got in (('least', min(openers)), ('most', max(openers)))]
    one, many = map(sum, _counts(starter, site, [(False, None, 1), (True, None, 20)], seconds))
    rows.append({'what': 'a user with 1 opener beside a user with 20', 'due': 1 / 2, 'got': one / (one + many)})
    domains = Domain(site, 'heavy', HEAVY), Domain(site, 'light', 100)
    for openers in ((4, 4), (2, 20)):
        before = [domain.busy() for domain in domains]
        _counts(starter, site, [(False, domain.node, count) for domain, count in zip(domains, openers)], seconds)
        used = [domain.busy() - earlier for domain, earlier in zip(domains, before)]
        rows.append({'what': f'a domain of weight {HEAVY} with {openers[0]} openers '
                             f'beside one of 100 with {openers[1]}',
                     'due': HEAVY / (HEAVY + 100), 'got': used[0] / sum(used)})
    return rows


def run(starter, quick):
    tpmfs, abrmd = starter.tpmfs(counted=True), starter.abrmd(counted=True)
    seconds = 4 if quick else 25
    rows = []
    for site, way, flood_way in ((tpmfs, 'file', 'epoll'), (abrmd, 'tcti', 'tcti')):
        site.proxy.delay({0: int(COMMAND * 1e6)})
        rows += _beside_floods(starter, site, way, flood_way, seconds)
    return {'command': COMMAND, 'seconds': seconds, 'rows': rows, 'shares': _shares(starter, tpmfs, seconds)}


def report(result):
    def milli(seconds):
        return '-' if seconds is None else f'{seconds * 1e3:.1f}'

    return table(
        f"GetRandom of light openers, each one command in {ROUND} s, "
        f"on a TPM that takes {COMMAND * 1e3:.0f} ms for each of its commands; ms",
        ['way', 'beside', 'p50', 'p99', 'longest command of the flood, alone', 'p99 / longest'],
        [[row['site'], row['beside'], milli(row['p50']), milli(row['p99']), milli(row['single']),
          f"{row['p99'] / row['single']:.2f}" if row['single'] else '-'] for row in result['rows']]) + table(
        'Shares of the TPM where all flood', ['who', 'by weight', 'measured', 'off by'],
        [[row['what'], f"{row['due']:.1%}", f"{row['got']:.1%}", f"{row['got'] / row['due'] - 1:+.1%}"]
         for row in result['shares']])
