"""The history of rooms, which the edge keeps (docs/history.md): joining a room with its last events, reading events and removing
them. The edge answers each question within a few seconds. A question of a link that is lost fails at once."""
from __future__ import annotations

import asyncio
import collections
import itertools
import threading
from dataclasses import dataclass
from typing import Any, Callable, Deque, List, Optional, Sequence, Union

from . import frames
from .frames import Codec, Frame, FrameError
from .link import Link
from .mesh import Mesh
from .sessions import OPENING, Socket

MAX_QUESTIONS = 10000  # of one link
MAX_READS = 16  # unanswered HISTORY questions that the edge accepts on a link; the others wait here
MAX_ID = 64  # characters of the id of an event
ANSWER_WITHIN = 30.0  # seconds that a thread waits, for its turn too; the edge answers a question, or the link is lost, long before

OLD_EDGE = "the edge does not support history, because it is older than this package"
NO_HISTORY = 'the edge keeps no history: start it with --history, for example --history "room:*=50/1h"'
FAULTS = {
    "argument": "the id of an event is not valid",
    "not-found": "no rule of the edge's --history matches this room",
    "too-many": "too many questions or answers wait",
    "state": "the server is closing",
    "timeout": "no answer in time",
    "refused": "Redis does not allow the edge to do this; the edge's log says why",
    "lost": "the link to the edge was lost before the answer came",
    "system": "the edge is out of memory",
}
JOIN_FAULTS = {
    "argument": "the name of the room is not valid",
    "too-big": "the name of the room is too long",
    "too-many": "too many joins wait, the client is in too many rooms, or more events came meanwhile than can be held",
    "state": "the client is not connected yet, or has left the room; it got no history",
    "timeout": "the history could not be read in time; the client is in the room",
    "refused": "Redis does not allow the edge to read the history, and the edge's log says why; the client is in the room",
    "system": "the edge is out of memory",
}


class HistoryError(Exception):
    """`code` is "unsupported" (the edge keeps no history), "lost", or a word of PROTOCOL.md."""

    def __init__(self, what: str, code: str, text: Optional[str] = None) -> None:
        super().__init__(f"{what}: {text or code}")
        self.code = code


@dataclass(frozen=True)
class HistoryEvent:
    id: str
    time: float  # seconds since 1970
    event: str
    args: List[Any]


Result = Union[int, List[HistoryEvent], HistoryError]
Done = Callable[[Result], None]  # called once
GiveUp = Callable[[], None]  # the caller has stopped waiting: removes its question from the queue
Answered = Callable[[str, int, List[HistoryEvent]], None]


class _Question:
    def __init__(self, done: Answered) -> None:
        self.done, self.events = done, []  # type: Answered, List[HistoryEvent]


def count_of(history: Union[bool, int]) -> int:
    """The number of events to ask for; 0 stands for all events that the edge keeps."""
    if history is True:
        return 0
    if isinstance(history, int) and history > 0:
        return min(history, 0xFFFFFFFF)
    raise ValueError(f"history must be True or a number above 0, not {history!r}")


def missing_at(link: Link) -> Optional[str]:
    """What the edge lacks to answer questions."""
    if "history" not in link.options:
        return OLD_EDGE
    return None if link.options["history"] else NO_HISTORY


