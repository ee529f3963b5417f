"""Big bodies and what they cost: blocks that tell a mix-up, memory while a test runs, senders that stand still."""

import contextlib
import hashlib
import os
import pathlib
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


def in_kernel(pid):
    """Bytes that the kernel holds for the IPv4 connections of a process: received and not read, or not sent yet. How much it
    takes is its own affair, and grows with what goes through."""
    links = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            links.append(os.readlink(entry))
    inodes = {link[len("socket:["):-1] for link in links if link.startswith("socket:[")}
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes:
            total += sum(int(queue, 16) for queue in fields[4].split(":"))
    return total


def stalls_below(counter, limit):
    """Waits until `counter` stands still, and checks that it did so below `limit`."""
    last = [-1, 0]

    def still():
        value = counter()
        assert value < limit, f"{value} bytes went through although nobody read them"
        last[1] = last[1] + 1 if value == last[0] and value > 0 else 0
        last[0] = value
        return last[1] >= 20

    wait_for(still, 20, "the sender to stop", every=0.02)
