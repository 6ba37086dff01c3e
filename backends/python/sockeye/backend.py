"""Backend: an application behind the edges without python-socketio. Its names are the names that Socket.IO and
python-socketio use."""
from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
from typing import Any, Awaitable, Callable, Dict, Iterable, List, Optional, Sequence, Set, Union

from . import environ, frames
from .aio import AioMesh
from .attach import drain_on_sigterm
from .clients import Answer, Clients, served, serving
from .history import HistoryEvent, as_future, count_of
from .mesh import Options, Waiter
from .presence import Present
from .sessions import GONE, OPENING
from .sessions import Socket as Wire

log = logging.getLogger("sockeye")
Handler = Callable[..., Any]


class Refuse(Exception):
    """Raised by a middleware. The client's connect_error gets the message and, if given, the data."""

    def __init__(self, message: str = "Connection rejected by server", data: Any = None) -> None:
        super().__init__(message)
        self.message, self.data = message, data


class Timeout(Exception):
    """The client has not answered in time, or has left."""


class Target:
    """The receivers of an emit: all clients in some rooms, or without rooms all clients of the namespace."""

    def __init__(self, backend: "Backend", namespace: str, rooms: Sequence[str] = (), skip: Sequence[str] = (),
                 flags: int = 0) -> None:
        self._backend, self._namespace, self._rooms, self._skip, self._flags = backend, namespace, rooms, skip, flags

    def to(self, *rooms: str) -> "Target":
        return Target(self._backend, self._namespace, [*self._rooms, *rooms], self._skip, self._flags)

    def skip(self, *rooms: str) -> "Target":
        """Leaves out the clients in these rooms. The sid of a client is a room, too."""
        return Target(self._backend, self._namespace, self._rooms, [*self._skip, *rooms], self._flags)

    @property
    def volatile(self) -> "Target":
        return Target(self._backend, self._namespace, self._rooms, self._skip, self._flags | frames.F_VOLATILE)

    async def emit(self, event: str, *values: Any) -> None:
        backend = self._backend
        args = backend.codec.encode([event, *values])
        backend.mirror_served()
        await backend.mesh.room(backend.mesh.cast(self._namespace, self._rooms, self._skip, args, flags=self._flags))

    async def call(self, event: str, *values: Any, timeout: float = 60.0) -> List[Any]:
        """Returns the answers that came in time, of all receivers. Each is a value, or a list of several values."""
        backend, waiter = self._backend, _Answers()
        args = backend.codec.encode([event, *values])
        backend.mirror_served()
        if backend.mesh.cast(self._namespace, self._rooms, self._skip, args, flags=self._flags, waiter=waiter, timeout=timeout):
            try:
                await asyncio.wait_for(waiter.all, timeout + 5.0)  # the edge ends the wait; this timeout is for an edge that is gone
            except asyncio.TimeoutError:
                pass
        return waiter.answers


class _Answers(Waiter):
    def __init__(self) -> None:
        super().__init__()
        self.answers: List[Any] = []
        self.all: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, values: List[Any]) -> None:
        self.answers.append(_single(values))

    def done(self) -> None:
        if not self.all.done():
            self.all.set_result(None)


def _single(values: List[Any]) -> Any:
    return values[0] if len(values) == 1 else values or None


