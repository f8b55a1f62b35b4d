#!/usr/bin/python3
"""Measures TpmFs beside what it stands in for. See docs/performance.md."""

import argparse
import json
import os
import resource
import sys
import tempfile
from pathlib import Path

import commands
import latency
import processes
from sites import Sites

SECTIONS = ['commands', 'latency']


def in_namespace():
    """Mounts are seen by nobody else: the script runs itself again in a mount namespace of its own."""
    if os.environ.get('BENCH_NAMESPACE') != 'own':
        os.environ['BENCH_NAMESPACE'] = 'own'
        os.execvp('unshare', ['unshare', '-m', '--propagation', 'private', sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='fewer and shorter blocks')
    parser.add_argument('--only', nargs='+', choices=SECTIONS, default=SECTIONS)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    in_namespace()
    processes.build()
    with tempfile.TemporaryDirectory(prefix='tpmfs-bench') as folder:
        with Sites(Path(folder)) as sites:
            result = (latency if options.only == ['latency'] else commands).run(sites, options.quick)
            print((latency if options.only == ['latency'] else commands).report(result))


main()
