"""Headers of the PROXY protocol, as a load balancer sends them, and connections that begin with one."""

import ipaddress
import ssl
import struct

from support.client import Connection, client_context

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version1(source="192.0.2.1", destination="198.51.100.2", source_port=56324, destination_port=80):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode()


def binary(command, family, rest=b""):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(rest)) + rest


def version2(source="192.0.2.1", destination="198.51.100.2", source_port=56324, destination_port=80, tlvs=b""):
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    ports = struct.pack(">HH", source_port, destination_port)
    return binary(0x21, 0x21 if ":" in source else 0x11, addresses + ports + tlvs)


def local():
    """A connection of the load balancer's own: a health check."""
    return binary(0x20, 0)


class _TlsByHand:
    """A client's end of TLS on a socket, and like one; `first` goes out in one segment with the ClientHello."""

    def __init__(self, sock, server_name, alpn, first):
        self._sock, self._first = sock, first
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context(alpn=alpn)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.selected_alpn_protocol = self._tls.selected_alpn_protocol
        self._run(self._tls.do_handshake)

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def recv(self, size):
        try:
            return self._run(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def sendall(self, data):
        self._run(lambda: self._tls.write(data))

    def _run(self, step):
        while True:
            try:
                result = step()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                if data := self._sock.recv(65536):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()

    def _flush(self):
        first, self._first = self._first, b""
        self._sock.sendall(first + self._outgoing.read())


class Announced(Connection):
    """A connection that begins with a header, in one segment with what is sent next unless `at_once` is off."""

    def __init__(self, port, header, at_once=True, server_name=None, alpn=None, **options):
        super().__init__(port, **options)
        self._first = header
        if not at_once:
            self.send(b"")
        if server_name:
            first, self._first = self._first, b""
            self.sock = _TlsByHand(self.sock, server_name, alpn, first)

    def send(self, data):
        first, self._first = self._first, b""
        super().send(first + data)