class Socket:
    """A client in a namespace. `data` belongs to the application. The part of it that is JSON comes back with the
    client after a restart."""

    def __init__(self, backend: "Backend", wire: Wire) -> None:
        self._backend, self._wire = backend, wire
        self.data: Dict[str, Any] = dict(wire.data) if isinstance(wire.data, dict) else {}
        self.rooms: Set[str] = {wire.sid, *wire.rooms}
        self.recovered = wire.recovered
        self._calls: Dict[int, asyncio.Future[List[Any]]] = {}
        self._numbers = itertools.count(1)

    @property
    def sid(self) -> str:
        return self._wire.sid

    @property
    def namespace(self) -> str:
        return self._wire.namespace

    @property
    def auth(self) -> Any:
        """The `auth` of the client."""
        return self._wire.auth

    @property
    def handshake(self) -> Dict[str, Any]:
        """The request of the client: url, headers (name, value, name, value …), address, secure, time, transport."""
        return self._wire.session.info

    @property
    def environ(self) -> Dict[str, Any]:
        """The same request as a WSGI environ."""
        session = self._wire.session
        if not session.environ:
            session.environ = environ.build(session.info)
        return session.environ

    @property
    def transport(self) -> str:
        return self._wire.session.transport

    @property
    def connected(self) -> bool:
        return self._wire.is_here

    async def emit(self, event: str, *values: Any) -> None:
        self._backend.mirror_served()
        self._wire.emit(self._backend.codec.encode([event, *values]))
        await self._backend.mesh.room((self._wire.link,))

    async def call(self, event: str, *values: Any, timeout: float = 60.0) -> Any:
        """The client's answer: a value, or a list of several. Raises Timeout if no answer came in time or the client has
        left."""
        number = next(self._numbers) & 0xFFFFFFFF
        future = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self._backend.mirror_served()
            self._wire.emit(self._backend.codec.encode([event, *values]), number, timeout)
            return _single(await asyncio.wait_for(future, timeout))
        except asyncio.TimeoutError:
            raise Timeout(f"no answer to {event!r} from {self.sid}") from None
        finally:
            del self._calls[number]

    def to(self, *rooms: str) -> Target:
        """The other clients in these rooms. Without rooms, all other clients of the namespace."""
        return Target(self._backend, self.namespace, rooms, [self.sid])

    @property
    def others(self) -> Target:
        return self.to()

    def enter_room(self, *rooms: str, history: Union[bool, int, None] = None) -> "Optional[asyncio.Future[int]]":
        """With `history` (True, or how many), the client also gets the last events of the rooms. Then the result may be
        awaited: the number of events that the client was sent, or a HistoryError."""
        if history is None or history is False:
            self._change(set(rooms) - self.rooms, frames.JOIN)
            return None
        count = count_of(history)
        total = asyncio.ensure_future(_sum([self._enter_with_history(room, count) for room in rooms]))
        total.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return total

    def _enter_with_history(self, room: str, count: int) -> "asyncio.Future[int]":
        backend, is_in = self._backend, room in self.rooms
        self.rooms = self.rooms | {room}

        def ask(done: Any) -> None:
            if not self._wire.is_here:
                done(0)
            elif not backend.room_history.enter(self._wire, room, count, done, is_in=is_in) and not is_in and self._wire.state != OPENING:
                self._wire.send(frames.JOIN, frames.put_rooms([room]))
        return as_future(asyncio.get_running_loop(), ask)

    def set_present(self, user: Optional[str], data: Any = None) -> None:
        """Names the user of this socket, with data that others see. None removes the user."""
        self._backend.room_presence.set(self._wire, user, data)

    def leave_room(self, *rooms: str) -> None:
        self._change(self.rooms & set(rooms) - {self.sid}, frames.LEAVE)

    def _change(self, rooms: Set[str], type: int) -> None:
        self.rooms = self.rooms | rooms if type == frames.JOIN else self.rooms - rooms
        if rooms and self._wire.is_here and self._wire.state != OPENING:  # while OPENING, the rooms are sent after ACCEPT
            self._wire.send(type, frames.put_rooms(sorted(rooms)))

    def disconnect(self, close: bool = False) -> None:
        """`close`: also disconnect the client's other namespaces."""
        self._wire.disconnect(close)


