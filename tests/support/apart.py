"""Servers in a process of their own, where they do not wait for the threads of the test."""

import contextlib
import multiprocessing

from support.waiting import scaled


class Apart:
    """The test's end of the pipe to such a process."""

    def __init__(self, pipe):
        self._pipe = pipe

    def recv(self, what, seconds=20.0):
        """The next thing that the process says."""
        assert self._pipe.poll(scaled(seconds)), f"waited {scaled(seconds):.1f} s in vain for {what}"
        return self._pipe.recv()

    def ask(self, question, seconds=20.0):
        """Says something and waits for what the process says to it."""
        self._pipe.send(question)
        return self.recv(f"the answer to {question!r}", seconds)


@contextlib.contextmanager
def apart(serve, *arguments):
    """Runs `serve(pipe, *arguments)`, which must end when reading from the pipe raises EOFError."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=serve, args=(its, *arguments), daemon=True)
    process.start()
    its.close()
    try:
        yield Apart(mine)
    finally:
        mine.close()
        process.join(scaled(10))
        if process.is_alive():
            process.kill()
            process.join()
    assert process.exitcode == 0, f"{serve.__name__} ended with {process.exitcode}"
