"""One link to one worker of an edge, without a socket. The driver feeds bytes and times in, and takes frames and bytes to write.

    state   event                                        next
    NEW     CHALLENGE comes                              HELLO is sent: ASKED
    ASKED   WELCOME comes                                READY
    any     BYE, malformed bytes, silence, a full queue  LinkLost is raised, once; the driver closes the connection

The drivers are aio.py and threads.py. All functions may be called from any thread.
"""
from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Optional

from . import frames
from .frames import Frame, FrameError

NEW, ASKED, READY, LOST = "new", "asked", "ready", "lost"
HELLO_TIMEOUT = 5.0  # seconds until WELCOME
SECOND_WAY = "another address led to the same worker"  # a reason of this process, which no edge sends
HIGH_WATER = 1 << 20  # queued bytes above which senders wait, if they can


class LinkLost(Exception):
    """The link has ended. `reason` is a word of PROTOCOL.md, or describes what happened to the connection."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass
class Hello:
    """The content of HELLO."""
    instance: str
    group: str = ""
    namespaces: Optional[List[str]] = None
    weight: int = 1
    secret: Optional[bytes] = None
    upstream: Optional[str] = None
    app: str = ""
    pid: int = 0

    def body(self, worker: int, nonce: str) -> bytes:
        hello: Dict[str, Any] = {"v": [1], "instance": self.instance, "worker": worker, "group": self.group,
                                 "namespaces": self.namespaces, "weight": self.weight, "language": "python",
                                 "pid": self.pid, "app": self.app, "recovery": True}
        if self.secret is not None:
            hello["proof"] = hmac.new(self.secret, f"{nonce}\n{self.instance}".encode(), hashlib.sha256).hexdigest()
        if self.upstream:
            hello["upstream"] = self.upstream
        return frames.dumps(hello)


class Link:
    def __init__(self, hello: Hello, worker: int, now: float, wake: Callable[[], None], max_queued: int = 64 << 20,
                 is_linked: Callable[[str, int], bool] = lambda edge, worker: False) -> None:
        """`wake` is called, without any lock held, when there are bytes to take. `is_linked` says whether another link
        leads to this worker of this edge: a second link would end the first."""
        self._is_linked = is_linked
        self.hello = hello
        self.worker = worker
        self.state = NEW
        self.edge = ""
        self.workers = 0
        self.since = 0.0  # earliest time (that of feed()) at which a client of this worker can have connected
        self.options: Dict[str, Any] = {}
        self.peers: List[str] = []
        self.draining = False  # the edge has answered our DRAIN
        self.names: Dict[int, str] = {0: "/"}  # the edge's numbers of namespaces
        self.handles: Dict[int, Any] = {}  # the owner's sessions and sockets
        self.casts: Dict[int, Any] = {}  # the owner's casts that wait for answers
        self.questions: Dict[int, Any] = {}  # the owner's questions about the history of rooms
        self.who: Dict[int, Any] = {}  # the owner's questions about presence
        self.settings: Dict[int, Any] = {}  # the owner's settings of presence that are not answered yet
        self._said = {0}  # our numbers of namespaces that the edge knows
        self._reader = frames.Reader()
        self.wake = wake
        self._max_queued = max_queued
        self._lock = threading.RLock()
        self._out: List[bytes] = []  # may be written now
        self._out_bytes = 0
        self._waiting: Deque[bytes] = deque()  # waits for window
        self._waiting_bytes = 0
        self._window = 0
        self._room = 0  # window that is left
        self._processed = 0  # processed bytes that WINDOW has not given back
        self._ping = 0.0
        self.max_frame = frames.MAX_FIRST_FRAME
        self.fault: Optional[LinkLost] = None
        self._heard = self._ticked = self._born = now
        self._pings = 0

    # ------------------------------------------------------------------ in

    def feed(self, data: bytes, now: float) -> List[Frame]:
        """Returns the frames for the owner: WELCOME and all frames about clients. Raises LinkLost at the end of the
        link."""
        self._heard = now
        found: List[Frame] = []
        if self.state == LOST:
            return found  # after our BYE
        try:
            for frame in self._reader.feed(data):
                if self._is_for_owner(frame):
                    found.append(frame)
        except (FrameError, ValueError, KeyError, TypeError) as error:
            self.lose()
            raise LinkLost("protocol", str(error)) from error
        return found

    def _is_for_owner(self, frame: Frame) -> bool:
        type = frame.type
        if self.state == READY:
            if (frames.NSPASK <= type <= frames.CONNERR and type != frames.PEERS) or type in (
                    frames.DRAIN, frames.ENDED, frames.PAST, frames.PRESENT, frames.CHANGE):
                return True
            self._control(frame)
            return False
        if type == frames.CHALLENGE and self.state == NEW:
            challenge = json.loads(frame.body)
            if 1 not in challenge["v"]:
                raise FrameError(f"the edge speaks version {challenge['v']} of the backend protocol; this package speaks version 1")
            self.edge = str(challenge["edge"])
            if self._is_linked(self.edge, self.worker):
                self.lose()
                raise LinkLost(SECOND_WAY)
            self.state = ASKED
            self.since = self._heard
            self._write(frames.pack(frames.HELLO, self.hello.body(self.worker, challenge["nonce"])))
        elif type == frames.WELCOME and self.state == ASKED:
            self._welcome(json.loads(frame.body))
            return True
        elif type == frames.BYE:
            self._control(frame)
        elif not frame.flags & frames.F_OPTIONAL:
            raise FrameError(f"a frame of type {type} before WELCOME")
        return False

    def _welcome(self, welcome: Dict[str, Any]) -> None:
        self.edge, self.workers = str(welcome["edge"]), int(welcome["workers"])
        self.since -= float(welcome.get("up", float("inf"))) / 1000
        self.options = dict(welcome.get("options") or {})
        self._window = self._room = int(welcome["window"])
        self._ping = int(welcome["ping"]) / 1000
        self._reader.max_frame = int(welcome["maxFrame"])
        self.max_frame = self._reader.max_frame
        self.state = READY

    def _control(self, frame: Frame) -> None:
        if frame.type == frames.PING:
            self._write(frames.pack(frames.PONG, id=frame.id))
            return
        if frame.type == frames.WINDOW:
            return self._refill(frame.id)
        if frame.type == frames.BYE:
            self.lose()
            raise LinkLost(frame.body.decode(errors="replace") or "bye", "the edge has sent BYE")
        if frame.type == frames.PONG:
            return
        self.processed(frame.size)
        if frame.type == frames.NSP:
            self.names[frame.nsp] = frame.body.decode()
        elif frame.type == frames.PEERS:
            self.peers = [str(peer) for peer in json.loads(frame.body)]
        elif not frame.flags & frames.F_OPTIONAL:
            raise FrameError(f"an unexpected frame of type {frame.type}")

    def processed(self, size: int) -> None:
        """Frames of `size` bytes have been processed. The edge may send as many again."""
        with self._lock:
            self._processed += size
            if self._processed * 2 < self._window or self.state != READY:
                return
            give, self._processed = self._processed, 0
        self._write(frames.pack(frames.WINDOW, id=give))

    # ----------------------------------------------------------------- out

    def send(self, frame: bytes, volatile: bool = False) -> bool:
        """Queues a frame. Returns False if it is dropped, because the link has ended, or because the frame is volatile
        and there is no window. When more than `max_queued` bytes wait, the link is given up: the driver is woken and
        finds `fault`. Raises ValueError if the frame is longer than the edge accepts."""
        with self._lock:
            sent = self._queue(frame, volatile)
        self.wake()
        return sent

    def cast(self, number: int, name: str, frame: bytes, volatile: bool = False) -> bool:
        """Like send(), after an NSP frame if the edge does not know our number of the namespace yet."""
        sent = self.queue_cast(number, name, frame, volatile)
        self.wake()
        return sent

    def queue_cast(self, number: int, name: str, frame: bytes, volatile: bool = False) -> bool:
        """Like cast(), but the caller must wake the driver after it has released its locks."""
        with self._lock:
            if number not in self._said and self.state == READY:
                self._said.add(number)
                self._queue(frames.pack(frames.NSP, name.encode(), nsp=number), False)
            return self._queue(frame, volatile)

    def _queue(self, frame: bytes, volatile: bool) -> bool:
        if self.state != READY:
            return False
        if len(frame) - frames.HEAD > self.max_frame:
            raise ValueError(f"a message of {len(frame)} bytes; the edge accepts at most {self.max_frame}")
        if not self._waiting and self._fits(frame):
            self._room -= len(frame)
            self._out.append(frame)
            self._out_bytes += len(frame)
            return True
        if volatile:
            return False
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        if self.queued <= self._max_queued:
            return True
        self.fault = LinkLost("queue", f"{self.queued} bytes wait for the edge; at most {self._max_queued} are allowed")
        self.lose()
        return False

    def _fits(self, frame: bytes) -> bool:
        return len(frame) <= self._room or self._room * 2 > self._window

    def _refill(self, size: int) -> None:
        with self._lock:
            self._room = min(self._room + size, self._window)
            while self._waiting and self._fits(self._waiting[0]):
                frame = self._waiting.popleft()
                self._waiting_bytes -= len(frame)
                self._room -= len(frame)
                self._out.append(frame)
                self._out_bytes += len(frame)
        self.wake()

    def _write(self, frame: bytes) -> None:
        """Queues a frame that needs no window."""
        with self._lock:
            self._out.append(frame)
            self._out_bytes += len(frame)
        self.wake()

    def take(self) -> bytes:
        """All bytes that may be written now, or b""."""
        with self._lock:
            if not self._out:
                return b""
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._out_bytes = 0
            return data

    @property
    def has_out(self) -> bool:
        return bool(self._out)

    @property
    def queued(self) -> int:
        return self._out_bytes + self._waiting_bytes

    @property
    def is_crowded(self) -> bool:
        """Whether so many bytes are queued that a sender should wait if it can."""
        return self.queued > HIGH_WATER and self.state == READY

    # ---------------------------------------------------------------- time

    def tick(self, now: float) -> None:
        """Call this once or twice a second. Raises LinkLost if the edge is silent."""
        late = now - self._ticked > 2.0  # this process was stopped, and has not read the bytes that came meanwhile
        self._ticked = now
        if late:
            self._heard = now
        if self.state in (NEW, ASKED):
            if now - self._born > HELLO_TIMEOUT:
                self.lose()
                raise LinkLost("timeout", "no WELCOME from the edge")
        elif self.state == READY:
            silence = now - self._heard
            if silence > 2 * self._ping:
                self.lose()
                raise LinkLost("timeout", f"no byte from the edge for {silence:.1f} s")
            if silence > self._ping:
                self._pings += 1
                self._write(frames.pack(frames.PING, id=self._pings & 0xFFFFFFFF))

    def lose(self) -> None:
        with self._lock:
            self.state = LOST
            self._waiting.clear()
            self._waiting_bytes = 0

    def farewell(self, reason: str) -> None:
        """Sends BYE as the last frame."""
        with self._lock:
            if self.state != READY:
                return
            self.state = LOST
            self._out.append(frames.pack(frames.BYE, reason.encode()))
        self.wake()
