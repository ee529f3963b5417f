"""One end of an HTTP/1 connection: a socket with a read buffer that never hides what was on the wire."""

import contextlib
import fcntl
import socket
import struct
import termios

from support.waiting import scaled


class Truncated(Exception):
    """The peer ended the connection in the middle of a message. `data` is what had come of the part being read."""

    def __init__(self, data=b"", reset=False):
        super().__init__(f"connection {'reset' if reset else 'closed'} after {bytes(data[-80:])!r}")
        self.data = bytes(data)
        self.reset = reset


class Headers(list):
    """Header fields as (name, value) pairs in wire order, with look-up by name in any case."""

    def all(self, name):
        return [value for field, value in self if field.lower() == name.lower()]

    def one(self, name):
        """The only value of a field, None when it is absent; more than one fails."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def names(self):
        return [field for field, _ in self]

    def has(self, name):
        return bool(self.all(name))


def parse_fields(lines):
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(b":")
        assert colon, f"not a header line: {line!r}"
        headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return headers


def parse_head(raw):
    """Splits a head into its first line and its fields."""
    lines = raw[:-4].split(b"\r\n")
    return lines[0].decode("latin-1"), parse_fields(lines[1:])


class Wire:
    """Buffered reading on a connected socket. Every read ends at the socket's time limit."""

    def __init__(self, sock, timeout=10.0):
        self.sock = sock
        self.buffer = bytearray()
        self.saw_extension = False  # Of any chunk on this connection.
        sock.settimeout(scaled(timeout))

    def fill(self):
        """Takes in what the socket has, waiting for it; False at the end of the stream."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Truncated(self.buffer, reset=True) from error
        self.buffer += data
        return bool(data)

    def read_until(self, mark):
        start = 0
        while True:
            at = self.buffer.find(mark, start)
            if at >= 0:
                return self._take(at + len(mark))
            start = max(0, len(self.buffer) - len(mark))
            if not self.fill():
                raise Truncated(self.buffer)

    def read_exact(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise Truncated(self.buffer)
        return self._take(count)

    def read_some(self):
        """What is there, at least one byte; empty at the end of the stream."""
        if not self.buffer:
            self.fill()
        return self._take(len(self.buffer))

    def read_head(self):
        """A head with its empty line; None when the peer closed before its first byte."""
        if not self.buffer and not self.fill():
            return None
        return self.read_until(b"\r\n\r\n")

    def read_to_end(self):
        while self.fill():
            pass
        return self._take(len(self.buffer))

    def chunks(self, trailers):
        """The data of a chunked body piece by piece, as it comes; trailer fields are appended to `trailers`."""
        while True:
            text, semicolon, _ = self.read_until(b"\r\n").partition(b";")
            self.saw_extension = self.saw_extension or bool(semicolon)
            size = int(text, 16)
            if size == 0:
                break
            while size:
                if not self.buffer and not self.fill():
                    raise Truncated()
                piece = self._take(min(size, len(self.buffer)))
                size -= len(piece)
                yield piece
            assert self.read_exact(2) == b"\r\n"
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            trailers.extend(parse_fields([line[:-2]]))

    def counted(self, size):
        """The bytes of a body of known length piece by piece, as they come."""
        while size:
            if not self.buffer and not self.fill():
                raise Truncated()
            piece = self._take(min(size, len(self.buffer)))
            size -= len(piece)
            yield piece

    def to_end(self):
        while self.buffer or self.fill():
            yield self._take(len(self.buffer))

    def send(self, data):
        self.sock.sendall(data)

    def unacknowledged(self):
        """Bytes sent that the peer's kernel has not taken yet."""
        return struct.unpack("i", fcntl.ioctl(self.sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]

    def finish_sending(self):
        """Ends the sending direction; a connection that the peer has ended already is left as it is."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data


def how_it_ends(wire):
    """Waits for the peer's end: "end" or "reset"; "data" when anything came before it."""
    try:
        return "end" if wire.read_to_end() == b"" else "data"
    except Truncated as end:
        return "reset" if end.reset and not end.data else "data"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(*pieces, trailers=()):
    """A whole chunked body."""
    end = b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers)
    return b"".join(chunk(piece) for piece in pieces) + b"0\r\n" + end + b"\r\n"
