"""The casts of the last seconds, for workers that have clients before they have a link to this process.

Other backends may admit clients at a worker that this process has not dialled yet. After WELCOME the worker gets the casts that
its clients missed, except casts that have left on an earlier link to it (PROTOCOL.md, section 6).
"""
from __future__ import annotations

import collections
import itertools
import time
from typing import Deque, Dict, List, NamedTuple, Tuple

KEEP = 10.0  # seconds
KEEP_BYTES = 1 << 20
ENTRY_BYTES = 150  # memory of an entry beside its frame


class Cast(NamedTuple):
    at: float
    namespace: str
    number: int
    frame: bytes


class RecentCasts:
    """Not thread-safe: the caller holds a lock."""

    def __init__(self) -> None:
        self._casts: Deque[Cast] = collections.deque()  # oldest first
        self._bytes = 0
        self._next = 0  # number of the next cast
        self._left: Dict[Tuple[str, int], int] = {}  # worker -> number of the first cast that has not left on a link to it

    def __len__(self) -> int:
        return len(self._casts)

    def add(self, namespace: str, number: int, frame: bytes) -> None:
        size = len(frame) + ENTRY_BYTES
        if size > KEEP_BYTES:
            return
        now = time.monotonic()
        self._drop_old(now, KEEP_BYTES - size)
        self._casts.append(Cast(now, namespace, number, frame))
        self._bytes += size
        self._next += 1

    def _drop_old(self, now: float, room: int) -> None:
        while self._casts and (self._bytes > room or now - self._casts[0].at > KEEP):
            self._bytes -= len(self._casts.popleft().frame) + ENTRY_BYTES

    def clear(self) -> None:
        self._casts.clear()
        self._bytes = 0

    def lost(self, edge: str, worker: int) -> None:
        """The link to this worker has ended: all casts so far have left on it, or are older than its clients."""
        self._drop_old(time.monotonic(), KEEP_BYTES)
        oldest = self._next - len(self._casts)
        self._left = {key: number for key, number in self._left.items() if number > oldest}
        if self._casts:
            self._left[edge, worker] = self._next

    def missed_by(self, edge: str, worker: int, since: float) -> List[Cast]:
        """The casts that a worker has missed if its oldest client connected at `since`."""
        self._drop_old(time.monotonic(), KEEP_BYTES)
        left = self._left.get((edge, worker), 0) - (self._next - len(self._casts))
        return [cast for cast in itertools.islice(self._casts, max(left, 0), None) if cast.at >= since]
