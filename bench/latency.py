"""How long a short command (GetRandom of 8 bytes) takes, by every way to a TPM; and the CPU time that the servers spend
on it."""

import os
from statistics import median

import tpm
from figures import micro, percentile, ratio_spread, spread, table
from processes import one_cpu

WAYS = {'unix': 'send, recv', 'file': 'write, read', 'epoll': 'write, epoll, read', 'tcti': 'TCTI'}
WARM_UP = 200
PERCENTILES = (0.5, 0.9, 0.99)


class Cell:
    """A site by one way; what its blocks showed."""

    def __init__(self, site, name, way):
        self.site, self.name, self.way = site, name, way
        self.blocks = []

    def measure(self, client, count):
        step = f'0:{tpm.get_random().hex()}'
        self.site.open(client, 0, self.way)
        client.loop(WARM_UP, step)
        tpm_server, managers = self.site.servers[-1:], self.site.servers[:-1]
        before = [self.site.cpu_seconds(managers), self.site.cpu_seconds(tpm_server), client.cpu_seconds()]
        samples = client.loop(count, step)
        after = [self.site.cpu_seconds(managers), self.site.cpu_seconds(tpm_server), client.cpu_seconds()]
        client.ask('close 0')
        cpu = [(end - start) / count for start, end in zip(before, after)]
        self.blocks.append({'percentiles': [percentile(samples, share) for share in PERCENTILES], 'cpu': cpu})

    @property
    def medians(self):
        return [block['percentiles'][0] for block in self.blocks]

    def middle(self, key, index):
        return median(block[key][index] for block in self.blocks)


def _sites(starter):
    direct, after, before = starter.direct(), starter.passthrough('after'), starter.passthrough('before')
    return [
        (direct, 'straight to swtpm', ('unix', 'tcti')),
        (after, 'C pass-through, write answered after', ('file', 'epoll', 'tcti')),
        (before, 'C pass-through, write answered before', ('file', 'epoll', 'tcti')),
        (starter.tpmfs(), 'TpmFs', ('file', 'epoll', 'tcti')),
        (starter.abrmd(), 'tpm2-abrmd', ('tcti',)),
        (starter.abrmd_on_node(), 'tpm2-abrmd on a device node', ('tcti',)),
    ]


def measure(starter, sites, cpus, blocks, count):
    cells = [Cell(site, name, way) for site, name, ways in sites for way in ways]
    client = starter.client()
    for process in [client, *[server for site, _, _ in sites for server in site.servers]]:
        process.pin(cpus)
    for block in range(-1, blocks):  # the first one is not counted: just-in-time compilers settle in it
        turn = block % len(cells)
        for cell in cells[turn:] + cells[:turn]:
            cell.measure(client, count)
    for cell in cells:
        del cell.blocks[0]
    starter.stop(client)
    return cells


def _ratios(cells):
    """Block by block: TpmFs against the faster pass-through, and its TCTI against tpm2-abrmd's."""
    def of(name, way):
        return next(cell for cell in cells if cell.name == name and cell.way == way)

    def ratio(way, others, percentile=0):
        floor = min(others, key=lambda cell: median(cell.medians))
        return [own['percentiles'][percentile] / other['percentiles'][percentile]
                for own, other in zip(of('TpmFs', way).blocks, floor.blocks)]

    floors = {way: [cell for cell in cells if cell.name.startswith('C pass') and cell.way == way]
              for way in ('file', 'epoll', 'tcti')}
    return (
        {f'TpmFs / faster C pass-through, {WAYS[way]}': ratio(way, floors[way]) for way in floors}
        | {f'TpmFs / {name}, TCTI{which}': ratio('tcti', [of(name, 'tcti')], index)
           for name in ('tpm2-abrmd', 'tpm2-abrmd on a device node')
           for index, which in enumerate(('', ', p90', ', p99'))})


def run(starter, quick):
    sites = _sites(starter)
    blocks, count = (3, 1000) if quick else (10, 5000)
    everywhere = os.sched_getaffinity(0)
    result = {'blocks': blocks, 'count': count}
    for name, cpus in (('pinned', one_cpu()), ('unpinned', everywhere)):
        cells = measure(starter, sites, cpus, blocks, count)
        result[name] = {
            'cells': [{'site': cell.name, 'way': cell.way, 'blocks': cell.blocks} for cell in cells],
            'rows': [[cell.name, WAYS[cell.way], spread(cell.medians),
                      *[micro(cell.middle('percentiles', i)) for i in (1, 2)],
                      *[micro(cell.middle('cpu', i)) for i in range(3)]] for cell in cells],
            'ratios': _ratios(cells),
        }
    return result


def report(result):
    head = ['way to the TPM', 'client', 'p50 (blocks)', 'p90', 'p99', 'CPU: manager', 'CPU: swtpm', 'CPU: client']
    text = ''
    for name, title in (('pinned', 'all on one CPU'), ('unpinned', 'on any CPU')):
        text += table(f"GetRandom, {title}, µs: {result['blocks']} interleaved blocks of {result['count']}", head,
                      result[name]['rows'])
        text += table(f'Ratios, of medians but where a percentile is said, {title}: '
                      f'median of the blocks (lowest–highest)', ['ratio', 'value'],
                      [[what, ratio_spread(values)] for what, values in result[name]['ratios'].items()])
    return text
