"""A small DNS server for the names of ExternalName Services."""

import ipaddress
import socket
import struct
import threading

_TYPES = {1: 4, 28: 6}
_NO_SUCH_NAME = 3


class NameServer:
    """Answers A and AAAA questions at 127.0.0.1:53 of the namespace, with a time to live of one second."""

    def __init__(self, network):
        with network.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._names = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._stopping = False

    def set(self, name, *addresses):
        """The addresses of a name from now on; none means that the name does not exist."""
        self._names[name.lower().rstrip(".")] = [ipaddress.ip_address(address) for address in addresses]

    def __enter__(self):
        self._socket.settimeout(0.1)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping = True
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while not self._stopping:
            try:
                query, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            answer = self._answer(query)
            if answer:
                self._socket.sendto(answer, peer)

    def _answer(self, query):
        if len(query) < 17 or struct.unpack("!H", query[4:6])[0] != 1:
            return None
        labels, end = [], 12
        while query[end]:
            labels.append(query[end + 1 : end + 1 + query[end]].decode("ascii", "replace"))
            end += query[end] + 1
        kind = struct.unpack("!H", query[end + 1 : end + 3])[0]
        question = query[12 : end + 5]
        known = self._names.get(".".join(labels).lower(), [])
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 1, len(address.packed)) + address.packed
            for address in known
            if address.version == _TYPES.get(kind)
        )
        count = sum(address.version == _TYPES.get(kind) for address in known)
        flags = 0x8580 | (0 if known else _NO_SUCH_NAME)
        return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + records