class Namespace:
    def __init__(self, backend: "Backend", name: str) -> None:
        self._backend, self.name = backend, name
        self.handlers: Dict[str, Handler] = {}
        self.middlewares: List[Handler] = []

    def middleware(self, function: Handler) -> Handler:
        """Decorates a function that takes a socket and may raise Refuse. Middlewares run in order. They do not run for
        clients that come back, unless the edge has --skip-middlewares false."""
        self.middlewares.append(function)
        return function

    def on(self, event: str) -> Callable[[Handler], Handler]:
        """Decorates a handler, which takes a socket and the client's arguments. Its result acknowledges the event; a
        tuple is several values. "connect" takes the socket alone, "disconnect" also a reason. "*" takes also the name
        of an event that has no handler of its own. "session_ended" takes sid, data and reason of a client that was lost
        and cannot come back as the same socket; the reason is "expired", "displaced" or "failed"."""
        def decorate(function: Handler) -> Handler:
            self.handlers[event] = function
            return function
        return decorate

    def to(self, *rooms: str) -> Target:
        return Target(self._backend, self.name, rooms)

    async def emit(self, event: str, *values: Any) -> None:
        await self.to().emit(event, *values)

    async def history(self, room: str, limit: Optional[int] = None, before: Optional[str] = None,
                      after: Optional[str] = None) -> List[HistoryEvent]:
        """The last events of a room, oldest first: before the event with the id `before`, and after that with the id `after`.
        With `after` alone, the first events after it. Raises HistoryError."""
        backend = self._backend
        found: List[HistoryEvent] = await as_future(asyncio.get_running_loop(), lambda done: backend.room_history.read(
            backend.mesh, self.name, room, limit, before, after, done))
        return found

    async def history_remove(self, room: str, id: str) -> int:
        """Removes one event. Returns 1, or 0 if there is no such event. Clients that have got it keep it."""
        if not id:
            raise ValueError("history_remove() needs the id of an event")
        return await self._remove(room, id)

    async def history_clear(self, room: str) -> int:
        """Removes all events of the room. Returns their number; at an edge with several workers or Redis, 1 if there were
        any."""
        return await self._remove(room, None)

    async def presence(self, room: str, limit: Optional[int] = None, user: Optional[str] = None) -> Present:
        """The users in a room, on all servers. At most `limit` users; with `user`, only this one. Raises PresenceError."""
        backend = self._backend
        found: Present = await as_future(asyncio.get_running_loop(), lambda done: backend.room_presence.read(
            backend.mesh, self.name, room, limit, user, done))
        return found

    async def _remove(self, room: str, id: Optional[str]) -> int:
        backend = self._backend
        removed: int = await as_future(asyncio.get_running_loop(), lambda done: backend.room_history.remove(
            backend.mesh, self.name, room, id, done))
        return removed

    @property
    def sockets(self) -> List[Socket]:
        """The sockets of this process."""
        return [socket for (name, _), socket in self._backend._sockets.items() if name == self.name]


