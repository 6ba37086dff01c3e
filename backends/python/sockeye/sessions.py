"""Clients, as the edges describe them: sessions (a connection) and sockets (a session in a namespace)."""
from __future__ import annotations

import json
import logging
import threading
from collections import deque
from typing import Any, Deque, Dict, Iterable, List, Optional, Tuple

from . import frames
from .frames import Frame, FrameError
from .link import Link

OPENING, OPEN, REFUSED, GONE = "opening", "open", "refused", "gone"
MAX_MESSAGE = 1000  # characters of a refusal without its data

log = logging.getLogger("sockeye")


class Lane:
    """The work for one client, in order. A lane outlives a session that comes back over another link, so the rest of
    the old session's work is done before the new one begins."""
    __slots__ = ("id", "work", "busy", "sessions")

    def __init__(self, id: str) -> None:
        self.id = id
        self.work: Deque[Tuple[Any, ...]] = deque()
        self.busy = False
        self.sessions = 0


class Session:
    __slots__ = ("link", "handle", "id", "info", "transport", "sockets", "lane", "running", "store", "environ", "left")

    def __init__(self, link: Link, handle: int, info: Dict[str, Any], lane: Lane) -> None:
        self.link, self.handle, self.info, self.lane = link, handle, info, lane
        self.id = str(info["id"])
        self.transport = str(info.get("transport", "polling"))
        self.sockets: Dict[str, Socket] = {}
        self.running = 0  # running handlers
        self.store: Dict[str, Any] = {}  # namespace to the application's data
        self.environ: Dict[str, Any] = {}
        self.left = False  # handed to another backend


class Socket:
    __slots__ = ("session", "handle", "namespace", "sid", "auth", "recovered", "returned", "rooms", "data", "state", "mirrored", "early")

    def __init__(self, session: Session, handle: int, namespace: str, body: bytes, flags: int) -> None:
        recovered = bool(flags & frames.F_REATTACH)
        self.returned = bool(flags & frames.F_RECOVERED)  # the client was lost and has come back
        self.session, self.handle, self.namespace, self.recovered = session, handle, namespace, recovered
        self.sid, at = frames.take_text(body)
        auth, at = frames.take_text(body, at)
        self.auth = _json(auth)
        self.rooms: List[str] = []
        self.data: Any = None
        self.mirrored = b""  # the data that the edge has
        if recovered:
            self.rooms, at = frames.take_rooms(body, at)
            self.mirrored, at = frames.take_bytes(body, at)
            self.data = _json(self.mirrored.decode())
        self.state = OPENING
        self.early: List[Tuple[str, int]] = []  # rooms that are joined with history after ACCEPT, and how many events

    @property
    def link(self) -> Link:
        return self.session.link

    @property
    def runs_middlewares(self) -> bool:
        """False for a client that has passed them: it has not noticed that its backend changed, or it was lost and has
        come back, unless the edge has --skip-middlewares false."""
        if not self.recovered:
            return True
        recovery = self.link.options.get("connectionStateRecovery")
        return self.returned and isinstance(recovery, dict) and recovery.get("skipMiddlewares") is False

    @property
    def is_here(self) -> bool:
        return self.state in (OPENING, OPEN)

    def send(self, type: int, body: bytes = b"", flags: int = 0, id: int = 0) -> bool:
        return self.session.link.send(frames.pack(type, body, flags, 0, self.handle, id))

    def accept(self) -> None:
        if self.state == OPENING:
            self.state = OPEN
            self.send(frames.ACCEPT)

    def refuse(self, error: Any) -> None:
        """`error` is passed to the client's connect_error listener: {"message": …, "data": …}. It is passed without its
        data if it is too large. Otherwise the client would wait for an answer forever."""
        if self.state == OPENING:
            self.state = REFUSED
            try:
                self.send(frames.REFUSE, frames.dumps(error))
            except ValueError as fault:
                log.warning("a connect_error is sent without its data: %s", fault)
                message = error.get("message", "") if isinstance(error, dict) else error
                self.send(frames.REFUSE, frames.dumps({"message": str(message)[:MAX_MESSAGE]}))

    def acknowledge(self, number: int, args: frames.Args) -> None:
        body, binary = args
        flags = frames.F_BIN if binary else 0
        if number > 0xFFFFFFFF:
            flags |= frames.F_WIDE
            body = frames.put_u32(number >> 32) + body
        self.send(frames.ACK, body, flags, number & 0xFFFFFFFF)

    def emit(self, args: frames.Args, ack: int = 0, timeout: Optional[float] = None) -> bool:
        """`ack`: the number that the answer will have. `timeout`: seconds after which the edge stops waiting for it."""
        body, binary = args
        flags = frames.F_BIN if binary else 0
        if ack:
            flags |= frames.F_ACK
            if timeout is not None:
                flags |= frames.F_TIMED
                body = frames.put_u32(max(1, min(int(timeout * 1000), 0xFFFFFFFF))) + body
        return self.send(frames.EMIT, body, flags, ack)

    def disconnect(self, close: bool = False) -> None:
        """`close`: also disconnect the client's other namespaces."""
        self.send(frames.DISC, b"", frames.F_CLOSE if close else 0)

    def mirror(self, data: Any) -> None:
        """Keeps `data` at the edge for the backend that gets this socket next. Raises TypeError or ValueError if it is
        not JSON."""
        text = frames.dumps(data)
        if text != self.mirrored and self.is_here:
            self.mirrored = text
            self.send(frames.DATA, text)


