"""Commands per second, and how long each took, with many openers that all have a command under way all the time: all
in one client with epoll, or each in a process of its own."""

from statistics import median

import tpm
from figures import Limit, failures, limits_table, machine_seconds, micro, percentile, table

OPENERS = (1, 4, 16, 64, 256, 1000)
MOST_PROCESSES = 64
MOST = {'tpm2-abrmd': 100}  # connections that it allows at the most
RATE = 2.5  # times tpm2-abrmd's, with GetRandom and one client of these many openers
FASTER_AT = (4, 16, 64)


def _clients(starter, site, way, openers, processes, with_objects):
    clients = []
    for numbers in ([number] for number in range(openers)) if processes else [range(openers)]:
        client = starter.client()
        commands = {}
        for number in numbers:
            site.open(client, number, way)
            commands[number] = (tpm.hmac(client.handle(number, tpm.create_hmac_key())) if with_objects
                                else tpm.get_random())
        clients.append((client, commands))
    return clients


def flood(clients, seconds):
    """Seconds in all, commands of each opener, seconds of each command."""
    for client, commands in clients:
        client.start_flood(seconds, commands)
    ends = [client.end_flood() for client, _ in clients]
    return (max(elapsed for elapsed, _, _ in ends), [count for _, counts, _ in ends for count in counts],
            [sample for _, _, samples in ends for sample in samples])


def measure(starter, site, way, openers, seconds, processes=False, with_objects=False):
    clients = _clients(starter, site, way, openers, processes, with_objects)
    flood(clients, seconds / 4)  # warms up, and evicts each key once
    before = site.cpu_seconds(site.servers[:-1]), machine_seconds()
    elapsed, counts, samples = flood(clients, seconds)
    after = site.cpu_seconds(site.servers[:-1]), machine_seconds()
    for client, _ in clients:
        starter.stop(client)
    manager, machine = ((end - start) / sum(counts) for start, end in zip(before, after))
    return {'per_second': sum(counts) / elapsed, 'p50': percentile(samples, 0.5), 'p99': percentile(samples, 0.99),
            'longest': max(samples), 'fewest': min(counts), 'most': max(counts), 'cpu': manager, 'machine': machine}


def run(starter, quick):
    sites = [(starter.passthrough('before'), 'epoll'), (starter.tpmfs_embedded('plain', 'TpmFs, plain'), 'epoll'),
             (starter.tpmfs_embedded('follow'), 'epoll'), (starter.abrmd(), 'tcti')]
    seconds, blocks = (0.4, 1) if quick else (0.6, 3)
    rows = []
    for with_objects in (False, True):
        for processes in (False, True):
            for openers in OPENERS:
                if processes and openers > MOST_PROCESSES:
                    continue
                fitting = [(site, way) for site, way in sites
                           if openers <= MOST.get(site.name, openers)
                           and not (with_objects and site.name == 'C pass-through')]
                found = {site.name: [] for site, _ in fitting}
                for _ in range(blocks):
                    for site, way in fitting:
                        found[site.name].append(
                            measure(starter, site, way, openers, seconds, processes, with_objects))
                for name, measured in found.items():
                    rows.append({'objects': with_objects, 'processes': processes, 'openers': openers, 'site': name,
                                 'blocks': measured}
                                | {key: median(block[key] for block in measured) for key in measured[0]})
    return {'seconds': seconds, 'rows': rows}


def _limits(result):
    rates = {(row['objects'], row['processes'], row['openers'], row['site']): row['per_second']
             for row in result['rows']}
    limits = []
    for (objects, processes, openers, site), rate in rates.items():
        other = rates.get((objects, processes, openers, 'tpm2-abrmd'))
        if site == 'TpmFs' and other:
            is_fast = openers in FASTER_AT and not processes and not objects
            limits.append(Limit(
                f"commands/s of tpm2-abrmd's, {'HMAC' if objects else 'GetRandom'}, {openers} openers, "
                f"{'processes' if processes else 'one client'}", rate / other, RATE if is_fast else 1, most=False))
    return limits


def judge(result):
    return failures(_limits(result))


def report(result):
    def cells(row):
        return [row['openers'], row['site'], f"{row['per_second']:.0f}", micro(row['p50']), micro(row['p99']),
                f"{row['fewest']:.0f}–{row['most']:.0f}", micro(row['cpu']), micro(row['machine'])]

    head = ['openers', 'way', 'commands/s', 'p50', 'p99', 'fewest–most of an opener', 'CPU of the manager',
            'CPU of the machine']
    text = ''
    for with_objects, command in ((False, 'GetRandom'), (True, 'HMAC, a key for each opener')):
        for processes, client in ((False, 'one client with epoll'), (True, 'a process for each opener')):
            text += table(f'{command}: all openers at the same time, {client}, on any CPU; times in µs', head,
                          [cells(row) for row in result['rows']
                           if row['objects'] == with_objects and row['processes'] == processes])
    return text + limits_table('Commands a second, TpmFs / tpm2-abrmd', _limits(result))