class History:
    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._reads = 0  # questions that are HISTORY
        self._waiting: Deque[Callable[[], bool]] = collections.deque()  # each sends a HISTORY; oldest first

    def join(self, socket: Socket, room: str, count: int, done: Done) -> None:
        """Adds a socket to a room at the edge. The result is the number of events that were sent to the client."""
        def answered(error: str, sent: int, events: List[HistoryEvent]) -> None:
            gone = error == "lost" or (error == "state" and socket.link.handles.get(socket.handle) is not socket)
            # a client that has left needs no history
            done(sent if not error or gone else HistoryError(f"joining {room!r} with history", error, JOIN_FAULTS.get(error)))
        body = frames.put_u32(count) + frames.put_text(_name(room))
        error = self._ask(socket.link, frames.CATCHUP, body, answered, lambda link, frame: link.send(frame), handle=socket.handle)
        if error == "too-many":
            socket.send(frames.JOIN, frames.put_rooms([room]))
        if error:
            answered(error, 0, [])

    def enter(self, socket: Socket, room: str, count: int, done: Done, *, is_in: bool) -> bool:
        """Joins a socket of this process. Before it is accepted, the room is kept for accepted(). Returns False if
        the edge keeps no history: the caller then sends JOIN. `is_in`: the socket is in the room already; if it has been
        there all the time, although this process is new or its client was lost, it has missed nothing."""
        missing = missing_at(socket.link)
        if missing is not None:
            done(HistoryError(f"joining {room!r} with history", "unsupported", missing))
            return False
        if socket.recovered and is_in:
            done(0)
        elif socket.state == OPENING:
            socket.early = [*socket.early, (room, count)]
            done(0)
        else:
            self.join(socket, room, count, done)
        return True

    def accepted(self, socket: Socket, rooms: Sequence[str]) -> None:
        """ACCEPT has been sent. Asks for the history of the rooms that were joined before, if the socket is still in them."""
        early, socket.early = socket.early, []
        for room, count in early:
            if room in rooms:
                self.join(socket, room, count, lambda result: None)

    def read(self, mesh: Mesh, namespace: str, room: str, limit: Optional[int], before: Optional[str], after: Optional[str],
             done: Done) -> Optional[GiveUp]:
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ValueError(f"limit must be a whole number above 0, not {limit!r}")
        body = frames.put_u32(min(limit or 0, 0xFFFFFFFF)) + frames.put_text(_name(room)) + frames.put_text(_id(before)) \
            + frames.put_text(_id(after))
        what = f"the history of {room!r}"

        def ask() -> bool:
            return self._question(mesh, frames.HISTORY, body, namespace, what, done, lambda count, events: events, self._next_read)

        def ask_later() -> bool:
            try:
                return ask()
            except ValueError as error:
                done(HistoryError(what, "too-big", str(error)))
                return False
        with self._lock:
            waits, is_full = self._reads >= MAX_READS, len(self._waiting) >= MAX_QUESTIONS
            if not waits:
                self._reads += 1
            elif not is_full:
                self._waiting.append(ask_later)
        if waits and is_full:
            done(HistoryError(what, "too-many", FAULTS["too-many"]))
        if waits:
            return lambda: self._give_up(ask_later)
        asked = False
        try:
            asked = ask()
        finally:
            if not asked:
                self._next_read()
        return None

    def _give_up(self, ask: Callable[[], bool]) -> None:
        with self._lock:
            if ask in self._waiting:
                self._waiting.remove(ask)

    def _next_read(self) -> None:
        """A HISTORY has ended: sends the next one that waits."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._reads -= 1
                    return
                ask = self._waiting.popleft()
            if ask():
                return

    def remove(self, mesh: Mesh, namespace: str, room: str, id: Optional[str], done: Done) -> None:
        """`id` None: all events."""
        body = frames.put_text(_name(room)) + frames.put_text(_id(id))
        self._question(mesh, frames.FORGET, body, namespace, f"the removal from the history of {room!r}", done,
                       lambda count, events: count)

    def _question(self, mesh: Mesh, type: int, body: bytes, namespace: str, what: str, done: Done,
                  result: Callable[[int, List[HistoryEvent]], Result], ended: Callable[[], None] = lambda: None) -> bool:
        """Any edge can answer, because the edges of a cluster share the history. Returns False if the question was not sent; then
        `done` has been called. Otherwise `ended` is called after `done`."""
        links = mesh.links
        missing = missing_at(links[0]) if links else "no edge is attached"
        if missing is not None:
            done(HistoryError(what, "unsupported", missing))
            return False
        number = mesh.number(namespace)

        def answered(error: str, count: int, events: List[HistoryEvent]) -> None:
            try:
                done(HistoryError(what, error, FAULTS.get(error)) if error else result(count, events))
            finally:
                ended()
        failed = self._ask(links[0], type, body, answered, lambda link, frame: link.cast(number, namespace, frame), nsp=number)
        if failed:
            done(HistoryError(what, failed, FAULTS[failed]))
        return not failed

    def _ask(self, link: Link, type: int, body: bytes, answered: Answered, send: Callable[[Link, bytes], bool], nsp: int = 0,
             handle: int = 0) -> str:
        """Returns "", or the error if the question was not sent; then `answered` is not called. Raises what `send` does."""
        if len(link.questions) >= MAX_QUESTIONS:
            return "too-many"
        id = next(self._ids) & 0xFFFFFFFF
        link.questions[id] = _Question(answered)
        sent = False
        try:
            sent = send(link, frames.pack(type, body, 0, nsp, handle, id))
        finally:
            unanswered = not sent and link.questions.pop(id, None) is not None
        return "lost" if unanswered else ""  # the loss of the link may have answered it already

    @staticmethod
    def _end(link: Link, id: int, error: str, count: int = 0) -> None:
        question = link.questions.pop(id, None)
        if question is not None:
            question.done(error, count, question.events)

    def past(self, link: Link, frame: Frame, codec: Codec) -> None:
        """Handles PAST: an event, or the end of an answer."""
        if frame.flags & frames.F_LAST:
            count, at = frames.take_u32(frame.body)
            error, at = frames.take_text(frame.body, at)
            return self._end(link, frame.id, error, count)
        question = link.questions.get(frame.id)
        if question is None:
            return
        id, at = frames.take_text(frame.body)
        low, at = frames.take_u32(frame.body, at)
        high, at = frames.take_u32(frame.body, at)
        values = codec.decode(frame.body, bool(frame.flags & frames.F_BIN), at)
        if not values:
            raise FrameError("an event of a history without a name")
        question.events.append(HistoryEvent(id, (high << 32 | low) / 1000, values[0], values[1:]))

    def lost(self, link: Link) -> None:
        for id in list(link.questions):
            self._end(link, id, "lost")


def _name(room: Any) -> str:
    if len(str(room).encode()) > 65535:
        raise ValueError("the name of a room is longer than 65,535 bytes")
    return str(room)


def _id(id: Optional[str]) -> str:
    if id is not None and (not isinstance(id, str) or not 0 < len(id) <= MAX_ID):
        raise ValueError(f"{id!r} is not the id of an event")
    return id or ""


def as_future(loop: asyncio.AbstractEventLoop, ask: Callable[[Done], Optional[GiveUp]]) -> "asyncio.Future[Any]":
    """Asks, and returns the result as a future, which the application may cancel. asyncio does not report an error that the
    application ignores."""
    future: asyncio.Future[Any] = loop.create_future()
    future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def done(result: Result) -> None:
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
    give_up = ask(done)
    if give_up is not None:
        future.add_done_callback(lambda ended: give_up() if ended.cancelled() else None)
    return future


def wait_for(ask: Callable[[Done], Optional[GiveUp]], late: Optional[Exception] = None) -> Any:
    """Asks, and waits for the result in this thread. Raises `late`, or a HistoryError, if it does not come in time."""
    came, results = threading.Event(), []  # type: threading.Event, List[Result]

    def done(result: Result) -> None:
        results.append(result)
        came.set()
    give_up = ask(done)
    if not came.wait(ANSWER_WITHIN):
        if give_up is not None:
            give_up()
        raise late or HistoryError("history", "timeout", FAULTS["timeout"])
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]
