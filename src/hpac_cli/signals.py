"""Signals that must not be lost."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def holding_signals() -> Iterator[None]:
    """Let signals wait until the end: what a handler raises while Python forks is dropped.

    A child inherits that until it has handlers of its own. Only the main thread handles signals, whichever the system gives them to;
    so to block them would not do where there are others.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    own = [n for n in _NUMBERS if signal.getsignal(n) is not None]  # others are set by a program around Python
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in own}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for came in held:
            signal.raise_signal(came)
