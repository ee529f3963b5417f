"""Big bodies and what they cost: blocks that tell a mix-up, memory while a test runs, senders that stand still."""

import hashlib
import random
import threading

from support.waiting import wait_for

MIB = 1024 * 1024
BLOCK = 65536


def block(number):
    """64 KiB that differ for every number."""
    return random.Random(number).randbytes(64) * 1024


def hash_of_blocks(count):
    digest = hashlib.sha256()
    for number in range(count):
        digest.update(block(number))
    return digest.hexdigest()


class Peak(threading.Thread):
    """Watches the memory of cppx while a test runs."""

    def __init__(self, cppx):
        super().__init__(daemon=True)
        self.cppx, self.ended = cppx, threading.Event()
        self.start_bytes = self.most = cppx.memory_bytes()

    def run(self):
        while not self.ended.wait(0.01):
            self.most = max(self.most, self.cppx.memory_bytes())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    @property
    def growth(self):
        return self.most - self.start_bytes


def stalls_below(counter, limit):
    """Waits until `counter` stands still, and checks that it did so below `limit`: well above what the kernel's buffers
    of the sockets on the way may take, which grow with what goes through."""
    last = [-1, 0]

    def still():
        value = counter()
        assert value < limit, f"{value} bytes went through although nobody read them"
        last[1] = last[1] + 1 if value == last[0] and value > 0 else 0
        last[0] = value
        return last[1] >= 20

    wait_for(still, 20, "the sender to stop", every=0.02)
