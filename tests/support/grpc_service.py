"""A gRPC service without generated code (messages are bytes), its server and channels to it."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

SERVICE = "cppx.test.Echo"
LOCAL = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


class Service:
    """What the calls do; records them. `release` lets go on what waits in Hold."""

    def __init__(self, name):
        self.name = name
        self.calls = []  # (method, metadata as a dictionary, seconds left or None)
        self.cancelled = threading.Semaphore(0)
        self.release = threading.Event()

    def note(self, method, context):
        metadata = {pair.key: pair.value for pair in context.invocation_metadata()}
        self.calls.append((method, metadata, context.time_remaining()))
        return metadata

    def echo(self, message, context):
        """The same message; metadata x-echo comes back as initial and as trailing metadata."""
        metadata = self.note("Echo", context)
        mine = [("x-backend", self.name)]
        if "x-echo" in metadata:
            mine.append(("x-echo", metadata["x-echo"]))
        context.send_initial_metadata(mine)
        context.set_trailing_metadata([("x-end", self.name), ("x-end-bin", b"\x00\xff\n")])
        return message

    def expand(self, message, context):
        """'N SIZE': N messages of SIZE bytes."""
        self.note("Expand", context)
        count, size = map(int, message.split())
        for number in range(count):
            yield (b"%08d" % number).ljust(size, b"x")

    def collect(self, messages, context):
        self.note("Collect", context)
        return b"|".join(messages)

    def chat(self, messages, context):
        """Each message back at once."""
        self.note("Chat", context)
        yield from messages

    def fail(self, message, context):
        """'CODE details': that status, before any message: trailers only."""
        self.note("Fail", context)
        code, _, details = message.decode().partition(" ")
        context.set_trailing_metadata([("x-why", "on purpose")])
        context.abort(getattr(grpc.StatusCode, code), details)

    def fail_late(self, message, context):
        """One message, then the status asked for."""
        yield b"first"
        self.fail(message, context)

    def hold(self, message, context):
        """One message, then nothing until released; tells when it was cancelled."""
        self.note("Hold", context)
        released = []
        # Not after the loop below: a call that ends before its next message is asked for does not get there.
        context.add_callback(lambda: None if released else self.cancelled.release())
        yield message
        while context.is_active():
            if self.release.wait(0.01):
                released.append(True)
                yield b"released"
                return

    def handlers(self):
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
                "Expand": grpc.unary_stream_rpc_method_handler(self.expand),
                "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
                "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
                "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
                "FailLate": grpc.unary_stream_rpc_method_handler(self.fail_late),
                "Hold": grpc.unary_stream_rpc_method_handler(self.hold),
            },
        )


class GrpcServer:
    """A server on loopback; a context manager. `stop(grace)` sends GOAWAY first."""

    def __init__(self, name="grpc", certificate=None, address="127.0.0.1", port=0):
        self.service = Service(name)
        self._server = grpc.server(ThreadPoolExecutor(16), options=LOCAL)
        self._server.add_generic_rpc_handlers([self.service.handlers()])
        place = f"{address}:{port}"
        if certificate:
            pair = [(certificate.key_pem.encode(), certificate.certificate_pem.encode())]
            self.port = self._server.add_secure_port(place, grpc.ssl_server_credentials(pair))
        else:
            self.port = self._server.add_insecure_port(place)
        self.address = address
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, grace=None):
        self.service.release.set()
        self._server.stop(grace).wait()


class Stub:
    """Calls over one channel."""

    def __init__(self, channel):
        self.channel = channel
        self.echo = channel.unary_unary(f"/{SERVICE}/Echo")
        self.expand = channel.unary_stream(f"/{SERVICE}/Expand")
        self.collect = channel.stream_unary(f"/{SERVICE}/Collect")
        self.chat = channel.stream_stream(f"/{SERVICE}/Chat")
        self.fail = channel.unary_unary(f"/{SERVICE}/Fail")
        self.fail_late = channel.unary_stream(f"/{SERVICE}/FailLate")
        self.hold = channel.unary_stream(f"/{SERVICE}/Hold")
        self.missing = channel.unary_unary(f"/{SERVICE}/NoSuchMethod")


@contextlib.contextmanager
def open_stub(port, authority, certificate=None, address="127.0.0.1"):
    """A stub on a channel of its own: plain, or TLS when a certificate to trust is given."""
    options = [*LOCAL, ("grpc.default_authority", authority)]
    place = f"{address}:{port}"
    if certificate:
        credentials = grpc.ssl_channel_credentials(certificate.certificate_pem.encode())
        options.append(("grpc.ssl_target_name_override", authority))
        channel = grpc.secure_channel(place, credentials, options)
    else:
        channel = grpc.insecure_channel(place, options)
    with channel:
        yield Stub(channel)


def failure(call):
    """The RpcError that a call ends with; fails when it ends well."""
    try:
        outcome = call()
        if not isinstance(outcome, bytes):
            outcome = list(outcome)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"the call ended well, with {outcome!r:.200}")
