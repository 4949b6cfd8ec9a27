"""How long things may take, how big they may be, and when a failed upstream is tried again."""

import attrs


@attrs.frozen
class Limits:
    """Seconds, except where it says otherwise."""

    start: float = 60.0
    """A start, from the command to the lists. Package runners download first; some servers need 6 s without that."""
    message_bytes: int = 64 * 1024 * 1024
    """The longest single message that is taken from an upstream."""
    first_retry: float = 0.5
    longest_retry: float = 30.0
    crash_loop_after: int = 5
    """Failures in a row, each soon after its start."""
    slow_retry: float = 60.0
    slowest_retry: float = 300.0
    stable: float = 30.0
    """A connection that held this long was no failed start: counting begins anew."""
    patience: float = 10.0
    """How long a server may be silent on the question for its era before it is also asked the old way."""
    check_every: float = 60.0
    """How often a remote server is asked for a sign of life and for its lists."""
    between_lists: float = 0.2
    """The shortest time between two readings of an upstream's lists."""
    list_seconds: float = 30.0
    grace: float = 2.0
    """Between closing a child's input, SIGTERM and SIGKILL."""

    def crash_loop(self, failures: int) -> bool:
        return failures >= self.crash_loop_after

    def delay(self, failures: int, random: float) -> float:
        """Seconds to wait after so many failures in a row; ``random`` from 0 to 1 spreads them over one half."""
        if self.crash_loop(failures):
            longest, first, steps = self.slowest_retry, self.slow_retry, failures - self.crash_loop_after
        else:
            longest, first, steps = self.longest_retry, self.first_retry, failures - 1
        return float(min(longest, first * 2 ** min(steps, 32)) * (0.5 + 0.5 * random))


DEFAULT = Limits()