class Backend(Clients):
    """An application. The object itself is the namespace "/"; of() returns other namespaces.

        url:        `unix:///path` or `tls://host:port`, or a list of these; default: SOCKEYE_BACKEND, else the edge's default socket.
        namespaces: the namespaces that this backend serves; None: all namespaces that of() was called for.
        options:    the other fields of sockeye.Options, by name.
    """

    def __init__(self, url: Union[str, Sequence[str], None] = None, namespaces: Optional[Iterable[str]] = None,
                 **options: Any) -> None:
        names = list(namespaces) if namespaces is not None else None
        super().__init__(Options(namespaces=names, **options), frames.Codec())
        self._url = url
        self._namespaces: Dict[str, Namespace] = {}
        self._sockets: Dict[Any, Socket] = {}  # by namespace and sid
        self._tasks: Set[asyncio.Task[Any]] = set()
        self._main = self.of("/")
        for name in names or ():
            self.of(name)
        self.middleware, self.on, self.to, self.emit = self._main.middleware, self._main.on, self._main.to, self._main.emit
        self.history, self.history_remove, self.history_clear = self._main.history, self._main.history_remove, self._main.history_clear
        self.presence = self._main.presence

    def of(self, namespace: str) -> Namespace:
        return self._namespaces.setdefault(namespace, Namespace(self, namespace))

    @property
    def sockets(self) -> List[Socket]:
        """The sockets of this process in the namespace "/"."""
        return self._main.sockets

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Returns when the workers of one edge are attached. Raises AttachError if that can never succeed."""
        self.mesh: AioMesh = AioMesh(self._url, self.options, self)
        await self.mesh.start()

    async def drain(self) -> None:  # type: ignore[override]
        """Hands all clients to other backends and ends the links. The clients do not notice."""
        await super().drain()

    async def close(self) -> None:
        """Ends the links at once. The clients stay connected and go to other backends, as after a crash."""
        await self.mesh.close()

    def run(self, ready: Optional[Callable[[], Any]] = None) -> None:
        """Serves until SIGTERM, which drains, or SIGINT. Calls `ready` once when clients can come."""
        async def main() -> None:
            await self.start()
            if ready is not None:
                await _result(ready())
            if self.options.drain_on_sigterm:
                drain_on_sigterm(self.mesh.loop, self.drain)
            await asyncio.Event().wait()
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            pass

    # ------------------------------------------------- actions of clients

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        task = self.mesh.loop.create_task(function(*args))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close_links(self) -> None:
        await self.mesh.close()

    def serves(self, namespace: str) -> bool:
        return namespace in self._namespaces

    async def open(self, wire: Wire) -> None:
        namespace = self._namespaces.get(wire.namespace)
        if namespace is None:
            return wire.refuse({"message": "Invalid namespace"})
        socket = Socket(self, wire)
        try:
            if wire.runs_middlewares:
                for middleware in namespace.middlewares:
                    await _result(middleware(socket))
        except Refuse as refusal:
            error = {"message": refusal.message}
            return wire.refuse(error if refusal.data is None else {**error, "data": refusal.data})
        except Exception:
            log.exception("a middleware of %s failed", wire.namespace)
            return None
        self._sockets[wire.namespace, wire.sid] = socket
        known, wanted = {wire.sid, *wire.rooms}, socket.rooms
        later = {room for room, count in wire.early}
        for type, rooms in ((frames.JOIN, wanted - known - later), (frames.LEAVE, known - wanted)):
            if rooms:
                wire.send(type, frames.put_rooms(sorted(rooms)))
        self.mirror(wire)
        wire.accept()
        self.room_history.accepted(wire, sorted(wanted))
        await self._handle(wire, "connect")

    async def event(self, wire: Wire, values: List[Any], answer: Optional[Answer]) -> None:
        namespace = self._namespaces[wire.namespace]
        name, *rest = values
        if not isinstance(name, str) or name in ("connect", "disconnect", "session_ended", "*"):
            return
        if name not in namespace.handlers:
            name, rest = "*", values
        if name in namespace.handlers:
            result = await self._handle(wire, name, *rest)
            if answer is not None:
                back = [] if result is None else list(result) if isinstance(result, tuple) else [result]
                wire.acknowledge(answer.number, self.codec.encode(back))

    async def _handle(self, wire: Wire, name: str, *values: Any) -> Any:
        handler = self._namespaces[wire.namespace].handlers.get(name)
        socket = self._sockets.get((wire.namespace, wire.sid))
        if handler is None or socket is None:
            return self.mirror(wire)
        try:
            with serving(wire):
                return await _result(handler(socket, *values))
        finally:
            self.mirror(wire)

    def mirror_served(self) -> None:
        wire = served()
        if wire is not None:
            self.mirror(wire)

    def mirror(self, wire: Wire) -> None:
        socket = self._sockets.get((wire.namespace, wire.sid))
        if socket is None or not (self.options.mirror or self.draining) or not (socket.data or wire.mirrored):
            return
        try:
            wire.mirror(socket.data)
        except (TypeError, ValueError) as error:
            log.warning("the data of %s is not kept at the edge: %s", wire.sid, error)

    async def acked(self, wire: Wire, number: int, values: List[Any]) -> None:
        socket = self._sockets.get((wire.namespace, wire.sid))
        future = socket._calls.get(number) if socket is not None else None
        if future is not None and not future.done():
            future.set_result(values)

    async def closed(self, wire: Wire, reason: str) -> None:
        wire.state = GONE
        try:
            await self._handle(wire, "disconnect", reason)
        finally:
            socket = self._sockets.pop((wire.namespace, wire.sid), None)
            for future in list(socket._calls.values()) if socket is not None else ():
                if not future.done():
                    future.set_exception(Timeout("the client has left"))

    async def session_ended(self, namespace: str, sid: str, data: Any, reason: str) -> None:
        found = self._namespaces.get(namespace)
        handler = found.handlers.get("session_ended") if found is not None else None
        if handler is not None:
            await _result(handler(sid, data if data is not None else {}, reason))

    async def moved(self, wire: Wire, rooms: List[str], joins: bool) -> None:
        socket = self._sockets.get((wire.namespace, wire.sid))
        if socket is not None:
            socket.rooms = socket.rooms | set(rooms) if joins else socket.rooms - set(rooms)


async def _sum(futures: "List[asyncio.Future[int]]") -> int:
    return sum([await future for future in futures])


async def _result(value: Union[Awaitable[Any], Any]) -> Any:
    return await value if inspect.isawaitable(value) else value
