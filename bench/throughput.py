"""Commands per second, and how long each took, with many openers that all have a command under way all the time."""

from statistics import median

import tpm
from figures import micro, percentile, table

OPENERS = (1, 4, 16, 64, 256, 1000)
MOST = {'tpm2-abrmd': 100}  # connections that it allows at the most


def _measure(starter, site, way, openers, with_objects, seconds):
    client = starter.client()
    commands = {}
    for number in range(openers):
        site.open(client, number, way)
        commands[number] = tpm.hmac(client.handle(number, tpm.create_hmac_key())) if with_objects else tpm.get_random()
    client.start_flood(seconds / 4, commands)  # warms up, and evicts each key once
    client.end_flood()
    before = site.cpu_seconds(site.servers[:-1])
    client.start_flood(seconds, commands)
    elapsed, counts, samples = client.end_flood()
    cpu = site.cpu_seconds(site.servers[:-1]) - before
    starter.stop(client)
    return {'per_second': sum(counts) / elapsed, 'p50': percentile(samples, 0.5), 'p99': percentile(samples, 0.99),
            'fewest': min(counts), 'most': max(counts), 'cpu': cpu / sum(counts)}


def run(starter, quick):
    sites = [(starter.passthrough('before'), 'epoll'), (starter.tpmfs(), 'epoll'), (starter.abrmd(), 'tcti')]
    seconds, blocks = (0.4, 1) if quick else (1.5, 3)
    rows = []
    for with_objects in (False, True):
        for openers in OPENERS:
            fitting = [(site, way) for site, way in sites
                       if openers <= MOST.get(site.name, openers)
                       and not (with_objects and site.name == 'C pass-through')]
            found = {site.name: [] for site, _ in fitting}
            for _ in range(blocks):
                for site, way in fitting:
                    found[site.name].append(_measure(starter, site, way, openers, with_objects, seconds))
            for name, measured in found.items():
                rows.append({'objects': with_objects, 'openers': openers, 'site': name, 'blocks': measured}
                            | {key: median(block[key] for block in measured) for key in measured[0]})
    return {'seconds': seconds, 'rows': rows}


def report(result):
    def cells(row):
        return [row['openers'], row['site'], f"{row['per_second']:.0f}", micro(row['p50']), micro(row['p99']),
                f"{row['fewest']:.0f}–{row['most']:.0f}", micro(row['cpu'])]

    head = ['openers', 'way', 'commands/s', 'p50', 'p99', 'fewest–most of an opener', 'CPU of the manager']
    return ''.join(
        table(f'{title}: all openers at the same time, on any CPU; times in µs', head,
              [cells(row) for row in result['rows'] if row['objects'] == with_objects])
        for with_objects, title in ((False, 'GetRandom'), (True, 'HMAC, a key for each opener')))
