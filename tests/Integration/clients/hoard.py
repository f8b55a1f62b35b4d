"""Takes what it can get and sits on it: hoard.py OPERATION PATH COUNT.

"open" opens the file until COUNT or an error, "peek" reads one byte of each open file as well, and "ask" has each
opener get a response that nobody reads. "make" makes directories whose names begin with PATH, and "remake" makes the
directory PATH, opens rm0 in it 4,000 times and removes it, again and again, while the files stay open. Prints how many
there are and the name of the error (or "-"), and lives until its input ends.
"""
import errno
import os
import resource
import sys

BETWEEN_REMOVALS = 4000

GET_RANDOM = bytes.fromhex("80010000000c0000017b0020")
operation, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 64, hard), hard))
held, error = 0, "-"
try:
    while held < count:
        if operation == "make":
            os.mkdir(f"{path}-{held}")
            held += 1
            continue
        if operation == "remake":
            if held % BETWEEN_REMOVALS == 0:
                os.mkdir(path)
            os.open(f"{path}/rm0", os.O_RDWR)
            held += 1
            if held % BETWEEN_REMOVALS == 0:
                os.rmdir(path)
            continue
        fd = os.open(path, os.O_RDONLY if operation == "peek" else os.O_RDWR)
        held += 1
        if operation == "peek":
            os.read(fd, 1)
        elif operation == "ask":
            os.write(fd, GET_RANDOM)
except OSError as refused:
    error = errno.errorcode[refused.errno]
print(f"holds {held} {error}", flush=True)
sys.stdin.read()
