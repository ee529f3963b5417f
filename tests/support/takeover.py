"""The other side of a takeover."""

import array
import json
import socket

from support.waiting import scaled


class RawSuccessor:
    """What a successor says and gets, without a cppx."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(scaled(10))
        self.socket.connect(str(path))

    def say(self, **message):
        self.socket.send(json.dumps(message).encode())

    def receive(self):
        """A message, and the descriptor that came with it."""
        text, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4))
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        return json.loads(text), (socket.socket(fileno=descriptors[0]) if descriptors else None)

    def sockets(self):
        self.say(want="sockets")
        received = []
        while True:
            message, sock = self.receive()
            if "end" in message:
                return received
            received.append((message["name"], sock))
