"""A TLS client whose records are in the hands of the test."""

import hmac
import ssl
import struct
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from support.client import client_context

HANDSHAKE, DATA = 22, 23
KEY_UPDATE = b"\x18\0\0\1\0"


def _prf(secret, seed, size):
    """RFC 5246 5."""
    block, out = seed, b""
    while len(out) < size:
        block = hmac.digest(secret, block, "sha256")
        out += hmac.digest(secret, block + seed, "sha256")
    return out[:size]


def _expand_label(suite_hash, secret, label, size):
    """RFC 8446 7.1, of what is no longer than the hash."""
    label = b"tls13 " + label
    info = struct.pack(">HB", size, len(label)) + label + b"\0"
    return hmac.digest(secret, info + b"\1", suite_hash)[:size]


class TlsRecords:
    """In place of the socket that it takes: Python's ssl makes the handshake and reads, what is sent is sealed here.

    AES-GCM only, with TLS 1.2 the suite of 128 bits."""

    def __init__(self, sock, server_name, version):
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._new_version = version == ssl.TLSVersion.TLSv1_3
        context = client_context(minimum=version, maximum=version)
        if not self._new_version:
            context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        with tempfile.NamedTemporaryFile(mode="r") as log:
            context.keylog_filename = log.name
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
            server_hello = self._shake_hands()
            lines = [line.split() for line in log if not line.startswith("#")]
        secrets = {label: [bytes.fromhex(part) for part in parts] for label, *parts in lines}
        if self._new_version:
            assert self._tls.cipher()[0].startswith("TLS_AES_")
            self._hash = "sha384" if "SHA384" in self._tls.cipher()[0] else "sha256"
            self._take_keys(secrets["CLIENT_TRAFFIC_SECRET_0"][1])
        else:
            client_random, master = secrets["CLIENT_RANDOM"]
            server_random = server_hello[11:43]
            keys = _prf(master, b"key expansion" + server_random + client_random, 40)
            self._key, self._iv, self._sequence = AESGCM(keys[:16]), keys[32:36], 1

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def recv(self, size):
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                if not self._fill():
                    return b""

    def sendall(self, data):
        """Application data."""
        self._sock.sendall(b"".join(self.seal(DATA, data[at : at + 16384]) for at in range(0, len(data), 16384)))

    def send_records(self, content_type, content, times=1):
        self._sock.sendall(b"".join(self.seal(content_type, content) for _ in range(times)))

    def renew_keys(self):
        """RFC 8446 4.6.3; the server keeps its own."""
        self.send_records(HANDSHAKE, KEY_UPDATE)
        self._take_keys(_expand_label(self._hash, self._secret, b"traffic upd", len(self._secret)))

    def wait_for_end(self):
        """Until the server closes, whatever it sends before; TimeoutError if it does not."""
        try:
            while self._sock.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass

    def seal(self, content_type, content):
        number = struct.pack(">Q", self._sequence)
        self._sequence += 1
        if self._new_version:
            header = struct.pack(">BHH", DATA, 0x303, len(content) + 17)
            nonce = bytes(a ^ b for a, b in zip(self._iv, bytes(4) + number, strict=True))
            return header + self._key.encrypt(nonce, content + bytes([content_type]), header)
        header = struct.pack(">BH", content_type, 0x303)
        sealed = self._key.encrypt(self._iv + number, content, number + header + struct.pack(">H", len(content)))
        return header + struct.pack(">H", len(number + sealed)) + number + sealed

    def _take_keys(self, secret):
        key_bytes = 32 if self._hash == "sha384" else 16
        self._secret, self._sequence = secret, 0
        self._key = AESGCM(_expand_label(self._hash, secret, b"key", key_bytes))
        self._iv = _expand_label(self._hash, secret, b"iv", 12)

    def _fill(self):
        data = self._sock.recv(65536)
        self._incoming.write(data)
        return data

    def _shake_hands(self):
        """What the server said, from its first record on."""
        said = b""
        while True:
            try:
                self._tls.do_handshake()
                self._sock.sendall(self._outgoing.read())
                return said
            except ssl.SSLWantReadError:
                self._sock.sendall(self._outgoing.read())
                said += self._fill()
                assert said, "no ServerHello"
