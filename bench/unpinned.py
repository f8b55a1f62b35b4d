"""What following the client brings where nobody pins anything, and that it never does worse than not following: beside
the same daemon that does not follow ("plain"), all in one run, in blocks that take turns."""

import os
import time
from statistics import median

import throughput
import tpm
from figures import Limit, failures, limits_table, machine_seconds, micro, percentile, table
from processes import Hog, one_cpu

WARM_UP = 200
SETTLES = 0.3  # seconds until the scheduler has spread new busy loops
TO_PINNED, TO_ABRMD, TO_PLAIN_CPU = 1.3, 0.4, 0.5
NO_WORSE = 1.1  # medians of blocks differ by as much without a reason
LONGER = 0.1  # seconds that a command may take longer than the longest in plain mode
GROUPS = {'none': 'nobody else', 'same': 'busy loops in the same group', 'apart': 'busy loops in another group'}


def _loop(starter, site, way, count):
    client = starter.client()
    if site.name == 'pinned':
        for process in [client, *site.servers]:
            process.pin(one_cpu())
    site.open(client, 0, way)
    step = f'0:{tpm.get_random().hex()}'
    client.loop(WARM_UP, step)
    before = machine_seconds()
    samples = client.loop(count, step)
    machine = (machine_seconds() - before) / count
    starter.stop(client)
    return {'p50': percentile(samples, 0.5), 'p90': percentile(samples, 0.9), 'p99': percentile(samples, 0.99),
            'longest': max(samples), 'machine': machine}


def _medians(blocks):
    return {key: max(block[key] for block in blocks) if key == 'longest' else median(block[key] for block in blocks)
            for key in blocks[0]}


def _rounds(blocks, cells):
    """Each cell is a name and a function; they take turns."""
    found = {name: [] for name, _ in cells}
    for _ in range(blocks):
        for name, measure in cells:
            found[name].append(measure())
    return [{'name': name, 'blocks': measured} | _medians(measured) for name, measured in found.items()]


def _beside_hogs(starter, sites, group, blocks, count, seconds):
    cpus = len(os.sched_getaffinity(0))
    hogs = [starter.start(Hog(starter.folder / 'hogs', group == 'apart'))
            for _ in range(cpus if group != 'none' else 0)]
    time.sleep(SETTLES if hogs else 0)
    cells = [((site.name, 'one'), lambda site=site: _loop(starter, site, 'file', count)) for site in sites]
    cells += [((site.name, 'four'), lambda site=site: throughput.measure(starter, site, 'epoll', 4, seconds))
              for site in sites]
    cells += [((site.name, 'processes'),
               lambda site=site: throughput.measure(starter, site, 'epoll', 4, seconds, processes=True))
              for site in sites]
    rows = _rounds(blocks, cells)
    for hog in hogs:
        starter.stop(hog)
    return [row | {'group': group} for row in rows]


def run(starter, quick):
    plain, follow = starter.tpmfs_embedded('plain', 'plain'), starter.tpmfs_embedded('follow', 'follow')
    pinned, abrmd = starter.tpmfs_embedded('plain', 'pinned'), starter.abrmd()
    blocks, hog_blocks, count, seconds = (3, 6, 1000, 0.3) if quick else (10, 12, 5000, 0.4)
    for site in (plain, follow, pinned):  # just-in-time compilers settle
        _loop(starter, site, 'file', 5000)
    cells = [(f'{site.name}, {name}', lambda site=site, way=way: _loop(starter, site, way, count))
             for way, name in (('file', 'write, read'), ('tcti', 'TCTI')) for site in (pinned, plain, follow)]
    cells.append(('tpm2-abrmd, TCTI', lambda: _loop(starter, abrmd, 'tcti', count)))
    latency = _rounds(blocks, cells)
    # more blocks: beside busy loops a block takes microseconds a command, or time slices of the scheduler
    hogs = [row for group in GROUPS
            for row in _beside_hogs(starter, (plain, follow), group, hog_blocks, count // 10, seconds)]
    status = (follow.manager.mount / 'status').read_text().splitlines()
    return {'blocks': blocks, 'hog_blocks': hog_blocks, 'count': count, 'latency': latency, 'hogs': hogs,
            'status': next(line for line in status if line.startswith('scheduling'))}


def _limits(result):
    row = {each['name']: each for each in result['latency']}
    follow, pinned, plain = (row[f'{name}, write, read'] for name in ('follow', 'pinned', 'plain'))
    limits = [Limit('write, read: p50, follow / pinned', follow['p50'] / pinned['p50'], TO_PINNED)]
    limits += [Limit(f'TCTI: {share}, follow / tpm2-abrmd', row['follow, TCTI'][share] / row['tpm2-abrmd, TCTI'][share],
                     TO_ABRMD) for share in ('p50', 'p90', 'p99')]
    limits += [Limit('write, read: CPU of the machine, follow / plain', follow['machine'] / plain['machine'],
                     TO_PLAIN_CPU)]
    beside = {(each['group'], *each['name']): each for each in result['hogs']}
    for group, title in GROUPS.items():
        for clients in ('one', 'four', 'processes') if group != 'none' else ():
            follow, plain = beside[group, 'follow', clients], beside[group, 'plain', clients]
            limits += [Limit(f'{title}, {clients}: {share}, follow / plain', follow[share] / plain[share], NO_WORSE)
                       for share in ('p50', 'p99')]
            if clients != 'one':
                limits.append(Limit(f'{title}, {clients}: commands/s, follow / plain',
                                    follow['per_second'] / plain['per_second'], 1 / NO_WORSE, most=False))
            limits.append(Limit(f'{title}, {clients}: longest command, follow less plain, s',
                                follow['longest'] - plain['longest'], LONGER))
    return limits


def judge(result):
    return failures(_limits(result))


def report(result):
    def cells(row):
        return [micro(row[key]) for key in ('p50', 'p90', 'p99', 'machine')]

    def rate(row):
        return f"{row['per_second']:.0f}" if 'per_second' in row else '-'

    clients = {'one': 'one opener, write, read', 'four': '4 openers, one client', 'processes': '4 openers, 4 processes'}
    text = table(f"GetRandom, embedded swtpm, on any CPU but for the rows 'pinned', µs: medians of {result['blocks']} "
                 f"interleaved blocks of {result['count']}", ['way', 'p50', 'p90', 'p99', 'CPU of the machine'],
                 [[row['name'], *cells(row)] for row in result['latency']])
    text += table(f"The same beside busy loops, one for each CPU, µs: medians of {result['hog_blocks']} blocks", [
        'beside', 'clients', 'way', 'p50', 'p99', 'longest', 'commands/s', 'CPU of the machine'], [
        [GROUPS[row['group']], clients[row['name'][1]], row['name'][0], micro(row['p50']), micro(row['p99']),
         micro(row['longest']), rate(row), micro(row['machine'])] for row in result['hogs']])
    text += f"\nStatus of the daemon that follows, at the end: `{result['status']}`\n"
    return text + limits_table('What must hold where nothing is pinned', _limits(result))
