"""Waiting for a condition with a deadline, stretched by CPPX_SLOW, which ./test sets, for busy machines and sanitizers."""

import os
import time

SLOW = float(os.environ.get("CPPX_SLOW", "1"))


def scaled(seconds):
    """A time limit, stretched for slow builds."""
    return seconds * SLOW


def milliseconds(seconds):
    """A time as settings of cppx and Kubernetes write it."""
    return f"{round(seconds * 1000)}ms"


def wait_for(condition, seconds=5.0, what="the condition", every=0.005):
    """Calls `condition` until it returns something true and returns that; fails after `seconds` (stretched)."""
    end = time.monotonic() + scaled(seconds)
    while True:
        outcome = condition()
        if outcome:
            return outcome
        if time.monotonic() > end:
            raise AssertionError(f"waited {scaled(seconds):.1f} s in vain for {what}")
        time.sleep(every)
