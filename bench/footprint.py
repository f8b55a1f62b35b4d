"""Opening and closing; memory and threads against openers, and after many; the time until a daemon is ready."""

import os
import time
from statistics import median

import tpm
from figures import spread, table
from processes import INSTALLED, Passthrough, TpmFs
from runtime import collect

OPENERS = (0, 1, 100, 1000)
LARGEST_PLATEAU = 60 * 1024  # KiB that a daemon may have resident after many openers
# what the collector chooses on such a processor
CACHES = {'of this machine': {}, 'of 128 MiB': {'DOTNET_GCgen0size': '0x5000000'}}


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
        rows.append({'openers': openers, 'resident_kib': site.manager.status('VmRSS'),
                     'anonymous_kib': site.manager.status('RssAnon'),
                     'threads': site.manager.status('Threads')})
    starter.stop(client)
    return rows


def _use_once(node):
    """Opens the node, has the TPM's answer, closes: in a process of its own, which ends with 0 where that succeeds."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        opened = os.open(node, os.O_RDWR)
        os.write(opened, tpm.get_random())
        os._exit(0 if os.read(opened, 4096)[6:10] == bytes(4) else 1)
    except OSError:
        os._exit(1)


def _plateau(starter, quick):
    """What the installed daemon has resident after many processes have each used it once."""
    rows = []
    for cache, environment in CACHES.items():
        folder = starter.folder / f'plateau-{len(rows)}'
        socket, _, _ = starter.swtpm(folder.name)
        server = starter.start(TpmFs(folder, f'swtpm:path={socket}', environment, INSTALLED))
        row = {'cache': cache, 'processes': 4000 if quick else 10000, 'before_kib': server.status('VmRSS')}
        for _ in range(row['processes']):
            if _use_once(server.node):
                raise RuntimeError('a process could not use the TPM')
        rows.append(row
                    | {'after_kib': server.status('VmRSS'), 'anonymous_kib': server.status('RssAnon'),
                       'peak_kib': server.status('VmHWM')})
        starter.stop(server)
    return rows


def _start_up(starter, quick):
    found = {'C pass-through': [], 'TpmFs': []}
    for number in range(3 if quick else 10):
        for name, program, arguments in (('C pass-through', Passthrough, lambda socket: [socket, 'before']),
                                         ('TpmFs', TpmFs, lambda socket: [f'swtpm:path={socket}'])):
            folder = starter.folder / f'start-{program.__name__}-{number}'
            socket, _, _ = starter.swtpm(folder.name)
            begin = time.monotonic()
            server = starter.start(program(folder, *arguments(socket)))
            found[name].append(time.monotonic() - begin)
            starter.stop(server)
    return found


def run(starter, quick):
    return {'open_close': _open_close(starter, quick), 'memory': _memory(starter), 'plateau': _plateau(starter, quick),
            'start_up': _start_up(starter, quick)}


def judge(result):
    """What must not be; each a sentence."""
    return [f"{row['peak_kib'] / 1024:.0f} MiB were resident with {row['processes']} processes, "
            f"on a cache {row['cache']}; "
            f'{LARGEST_PLATEAU / 1024:.0f} may be' for row in result['plateau'] if row['peak_kib'] > LARGEST_PLATEAU]


def report(result):
    memory = result['memory']

    def for_each(row):
        return f"{(row['resident_kib'] - memory[0]['resident_kib']) / row['openers']:.1f}" if row['openers'] else '-'

    def milli(seconds):
        return f'{seconds * 1e3:.0f}'

    return (
        table('Open and close, µs', ['way', 'client', 'time', 'a second'],
              [[row['site'], row['way'], spread(row['blocks']), f"{1 / median(row['blocks']):.0f}"]
               for row in result['open_close']])
        + table('Memory of TpmFs against openers with a key each, after a full garbage collection, KiB',
                ['openers', 'resident', 'of it anonymous', 'for each opener', 'threads'],
                [[row['openers'], row['resident_kib'], row['anonymous_kib'], for_each(row), row['threads']]
                 for row in memory])
        + table('Memory of the installed build before and after many processes that each open, '
                'ask for random bytes, and close; KiB',
                ['processor cache', 'processes', 'before', 'after', 'of it anonymous', 'at the most'],
                [[row['cache'], row['processes'], row['before_kib'], row['after_kib'], row['anonymous_kib'],
                  row['peak_kib']]
                 for row in result['plateau']])
        + table('From start to a node that can be opened, beside a swtpm that runs, ms',
                ['server', 'median', 'lowest–highest'],
                [[name, milli(median(times)), f'{milli(min(times))}–{milli(max(times))}']
                 for name, times in result['start_up'].items()]))
