"""Takes what it can get and sits on it: hoard.py OPERATION PATH COUNT.

"open" opens the file until COUNT or an error, "peek" reads one byte of each open file as well, and "ask" has each
opener get a response that nobody reads. Prints how many there are and the name of the error (or "-"), and lives
until its input ends.
"""
import errno
import os
import resource
import sys

GET_RANDOM = bytes.fromhex("80010000000c0000017b0020")
operation, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 64, hard), hard))
held, error = 0, "-"
try:
    while held < count:
        fd = os.open(path, os.O_RDWR if operation == "ask" else os.O_RDONLY)
        held += 1
        if operation == "peek":
            os.read(fd, 1)
        elif operation == "ask":
            os.write(fd, GET_RANDOM)
except OSError as refused:
    error = errno.errorcode[refused.errno]
print(f"holds {held} {error}", flush=True)
sys.stdin.read()
