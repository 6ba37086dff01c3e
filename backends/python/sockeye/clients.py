"""Carries out the frames of all links. Each client has a lane, in which its work is done in order. A running handler
holds a part of the link's window. A drain hands the clients over. Subclasses in glue.py and backend.py define the
work."""
from __future__ import annotations

import inspect
import json
import logging
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Callable, Coroutine, Iterator, List, Optional, Set, Tuple

from . import frames
from .frames import Frame
from .history import History
from .presence import Presence, read_settings
from .link import Link
from .mesh import Mesh, Options, Owner
from .sessions import OPEN, Lane, Registry, Session, Socket, event_number

log = logging.getLogger("sockeye")
PATIENCE = 5.0  # seconds after which a running handler no longer holds the window

# The socket whose handler runs. Before anything is emitted, the data that its handler has changed goes to the edge: a client that
# hears of the change may rely on it, although this process may end right after.
_served: ContextVar[Optional[Socket]] = ContextVar("sockeye_served", default=None)


@contextmanager
def serving(socket: Socket) -> Iterator[None]:
    token = _served.set(socket)
    try:
        yield
    finally:
        _served.reset(token)


def served() -> Optional[Socket]:
    return _served.get()


class Answer:
    """The number of an acknowledgement, while a handler works. The answer goes to the link that asked, or is dropped
    with it."""
    __slots__ = ("socket", "number")

    def __init__(self, socket: Socket, number: int) -> None:
        self.socket, self.number = socket, number


class Work:
    """A running handler. It holds a part of the link's window until it ends, or has run for PATIENCE seconds or a little more."""
    __slots__ = ("session", "size")

    def __init__(self, session: Session, size: int) -> None:
        self.session, self.size = session, size


