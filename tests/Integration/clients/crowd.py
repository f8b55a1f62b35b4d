"""Many processes that do one thing all the time: crowd.py OPERATION PATH COUNT.

"stat" looks the path up, "missing" looks up names that are not there in a directory, "groups" has very many groups
(as root only) and opens a TPM, and "refused" opens a TPM and has it refuse TPM2_Clear. Prints a line once all have
begun, and lives until its input ends.
"""
import ctypes
import os
import signal
import sys

CLEAR = bytes.fromhex("80020000001b00000126" "4000000c" "00000009" "40000009" "0000" "00" "0000")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
operation, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


def work(number):
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if operation == "stat":
        while True:
            os.stat(path)
    if operation == "missing":
        while True:
            os.path.exists(f"{path}/nobody{os.getpid()}x{number}")
            number += 1
    if operation == "groups":
        os.setgroups(range(100000, 165536))
        while True:
            os.close(os.open(path, os.O_RDWR))
    tpm = os.open(path, os.O_RDWR)
    while True:
        os.write(tpm, CLEAR)
        os.read(tpm, 4096)


workers = []
for worker in range(count):
    process = os.fork()
    if process == 0:
        work(worker)
    workers.append(process)
print("all at work", flush=True)
sys.stdin.read()
for process in workers:
    os.kill(process, signal.SIGKILL)
for process in workers:
    os.waitpid(process, 0)
