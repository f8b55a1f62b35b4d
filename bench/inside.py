"""What each step of a command's way inside TpmFs costs, and that none allocates: Hot/, by BenchmarkDotNet."""

import json
import subprocess
import tempfile
from pathlib import Path

from figures import table
from processes import BENCH

PROJECT = BENCH / 'Hot'
PROGRAM = PROJECT / 'bin' / 'Release' / 'net10.0' / 'TpmFs.Benchmarks.dll'


def run(_, __):
    subprocess.run(['dotnet', 'build', PROJECT, '--configuration', 'Release', '--verbosity', 'quiet'], check=True,
                   stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix='tpmfs-bench-') as folder:
        ended = subprocess.run(['dotnet', PROGRAM, folder], stdout=subprocess.PIPE, text=True, check=False)
        reports = [json.loads(path.read_text()) for path in sorted(Path(folder).glob('results/*.json'))]
    rows = [{'step': each['Method'], 'nanoseconds': each['Statistics']['Mean'],
             'deviation': each['Statistics']['StandardDeviation'],
             'bytes': each['Memory']['BytesAllocatedPerOperation']} for report in reports
            for each in report['Benchmarks']]
    if ended.returncode != 0 and not any(row['bytes'] for row in rows):
        raise RuntimeError(f'{PROGRAM.name} ended with {ended.returncode}: {ended.stdout[-2000:]}')
    return {'rows': rows}


def report(result):
    return table('Steps of a command inside TpmFs, without system calls',
                 ['step', 'ns', 'standard deviation', 'bytes allocated'],
                 [[row['step'], f"{row['nanoseconds']:.0f}", f"{row['deviation']:.1f}", row['bytes']]
                  for row in result['rows']])
