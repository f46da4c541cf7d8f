"""Stop cleanly: a signal, a dead parent or the end of the wall time ends the work at once.

No half product is left behind.
"""

import os
import signal
import time
from collections.abc import Callable

# set in the environment of processes that must not outlive the one that started them
FOLLOW_PARENT = "HALOBIND_FOLLOW_PARENT"


class Stopped(BaseException):
    """The process was asked to stop.

    Not an Exception: no handler for failures may take it for one.
    """


class StopSignal:
    """Turns the first stop signal into Stopped, wherever the process is.

    Products are published by rename, so any place is safe. `reason` says why the process stops, and
    `late` whether it was the wall time.
    """

    def __init__(
        self, walltime_s: float | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to count.

        Args:
            walltime_s: Seconds from now on after which to stop; None: no limit.
            now: The clock that counts them, in seconds.
        """
        self.reason: str | None = None
        self.late = False
        self.now = now
        self._end = None if walltime_s is None else now() + walltime_s
        self._parent = os.getppid() if FOLLOW_PARENT in os.environ else None

    def listen(self) -> "StopSignal":
        """Catch SIGINT, SIGTERM and SIGHUP; a second one kills.

        Those that the process was started to ignore (nohup) stay ignored.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._catch)
        return self

    def _catch(self, number: int, _frame: object) -> None:
        if self.reason is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.reason = signal.Signals(number).name
        raise Stopped(self.reason)

    def left_s(self) -> float:
        """Seconds of wall time left; infinite without one."""
        return float("inf") if self._end is None else self._end - self.now()

    def check(self) -> None:
        """Raise Stopped when asked to stop.

        A signal counts again here, because it may have come where Python swallows exceptions.
        """
        if self.reason is None and self.left_s() <= 0:
            self.reason = "the wall time ended"
            self.late = True
        if self.reason is None and self._parent is not None and os.getppid() != self._parent:
            self.reason = "the parent process ended"
        if self.reason is not None:
            raise Stopped(self.reason)
