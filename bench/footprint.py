"""Opening and closing; memory and threads against openers; the time until a daemon is ready."""

import time
from statistics import median

import tpm
from figures import spread, table
from processes import Passthrough, TpmFs
from runtime import collect

OPENERS = (0, 1, 100, 1000)


def _open_close(starter, quick):
    sites = [(starter.passthrough('before'), 'file'), (starter.passthrough('before', 'second'), 'tcti')]
    tpmfs, abrmd = starter.tpmfs(), starter.abrmd()
    sites += [(tpmfs, 'file'), (tpmfs, 'tcti'), (abrmd, 'tcti')]
    client = starter.client()
    found = {(site.name, way): [] for site, way in sites}
    for block in range(4 if quick else 11):
        for site, way in sites:
            seconds = client.loop(30 if way == 'tcti' else 500, site.step(0, way), '-0')
            if block:
                found[site.name, way].append(median(seconds))
    starter.stop(client)
    return [{'site': site, 'way': way, 'blocks': blocks} for (site, way), blocks in found.items()]


def _memory(starter):
    """Of a daemon of its own; each opener has used its key."""
    site = starter.tpmfs(name='memory')
    client = starter.client()
    rows, opened = [], 0
    for openers in OPENERS:
        for number in range(opened, openers):
            site.open(client, number, 'file')
            client.run(number, tpm.hmac(client.handle(number, tpm.create_hmac_key())))
        opened = openers
        for number in range(0, openers):  # nothing was lost
            client.run(number, tpm.get_random())
        collect(site.manager.pid)
        rows.append({'openers': openers, 'resident_kib': site.manager.status('VmRSS'), 'anonymous_kib': site.manager.status('RssAnon'),
                     'threads': site.manager.status('Threads')})
    starter.stop(client)
    return rows


def _start_up(starter, quick):
    found = {'C pass-through': [], 'TpmFs': []}
    for number in range(3 if quick else 10):
        for name, program, arguments in (('C pass-through', Passthrough, lambda socket: [socket, 'before']), ('TpmFs', TpmFs, lambda socket: [f'swtpm:path={socket}'])):
            folder = starter.folder / f'start-{program.__name__}-{number}'
            socket, _, _ = starter.swtpm(folder.name)
            begin = time.monotonic()
            server = starter.start(program(folder, *arguments(socket)))
            found[name].append(time.monotonic() - begin)
            starter.stop(server)
    return found


def run(starter, quick):
    return {'open_close': _open_close(starter, quick), 'memory': _memory(starter), 'start_up': _start_up(starter, quick)}


def report(result):
    memory = result['memory']

    def for_each(row):
        return f"{(row['resident_kib'] - memory[0]['resident_kib']) / row['openers']:.1f}" if row['openers'] else '-'

    def milli(seconds):
        return f'{seconds * 1e3:.0f}'

    return (
        table('Open and close, µs', ['way', 'client', 'time', 'a second'],
              [[row['site'], row['way'], spread(row['blocks']), f"{1 / median(row['blocks']):.0f}"] for row in result['open_close']])
        + table('Memory of TpmFs against openers with a key each, after a full garbage collection, KiB',
                ['openers', 'resident', 'of it anonymous', 'for each opener', 'threads'],
                [[row['openers'], row['resident_kib'], row['anonymous_kib'], for_each(row), row['threads']] for row in memory])
        + table('From start to a node that can be opened, beside a swtpm that runs, ms', ['server', 'median', 'lowest–highest'],
                [[name, milli(median(times)), f'{milli(min(times))}–{milli(max(times))}'] for name, times in result['start_up'].items()]))
