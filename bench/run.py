#!/usr/bin/python3
"""Measures TpmFs beside what it stands in for, in one run. See docs/performance.md."""

import argparse
import json
import os
import platform
import resource
import signal
import sys
import tempfile
from pathlib import Path

import bus
import commands
import document
import fairness
import footprint
import handover
import inside
import installed
import latency
import plot
import processes
import throughput
import unpinned
from profiles import PROFILES
from sites import Sites

SECTIONS = {'commands': commands, 'latency': latency, 'throughput': throughput, 'bus': bus, 'unpinned': unpinned,
            'fairness': fairness, 'handover': handover, 'footprint': footprint, 'installed': installed,
            'inside': inside}

MACHINE = '{cpus} CPUs ({cpu}), Linux {kernel}; load {load:.1f} at the start, {load_at_end:.1f} at the end.'
PRIORITY = -15  # so that other work on the machine disturbs less; the same for all that is compared


def in_namespace():
    """Mounts are seen by nobody else: the script runs itself again in a mount namespace of its own."""
    if os.geteuid() != 0:
        sys.exit('The benchmarks mount filesystems: run them as root.')
    if os.environ.get('BENCH_NAMESPACE') != 'own':
        os.environ['BENCH_NAMESPACE'] = 'own'
        os.execvp('unshare', ['unshare', '-m', '--propagation', 'private', sys.executable, *sys.argv])


def machine():
    model = next((line.split(':')[1].strip() for line in Path('/proc/cpuinfo').read_text().splitlines()
                  if line.startswith('model name')), '?')
    return {'cpu': model, 'cpus': len(os.sched_getaffinity(0)), 'kernel': platform.release(),
            'load': os.getloadavg()[0]}


def measure(name, quick, profile=None):
    """One section, with programs of its own."""
    module = SECTIONS[name]
    arguments = [profile] if profile else []
    with tempfile.TemporaryDirectory(prefix='tpmfs-bench-') as folder:
        os.chmod(folder, 0o755)  # another user's client takes part
        with Sites(Path(folder)) as sites:
            result = module.run(sites, quick, *arguments)
    report = module.report(result)
    print(report, flush=True)
    return result, report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='fewer and shorter blocks')
    parser.add_argument('--only', nargs='+', choices=SECTIONS, default=list(SECTIONS), metavar='SECTION',
                        help=', '.join(SECTIONS))
    parser.add_argument('--tpm-latency', choices=PROFILES, default='infineon-slb9670', metavar='PROFILE',
                        help=', '.join(PROFILES))
    parser.add_argument('--document', type=Path, help='a text whose marked tables are replaced')
    parser.add_argument('--json', type=Path, help='where to put every figure')
    parser.add_argument('--svg', type=Path, help='where to put the plot of commands and latency')
    options = parser.parse_args()
    if options.svg and not {'commands', 'latency'} <= set(options.only):
        parser.error('--svg draws commands and latency: measure both')
    in_namespace()
    # so that what was started is ended, and its folders go
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended by a signal'))
    processes.build()
    os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)  # all that is started here has it too
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    results = {'machine': machine(), 'quick': options.quick}
    print('{cpus} CPUs ({cpu}), Linux {kernel}, load {load:.1f}'.format(**results['machine']))

    failures = []

    def add(key, name, *profile):
        results[key], report = measure(name, options.quick, *profile)
        results['machine']['load_at_end'] = os.getloadavg()[0]
        failures.extend(SECTIONS[name].judge(results[key]) if hasattr(SECTIONS[name], 'judge') else [])
        if options.document:
            document.fill(options.document, key, report)
            document.fill(options.document, 'machine', MACHINE.format(**results['machine']))
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + '\n')

    for name in options.only:
        add(name, name)
    if 'commands' in options.only:
        profile = PROFILES[options.tpm_latency]
        add('commands_on_hardware', 'commands', profile)
        print(f'{profile.name}: {profile.source()}\n')
    if options.svg:
        options.svg.write_text(plot.draw(results))
    sys.exit('\n'.join(failures) or None)


main()
