"""What is installed (make standalone): how long it takes to be ready, and its memory."""

import time
from statistics import median

import tpm
from figures import table
from processes import INSTALLED, TpmFs

OPENERS = 100


def _start(starter, number):
    """Elapsed and CPU seconds until the node can be opened, and the KiB that are resident then; beside a swtpm that
    runs."""
    folder = starter.folder / f'installed-{number}'
    socket, _, _ = starter.swtpm(folder.name)
    begin = time.monotonic()
    server = starter.start(TpmFs(folder, f'swtpm:path={socket}', program=INSTALLED))
    found = {'elapsed': time.monotonic() - begin, 'cpu': server.cpu_seconds(), 'idle': _memory(server)}
    starter.stop(server)
    return found


def _memory(server):
    return {field: server.status(field) for field in ('VmRSS', 'RssAnon', 'RssFile')}


def run(starter, quick):
    starts = [_start(starter, number) for number in range(3 if quick else 11)]
    site = starter.tpmfs(name='installed', program=INSTALLED)
    client = starter.client()
    for number in range(OPENERS):
        site.open(client, number, 'tcti')
        client.run(number, tpm.get_random())
    found = {'starts': starts, 'used': _memory(site.manager)}
    starter.stop(client)
    return found


def report(result):
    def milli(key):
        times = [start[key] for start in result['starts']]
        return f'{median(times) * 1e3:.0f} ms ({min(times) * 1e3:.0f}–{max(times) * 1e3:.0f})'

    def memory(kib):
        mib = {field: f'{value / 1024:.0f} MB' for field, value in kib.items()}
        return f"{mib['VmRSS']}, of which {mib['RssAnon']} are its own and {mib['RssFile']} files mapped"

    return table(f"The installed build, beside a swtpm that runs; {len(result['starts'])} starts", ['', ''], [
        ['from its start to a node that can be opened, elapsed', milli('elapsed')],
        ['the same, CPU time of the daemon', milli('cpu')],
        ['resident, idle', memory(result['starts'][-1]['idle'])],
        [f'resident, {OPENERS} openers that have each used the TPM', memory(result['used'])],
    ])
