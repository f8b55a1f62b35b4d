"""steady.py NODE STOP: asks for random bytes without a pause until the file STOP is there, once at least; prints how
often, and the longest that one took in ms."""
import os
import sys
import time

node, stop = sys.argv[1:]
fd = os.open(node, os.O_RDWR)
count, longest = 0, 0.0
while count == 0 or not os.path.exists(stop):
    begin = time.monotonic()
    os.write(fd, bytes.fromhex("80010000000c0000017b0021"))
    response = os.read(fd, 4096)
    assert response[6:10] == bytes(4), response.hex()
    longest = max(longest, time.monotonic() - begin)
    count += 1
print(count, int(longest * 1000))
