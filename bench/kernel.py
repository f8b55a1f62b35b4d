#!/usr/bin/python3
"""TpmFs over /dev/tpmN beside the kernel's manager, /dev/tpmrmN, for the workloads of commands.py: both on TPMs of
the kernel's in front of swtpm. With --device also through a character device of TpmFs, which needs the module cuse.

It needs a kernel with tpm_vtpm_proxy, as the virtual machine of the tests has; 'make test-vm' runs it there.
"""
import argparse
import json
import tempfile
from pathlib import Path

import processes
from commands import WORKLOADS, measure
from figures import spread, table
from processes import one_cpu
from sites import Sites

KERNEL_SLOTS = 3  # of an opener's objects


def run(starter, blocks, rounds, device):
    sites = starter.kernel_and_tpmfs(device=device)
    for site in sites:
        site.pin(one_cpu())
    rows = []
    for workload in WORKLOADS:
        if workload.objects > KERNEL_SLOTS * workload.openers:
            continue
        measured = measure(sites, starter, workload, blocks, rounds)
        rows.append({
            'workload': workload.name,
            'held': max(max(each) for each in workload.held),
            'tpm_commands': {name: result.per_command for name, result in measured.items()},
            'seconds': {name: result.seconds for name, result in measured.items()},
        })
    return {'blocks': blocks, 'rounds': rounds, 'rows': rows}


def report(result):
    names = list(result['rows'][0]['seconds'])
    return table('TPM commands per client command, and time per client command, µs: '
                 'median of the blocks (lowest–highest)',
                 ['workload', *names, *names],
                 [[row['workload'], *[f"{row['tpm_commands'][name]:.2f}" for name in names],
                   *[spread(row['seconds'][name]) for name in names]]
                  for row in result['rows']])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--blocks', type=int, default=3)
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--device', metavar='NAME', help='below /dev, such as tpmfs/bench')
    arguments = parser.parse_args()
    processes.build()
    with tempfile.TemporaryDirectory(prefix='tpmfs-bench-') as folder, Sites(Path(folder)) as sites:
        result = run(sites, arguments.blocks, arguments.rounds, arguments.device)
    print(json.dumps({**result, 'table': report(result)}))


main()