def event_number(frame: Frame) -> Tuple[Optional[int], int]:
    """The number of the acknowledgement that an EVENT asks for, or None, and the position of its args."""
    if not frame.flags & frames.F_ACK:
        return None, 0
    if frame.flags & frames.F_WIDE:
        upper, at = frames.take_u32(frame.body)
        return upper << 32 | frame.id, at
    return frame.id, 0


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError) as error:
        raise FrameError("not JSON") from error


class Registry:
    """The sessions and sockets of all links."""

    def __init__(self) -> None:
        self.sessions: Dict[str, Session] = {}  # by the id of the Engine.IO session
        self.sockets: Dict[Tuple[str, str], Socket] = {}  # by namespace and sid
        self.lanes: Dict[str, Lane] = {}
        self._lock = threading.Lock()

    def add_session(self, link: Link, frame: Frame) -> Session:
        info = _json(frame.body.decode())
        if not isinstance(info, dict) or not isinstance(info.get("id"), str):
            raise FrameError("a session without an id")
        with self._lock:
            lane = self.lanes.setdefault(info["id"], Lane(info["id"]))
            lane.sessions += 1
        session = Session(link, frame.handle, info, lane)
        link.handles[frame.handle] = session
        return session

    def add_socket(self, link: Link, frame: Frame) -> Socket:
        session = link.handles.get(frame.id)
        namespace = link.names.get(frame.nsp)
        if not isinstance(session, Session) or namespace is None:
            raise FrameError("OPEN for an unknown session or namespace")
        socket = Socket(session, frame.handle, namespace, frame.body, frame.flags)
        link.handles[frame.handle] = socket
        return socket

    # The functions below are called in the lane of the client, in the order of its work.

    def begin(self, session: Session) -> None:
        self.sessions[session.id] = session

    def open(self, socket: Socket) -> None:
        socket.session.sockets[socket.namespace] = socket
        self.sockets[socket.namespace, socket.sid] = socket

    def close(self, socket: Socket) -> None:
        socket.state = GONE
        key = (socket.namespace, socket.sid)
        if self.sockets.get(key) is socket:
            del self.sockets[key]
        if socket.session.sockets.get(socket.namespace) is socket:
            del socket.session.sockets[socket.namespace]

    def end(self, session: Session) -> None:
        if self.sessions.get(session.id) is session:
            del self.sessions[session.id]
        with self._lock:
            session.lane.sessions -= 1
            if not session.lane.sessions:
                self.lanes.pop(session.lane.id, None)

    def of(self, link: Link) -> Iterable[Session]:
        return [each for each in list(link.handles.values()) if isinstance(each, Session)]