class Clients(Owner):
    mesh: Mesh

    def __init__(self, options: Options, codec: frames.Codec) -> None:
        self.options, self.codec = options, codec
        self.registry = Registry()
        self.room_history = History()
        self.room_presence = Presence(read_settings(options.presence))
        self._changes = Lane("presence")
        self.draining = False
        self._lock = threading.Lock()
        self._work: Tuple[Set[Work], Set[Work]] = (set(), set())  # the handlers that began in this period, and in the one before
        self._swept = time.monotonic()

    # ------------------------------------------ implemented by the drivers

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Runs a coroutine function concurrently."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    async def close_links(self) -> None:
        raise NotImplementedError

    async def call(self, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Calls a function that is a coroutine function in some versions of python-socketio and a plain one in others.
        """
        result = function(*args, **kw)
        return await result if inspect.isawaitable(result) else result

    # --------------------------- implemented for each kind of application

    in_turn = False  # True: the next event of a client waits until the handler of the previous one has ended

    async def begin(self, session: Session) -> None:
        """A client has come. Its first socket opens next."""

    async def open(self, socket: Socket) -> None:
        """Calls accept() or refuse() of the socket. If it calls neither, the client is refused."""

    async def event(self, socket: Socket, values: List[Any], answer: Optional[Answer]) -> None:
        """The client has emitted an event. `values` begin with its name."""

    async def acked(self, socket: Socket, number: int, values: List[Any]) -> None:
        """The client has answered the emit of this number."""

    async def closed(self, socket: Socket, reason: str) -> None:
        """The socket has left, or its link has ended."""

    async def ended(self, session: Session) -> None:
        """The client has left, after its sockets."""

    async def session_ended(self, namespace: str, sid: str, data: Any, reason: str) -> None:
        """A client that was lost cannot come back as the same socket: "expired", "displaced" or "failed"."""

    async def moved(self, socket: Socket, rooms: List[str], joins: bool) -> None:
        """The edge's HTTP API or another server of the cluster has changed the rooms."""

    def mirror(self, socket: Socket) -> None:
        """Sends the socket's data to the edge if it has changed."""

    def serves(self, namespace: str) -> bool:
        raise NotImplementedError

    def on_peer(self, instance: str, text: bytes) -> None:
        """A message of another backend."""

    # ---------------------------------------------------------- frames come in

    def on_ready(self, link: Link) -> None:
        self.room_presence.ready(self.mesh, link)

    def on_frame(self, link: Link, frame: Frame) -> None:
        type = frame.type
        if type in (frames.EVENT, frames.ACKED, frames.CLOSED, frames.JOIN, frames.LEAVE, frames.TRANSPORT):
            whose = link.handles.get(frame.handle)
            if whose is None:
                link.processed(frame.size)
            elif isinstance(whose, Socket):
                self._on_socket_frame(link, whose, frame)
            else:
                self._on_session_frame(link, whose, frame)
        elif type == frames.SESSION:
            session = self.registry.add_session(link, frame)
            self._push(session.lane, self._begin, session, frame.size)
        elif type == frames.OPEN:
            socket = self.registry.add_socket(link, frame)
            self._push(socket.session.lane, self._open, socket, frame.size)
        elif type == frames.NSPASK:
            name, at = frames.take_text(frame.body)
            link.send(frames.pack(frames.NSPANSWER, b"", frames.F_ACK if self.serves(name) else 0, id=frame.id))
            link.processed(frame.size)
        elif type == frames.CASTED:
            self.mesh.casted(link, frame, self.codec)
            link.processed(frame.size)
        elif type == frames.PAST:
            self.room_history.past(link, frame, self.codec)
            link.processed(frame.size)
        elif type == frames.PRESENT:
            self.room_presence.present(link, frame)
            link.processed(frame.size)
        elif type == frames.CHANGE:
            handler = self.room_presence.change(link, frame)
            if handler is None:
                link.processed(frame.size)
            else:
                self._push(self._changes, self._presence_changed, handler, link, frame.size)
        elif type == frames.ENDED:
            self._on_ended(link, frame)
            link.processed(frame.size)
        elif type == frames.PEER:
            instance, at = frames.take_text(frame.body)
            self.on_peer(instance, frame.body[at:])
            link.processed(frame.size)
        elif type == frames.DRAIN:  # handled here and not in the link: when a drain sees this, the events before it have begun
            link.draining = link.draining or bool(frame.flags & frames.F_ACK)
            link.processed(frame.size)
        elif type == frames.REQUEST:  # HELLO does not ask for it
            link.send(frames.pack(frames.RESPONSE, b'{"allow":true}', id=frame.id))
            link.processed(frame.size)
        else:
            link.processed(frame.size)

    def _on_ended(self, link: Link, frame: Frame) -> None:
        namespace = link.names.get(frame.nsp)
        if namespace is None:
            raise frames.FrameError("ENDED for an unknown namespace")
        sid, at = frames.take_text(frame.body)
        reason, at = frames.take_text(frame.body, at)
        data, at = frames.take_text(frame.body, at)
        try:
            value = json.loads(data) if data else None
        except (ValueError, RecursionError) as error:
            raise frames.FrameError("not JSON") from error
        self.spawn(self._session_ended, namespace, sid, value, reason)

    async def _session_ended(self, namespace: str, sid: str, data: Any, reason: str) -> None:
        try:
            await self.session_ended(namespace, sid, data, reason)
        except Exception:
            log.exception("the handler of the end of a session failed")

    async def _presence_changed(self, handler: Callable[[], Any], link: Link, size: int) -> None:
        try:
            await self.call(handler)
        except Exception:
            log.exception("the handler of a change of presence failed")
        finally:
            link.processed(size)

    def _on_socket_frame(self, link: Link, socket: Socket, frame: Frame) -> None:
        lane = socket.session.lane
        if frame.type == frames.EVENT:
            number, at = event_number(frame)
            values = self.codec.decode(frame.body, bool(frame.flags & frames.F_BIN), at)
            if not values:
                raise frames.FrameError("an event without a name")
            answer = None if number is None else Answer(socket, number)
            work = self._begin_work(socket.session, frame.size)
            if self.in_turn:
                self._push(lane, self._event, socket, values, answer, work)
            elif lane.busy:
                self._push(lane, self._spawn_event, socket, values, answer, work)
            else:
                self.spawn(self._event, socket, values, answer, work)
        elif frame.type == frames.ACKED:
            values = self.codec.decode(frame.body, bool(frame.flags & frames.F_BIN))
            self._push(lane, self._acked, socket, frame.id, values, frame.size)
        elif frame.type == frames.CLOSED:
            del link.handles[frame.handle]
            self._push(lane, self._closed, socket, frame.body.decode(errors="replace"), frame.size)
        elif frame.type in (frames.JOIN, frames.LEAVE):
            rooms, at = frames.take_rooms(frame.body)
            self._push(lane, self._moved, socket, rooms, frame.type == frames.JOIN, frame.size)
        else:
            raise frames.FrameError(f"a frame of type {frame.type} with the handle of a socket")

    def _on_session_frame(self, link: Link, session: Session, frame: Frame) -> None:
        if frame.type == frames.CLOSED:
            del link.handles[frame.handle]
            self._push(session.lane, self._end, session, frame.size)
            return
        if frame.type != frames.TRANSPORT:
            raise frames.FrameError(f"a frame of type {frame.type} with the handle of a session")
        session.transport = frame.body.decode(errors="replace")
        link.processed(frame.size)

    def on_lost(self, link: Link, reason: str) -> None:
        self.room_history.lost(link)
        self.room_presence.lost(self.mesh, link)
        if not self.mesh.closing:
            for session in self.registry.of(link):
                self._push(session.lane, self._lost, session)
        link.handles.clear()

    # ------------------------------------------------ one client's work, in order

    def _push(self, lane: Lane, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        with self._lock:
            lane.work.append((function, *args))
            if lane.busy:
                return
            lane.busy = True
        self.spawn(self._run_lane, lane)

    async def _run_lane(self, lane: Lane) -> None:
        while True:
            with self._lock:
                if not lane.work:
                    lane.busy = False
                    return
                function, *args = lane.work.popleft()
            try:
                await function(*args)
            except Exception:
                log.exception("an error while serving client %s", lane.id)

    async def _begin(self, session: Session, size: int) -> None:
        self.registry.begin(session)
        session.link.processed(size)
        await self.begin(session)

    async def _open(self, socket: Socket, size: int) -> None:
        await self._former_left(socket)
        self.registry.open(socket)
        try:
            await self.open(socket)
        finally:
            if socket.state != OPEN:
                socket.refuse({"message": "Connection rejected by server"})
                socket.link.handles.pop(socket.handle, None)
                self.registry.close(socket)
            socket.link.processed(size)

    async def _former_left(self, socket: Socket) -> None:
        """A client may be back before its loss was noticed. Its former socket, which has the same sid in the lane of another
        session, leaves first; but a disconnect handler that hangs must not keep the client out."""
        end = time.monotonic() + PATIENCE
        while socket.recovered and self.registry.sockets.get((socket.namespace, socket.sid)) is not None \
                and time.monotonic() < end:
            await self.sleep(0.005)

    async def _spawn_event(self, *args: Any) -> None:
        self.spawn(self._event, *args)

    async def _event(self, socket: Socket, values: List[Any], answer: Optional[Answer], work: Work) -> None:
        try:
            await self.event(socket, values, answer)
        except Exception:
            log.exception("the handler of %r failed", values[0])
        finally:
            self._end_work(work)

    async def _acked(self, socket: Socket, number: int, values: List[Any], size: int) -> None:
        try:
            await self.acked(socket, number, values)
        finally:
            socket.link.processed(size)

    async def _closed(self, socket: Socket, reason: str, size: int = 0) -> None:
        socket.link.processed(size)
        try:
            if self.registry.sockets.get((socket.namespace, socket.sid)) is socket:
                await self.closed(socket, reason)
        finally:
            self.registry.close(socket)

    async def _end(self, session: Session, size: int = 0) -> None:
        session.link.processed(size)
        try:
            await self.ended(session)
        finally:
            self.registry.end(session)

    async def _lost(self, session: Session) -> None:
        """The link has ended. The client stays at the edge and comes back by REATTACH, to this process or another."""
        for socket in list(session.sockets.values()):
            await self._closed(socket, "transport close")
        await self._end(session)

    async def _moved(self, socket: Socket, rooms: List[str], joins: bool, size: int) -> None:
        socket.link.processed(size)
        await self.moved(socket, rooms, joins)


    # -------------------------------------------------------------- the window

    def _begin_work(self, session: Session, size: int) -> Work:
        work = Work(session, size)
        with self._lock:
            session.running += 1
            self._work[0].add(work)
        return work

    def _end_work(self, work: Work) -> None:
        with self._lock:
            work.session.running -= 1
            size, work.size = work.size, 0
            self._work[0].discard(work)
            self._work[1].discard(work)
        if size:
            work.session.link.processed(size)

    def tick(self, now: float) -> None:
        if now - self._swept < PATIENCE:
            return
        self._swept = now
        freed: List[Tuple[Link, int]] = []
        with self._lock:
            young, old = self._work
            for work in old:
                freed.append((work.session.link, work.size))
                work.size = 0
            self._work = (set(), young)
        for link, size in freed:
            link.processed(size)

    # ------------------------------------------------------- drain, and questions

    async def drain(self) -> None:
        """Hands all clients to other backends when their handlers have ended, and closes the links."""
        if self.draining:
            return
        self.draining = True
        self.mesh.draining = True
        end = time.monotonic() + self.options.drain_grace
        links = list(self.mesh.links)
        for link in links:
            link.send(frames.pack(frames.DRAIN))
        while any(link in self.mesh.links and not link.draining for link in links) and time.monotonic() < end:
            await self.sleep(0.005)
        while True:
            late = time.monotonic() >= end
            busy = [session for session in list(self.registry.sessions.values()) if not self._hand_off(session, late)]
            if not busy:
                break
            await self.sleep(0.01)
        await self.close_links()

    def _hand_off(self, session: Session, late: bool) -> bool:
        """Returns False while handlers of the session work. A lane is busy while connect handlers run."""
        if session.left or session.link not in self.mesh.links:
            return True
        if (session.running or session.lane.busy) and not late:
            return False
        session.left = True
        for socket in list(session.sockets.values()):
            self.mirror(socket)
        session.link.send(frames.pack(frames.HANDOFF, handle=session.handle))
        return True
