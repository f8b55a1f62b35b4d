#!/usr/bin/python3
"""stage.py FOLDER STATE: the kernel's manager and TpmFs, each over a TPM of the kernel's, twins of the swtpm whose
state is in STATE, until SIGTERM.

FOLDER/ready appears when all is there: lines of shell that set KERNEL and TPMFS, the managed nodes.
"""
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import processes  # noqa: E402
from sites import Sites  # noqa: E402

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
folder = Path(sys.argv[1])
processes.build()
folder.mkdir()
with Sites(folder) as sites:
    kernel, tpmfs = sites.kernel_and_tpmfs(Path(sys.argv[2]))
    settings = folder / "settings"
    settings.write_text(f"KERNEL={kernel.targets['file']}\nTPMFS={tpmfs.targets['file']}\n")
    settings.rename(folder / "ready")
    signal.pause()
