"""Puts a python-socketio server behind the edges. attach.py (asyncio) and attach_blocking.py (threads) drive it.

python-socketio keeps its handlers, namespaces, sessions and acknowledgements. On this one server object, Glue replaces the parts
below and beside them: the sending and the sessions of its Engine.IO server, _send_packet, and the client manager's emit and rooms.
Packets come in through _handle_connect, _handle_event_internal, _handle_disconnect and the manager's trigger_callback. These
names are private, so check() looks for each of them before anything is changed.

The functions that call the application are written once, as coroutines. Under threads they never wait for a loop, so run_sync()
runs them to their end.
"""
from __future__ import annotations

import inspect
import json
import logging
from contextvars import ContextVar
from typing import Any, Callable, Coroutine, Dict, List, Optional, Sequence, Set, Tuple

from . import environ, frames
from .clients import Answer, served, serving
from .link import Link
from .mesh import AttachError, Options, Waiter
from .room_methods import RoomMethods
from .sessions import OPENING, Session, Socket

log = logging.getLogger("sockeye")

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)  # Socket.IO packet types
ACK_TIMEOUT = 60.0  # seconds for the answers to a broadcast with a callback

NEEDED = {
    "server": ("eio", "manager", "environ", "handlers", "namespace_handlers", "namespaces", "async_handlers", "packet_class",
               "_handle_connect", "_handle_disconnect", "_handle_event_internal", "_handle_eio_connect", "_send_packet",
               "_trigger_event", "enter_room"),
    "manager": ("rooms", "connect", "is_connected", "can_disconnect", "disconnect", "emit", "enter_room", "leave_room",
                "close_room", "get_rooms", "trigger_callback", "_generate_ack_id"),
    "eio": ("generate_id", "start_background_task", "transports", "get_session"),
}
# Socket.IO's reasons for the end of a connection, and python-socketio's words for them where they differ.
REASONS = {"client namespace disconnect": "client disconnect", "server namespace disconnect": "server disconnect"}

_connecting: ContextVar[str] = ContextVar("sockeye_connecting")  # the sid of the socket whose connect handler runs next
_call_timeout: ContextVar[Optional[float]] = ContextVar("sockeye_call_timeout", default=None)


def run_sync(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("an asyncio handler in a threaded server")


class CallbackWaiter(Waiter):
    """A broadcast with a callback, which is called once for each answer."""

    def __init__(self, answered: Callable[[List[Any]], None]) -> None:
        super().__init__()
        self.answer = answered  # type: ignore[method-assign]


def _ended_handlers(sio: Any) -> Dict[str, List[Callable[..., Any]]]:
    return vars(sio).setdefault("_sockeye_session_ended", {})


def on_session_ended(sio: Any, handler: Callable[..., Any], namespace: str = "/") -> None:
    """Calls `handler(sid, session, reason)` when a client that was lost cannot come back as the same socket. `session` is the
    client's saved session, as the edge has it. `reason` is "expired" (it did not come back in time), "displaced" (a limit of
    the edge has ended the session) or "failed" (the events that it missed were gone, so it is a new client). One process
    of the group is told. May be called before and after attach()."""
    _ended_handlers(sio).setdefault(namespace, []).append(handler)


class Glue(RoomMethods):
    def __init__(self, sio: Any, options: Options, extra_environ: Optional[Dict[str, Any]] = None,
                 restore_flask: Optional[Callable[[Dict[str, Any]], Any]] = None) -> None:
        check(sio)
        super().__init__(options, frames.Codec(sio.packet_class.json))
        self.sio, self.manager = sio, sio.manager
        self.opening: Set[Socket] = set()
        self._extra = extra_environ or {}
        self._restore_flask = restore_flask
        self._disconnect_has_reason = "reason" in inspect.signature(sio._handle_disconnect).parameters
        self._warned: Set[str] = set()
        self._install()

    # ------------------------------------------------- actions of clients

    def on_ready(self, link: Link) -> None:
        self._compare_options(link)
        super().on_ready(link)

    async def begin(self, session: Session) -> None:
        session.environ = environ.build(session.info, self.sio.eio.async_mode)
        session.environ.update(self._extra)
        await self.call(self.sio._handle_eio_connect, session.id, session.environ)

    async def open(self, socket: Socket) -> None:
        session = socket.session
        session.environ["sockeye.recovered"] = socket.recovered
        self.opening.add(socket)
        if socket.recovered:
            self._restore(socket)
        token = _connecting.set(socket.sid)
        try:
            with serving(socket):
                await self.call(self.sio._handle_connect, session.id, socket.namespace, socket.auth)
        except Exception:
            log.exception("the connect handler of %s failed", socket.namespace)
            socket.refuse({"message": "Connection rejected by server"})
            await self.call(self.manager.disconnect, socket.sid, socket.namespace, ignore_queue=True)
        finally:
            _connecting.reset(token)
            self.opening.discard(socket)
        self._mirror_flask(socket)

    @property
    def in_turn(self) -> bool:
        return not self.sio.async_handlers

    async def event(self, socket: Socket, values: List[Any], answer: Optional[Answer]) -> None:
        try:
            if self.manager.is_connected(socket.sid, socket.namespace):
                self.sio.logger.info('received event "%s" from %s [%s]', values[0], socket.sid, socket.namespace)
                with serving(socket):
                    await self.call(self.sio._handle_event_internal, self.sio, socket.sid, socket.session.id, values,
                                    socket.namespace, answer)
        finally:
            self._mirror_flask(socket)

    async def acked(self, socket: Socket, number: int, values: List[Any]) -> None:
        await self.call(self.manager.trigger_callback, socket.sid, number, values)

    async def closed(self, socket: Socket, reason: str) -> None:
        sid, namespace = socket.sid, socket.namespace
        if self.manager.is_connected(sid, namespace):
            reasons = (REASONS.get(reason, reason),) if self._disconnect_has_reason else ()
            try:
                await self.call(self.sio._handle_disconnect, socket.session.id, namespace, *reasons)
            except Exception:
                log.exception("the disconnect handler of %s failed", namespace)
                await self.call(self.manager.disconnect, sid, namespace, ignore_queue=True)

    async def ended(self, session: Session) -> None:
        if self.sio.environ.get(session.id) is session.environ:
            del self.sio.environ[session.id]

    async def session_ended(self, namespace: str, sid: str, data: Any, reason: str) -> None:
        if self._restore_flask and isinstance(data, dict) and "flask" in data:
            data = data.get("session")
        for handler in list(_ended_handlers(self.sio).get(namespace, ())):
            await self.call(handler, sid, data if data is not None else {}, reason)

    async def moved(self, socket: Socket, rooms: List[str], joins: bool) -> None:
        change = self._base_enter if joins else self._base_leave
        for room in rooms:
            if self.manager.is_connected(socket.sid, socket.namespace):
                change(self.manager, socket.sid, socket.namespace, room)

    # ---------------------------------------------------------- packets go out

    def send_packet(self, eio_sid: str, packet: Any) -> Sequence[Link]:
        """Replaces Server._send_packet(). Returns the links that were used."""
        kind, namespace = packet.packet_type, packet.namespace or "/"
        if kind in (ACK, BINARY_ACK):
            if isinstance(packet.id, Answer):
                self._mirror_flask(packet.id.socket)
                packet.id.socket.acknowledge(packet.id.number, self.codec.encode(packet.data))
                return (packet.id.socket.link,)
            return ()
        session = self.registry.sessions.get(eio_sid)
        socket = session.sockets.get(namespace) if session else None
        if socket is None:
            return ()
        if kind == CONNECT:
            self._accept(socket)
        elif kind == CONNECT_ERROR:
            socket.refuse(packet.data if isinstance(packet.data, dict) else {"message": str(packet.data)})
        elif kind == DISCONNECT:
            socket.disconnect()
        elif kind in (EVENT, BINARY_EVENT):
            self._mirror_flask(served())
            socket.emit(self.codec.encode(packet.data), packet.id or 0)
        return (socket.link,)

    def _accept(self, socket: Socket) -> None:
        """Sends what the connect handler did to rooms and session, then ACCEPT. The client knows that it is connected when it
        gets ACCEPT, and this process may end right after."""
        rooms = {str(room) for room in self.manager.get_rooms(socket.sid, socket.namespace)} - {socket.sid}
        known = set(socket.rooms)
        joined = rooms - known - {room for room, count in socket.early}
        if joined:
            socket.send(frames.JOIN, frames.put_rooms(sorted(joined)))
        if known - rooms:
            socket.send(frames.LEAVE, frames.put_rooms(sorted(known - rooms)))
        if self.options.mirror and (socket.namespace in socket.session.store or self._has_flask(socket.session)):
            self._send_data(socket)
        socket.accept()
        self.room_history.accepted(socket, sorted(rooms))

    def emit(self, event: Any, data: Any, namespace: str, room: Any, skip_sid: Any, callback: Any) -> Sequence[Link]:
        """Replaces the client manager's emit(): one EMIT for one client of this process, otherwise one CAST on each
        link."""
        values = [event, *data] if isinstance(data, tuple) else [event] if data is None else [event, data]
        args = self.codec.encode(values)
        rooms = [] if room is None else [str(each) for each in room] if isinstance(room, (list, tuple, set)) else [str(room)]
        skip = [str(each) for each in (skip_sid if isinstance(skip_sid, (list, tuple, set)) else [skip_sid]) if each is not None]
        timeout = _call_timeout.get()
        self._mirror_flask(served())
        if len(rooms) == 1:
            socket = self.registry.sockets.get((namespace, rooms[0]))
            if socket is not None and len(self.manager.rooms.get(namespace, {}).get(rooms[0], ())) <= 1:
                if socket.sid in skip:
                    return ()
                socket.emit(args, self.manager._generate_ack_id(socket.sid, callback) if callback else 0, timeout)
                return (socket.link,)
        waiter = None
        if callback:
            waiter = CallbackWaiter(lambda answer: self.spawn(self._answered, callback, answer))
        else:
            self._emit_to_opening(namespace, rooms, skip, args)
        return self.mesh.cast(namespace, rooms, skip, args, waiter=waiter, timeout=timeout or ACK_TIMEOUT)

    async def _answered(self, callback: Callable[..., Any], answer: List[Any]) -> None:
        await self.call(callback, *answer)

    def _emit_to_opening(self, namespace: str, rooms: Sequence[str], skip: Sequence[str], args: frames.Args) -> None:
        """A broadcast during a connect handler also reaches the connecting client, as in python-socketio alone. The
        edge adds that client to its rooms only after ACCEPT, so it needs an EMIT of its own."""
        for socket in list(self.opening):
            if socket.namespace == namespace and socket.state == OPENING and socket.sid not in skip:
                mine = [str(room) for room in self.manager.get_rooms(socket.sid, namespace)]
                if not rooms or any(room in mine for room in rooms):
                    socket.emit(args)

    # ------------------------------------------------------------ sessions' data

    def mirror(self, socket: Socket) -> None:
        """Sends the session's data to the edge. A backend that takes the client over later receives it."""
        if socket.state != OPENING:  # otherwise _accept() sends it
            self._send_data(socket)

    def _send_data(self, socket: Socket) -> None:
        data = socket.session.store.get(socket.namespace)
        saved = socket.session.environ.get("saved_session")
        try:
            socket.mirror(data if saved is None else {"session": data, "flask": dict(saved)})
        except (TypeError, ValueError) as error:
            self._warn(f"the session of a client is not kept at the edge: {error}")

    def _has_flask(self, session: Session) -> bool:
        return self._restore_flask is not None and "saved_session" in session.environ

    def _mirror_flask(self, socket: Optional[Socket]) -> None:
        """A client has one Flask session for all its namespaces. It comes back with any of them."""
        if socket is not None and self.options.mirror and self._has_flask(socket.session):
            for each in list(socket.session.sockets.values()):
                self.mirror(each)

    def _restore(self, socket: Socket) -> None:
        data = socket.data
        if self._restore_flask and isinstance(data, dict) and "flask" in data:
            socket.session.environ["saved_session"] = self._restore_flask(data["flask"])
            data = data.get("session")
        if data is not None:
            socket.session.store[socket.namespace] = data

    def saved(self, sid: str, namespace: Optional[str]) -> None:
        socket = self.registry.sockets.get((namespace or "/", sid))
        if socket is not None and self.options.mirror:
            self.mirror(socket)

    # -------------------------------------------------------------- questions

    def serves(self, namespace: str) -> bool:
        sio = self.sio
        return bool(sio.namespaces == "*" or namespace in sio.namespaces or namespace in sio.handlers
                    or namespace in sio.namespace_handlers)

    def transport(self, sid: str, namespace: Optional[str] = None) -> str:
        """`sid` is the id of a session or of a socket, depending on the version of python-socketio."""
        session = self.registry.sessions.get(sid)
        if session is None:
            found = [socket for (_, each), socket in self.registry.sockets.items() if each == sid]
            if not found:
                raise KeyError("Session not found")
            session = found[0].session
        return session.transport

    def engine_session(self, eio_sid: str) -> Dict[str, Any]:
        session = self.registry.sessions.get(eio_sid)
        if session is None:
            raise KeyError("Session not found")
        return session.store

    def engine_disconnect(self, eio_sid: Optional[str] = None) -> None:
        for session in list(self.registry.sessions.values()) if eio_sid is None else [self.registry.sessions.get(eio_sid)]:
            if session is not None:
                session.link.send(frames.pack(frames.DISC, flags=frames.F_CLOSE, handle=session.handle))

    # ----------------------------------------------------------- other backends

    def on_peer(self, instance: str, text: bytes) -> None:
        try:
            message = json.loads(text)
            operation, namespace = message["python"], str(message["namespace"])
        except (ValueError, KeyError, TypeError):
            return  # another kind of backend has sent this message
        self.spawn(self._do_for_peer, operation, namespace, message)

    async def _do_for_peer(self, operation: str, namespace: str, message: Dict[str, Any]) -> None:
        sid, room = message.get("sid"), message.get("room")
        if operation == "close_room":
            await self.call(self._base_close, self.manager, room, namespace)
        elif (namespace, sid) in self.registry.sockets:
            if operation == "disconnect":
                await self.call(self.sio.disconnect, sid, namespace=namespace)
            elif operation == "enter_room" and isinstance(message.get("history"), int):
                self._enter_with_history(sid, room, namespace, message["history"], lambda result: None)
            elif operation == "enter_room":
                await self.call(self.manager.enter_room, sid, namespace, room)
            elif operation == "leave_room":
                await self.call(self.manager.leave_room, sid, namespace, room)

    def ask_peers(self, operation: str, namespace: str, **more: Any) -> None:
        self.mesh.tell_peers({"python": operation, "namespace": namespace, **more})

    # ------------------------------------------------------ replaced parts

    def _install(self) -> None:
        sio, eio, is_async = self.sio, self.sio.eio, self.sio.is_asyncio_based()
        eio.transports = ()  # refuses clients that reach this process directly, with "Invalid transport"
        eio.generate_id = _connecting.get
        eio.transport = self.transport
        self._install_manager(is_async)
        save, call = sio.save_session, sio.call
        if is_async:
            self._install_async(sio, eio, save, call)
            self.install_async(sio)
        else:
            self._install_sync(sio, eio, save, call)
            self.install_sync(sio)
        self.install_in_namespaces()

    def _install_async(self, sio: Any, eio: Any, save: Any, call: Any) -> None:
        async def send_packet(eio_sid: str, packet: Any) -> None:
            await self.room(self.send_packet(eio_sid, packet))

        async def get_session(eio_sid: str) -> Dict[str, Any]:
            return self.engine_session(eio_sid)

        async def save_session(sid: str, session: Any, namespace: Optional[str] = None) -> None:
            await save(sid, session, namespace)
            self.saved(sid, namespace)

        async def disconnect(sid: Optional[str] = None) -> None:
            self.engine_disconnect(sid)

        async def call_client(*args: Any, **kw: Any) -> Any:
            token = _call_timeout.set(_timeout_of(args, kw))
            try:
                return await call(*args, **kw)
            finally:
                _call_timeout.reset(token)
        sio._send_packet, sio.save_session, sio.call = send_packet, save_session, call_client
        eio.get_session, eio.disconnect = get_session, disconnect

    def _install_sync(self, sio: Any, eio: Any, save: Any, call: Any) -> None:
        def send_packet(eio_sid: str, packet: Any) -> None:
            self.room(self.send_packet(eio_sid, packet))

        def save_session(sid: str, session: Any, namespace: Optional[str] = None) -> None:
            save(sid, session, namespace)
            self.saved(sid, namespace)

        def call_client(*args: Any, **kw: Any) -> Any:
            token = _call_timeout.set(_timeout_of(args, kw))
            try:
                return call(*args, **kw)
            finally:
                _call_timeout.reset(token)
        sio._send_packet, sio.save_session, sio.call = send_packet, save_session, call_client
        eio.get_session, eio.disconnect = self.engine_session, self.engine_disconnect

    def room(self, links: Sequence[Link]) -> Any:
        """Waits until the edge has taken enough of the queued bytes, if this flavour and this thread may wait."""
        raise NotImplementedError

    def _install_manager(self, is_async: bool) -> None:
        """Gives the manager a subclass of its own class, so that an application's own manager keeps its behaviour."""
        glue, base = self, type(self.manager)
        is_new = hasattr(base, "basic_enter_room")  # since 5.8, separate functions change the tables
        enter, leave, close = ("basic_enter_room", "basic_leave_room", "basic_close_room") if is_new else \
            ("enter_room", "leave_room", "close_room")
        self._base_enter, self._base_leave = getattr(base, enter), getattr(base, leave)
        self._base_close, base_connect, base_can = getattr(base, close), base.connect, base.can_disconnect

        def entering(manager: Any, sid: str, namespace: str, room: Any, eio_sid: Optional[str] = None) -> None:
            socket = glue.registry.sockets.get((namespace, sid))
            if socket is None:
                return glue.ask_peers("enter_room", namespace, sid=sid, room=str(room))
            glue._base_enter(manager, sid, namespace, room, eio_sid=eio_sid)
            if room is not None and room != sid and socket.state != OPENING:
                socket.send(frames.JOIN, frames.put_rooms([str(room)]))

        def leaving(manager: Any, sid: str, namespace: str, room: Any) -> None:
            socket = glue.registry.sockets.get((namespace, sid))
            if socket is None:
                return glue.ask_peers("leave_room", namespace, sid=sid, room=str(room))
            glue._base_leave(manager, sid, namespace, room)
            if room is not None and room != sid and socket.is_here and socket.state != OPENING \
                    and manager.is_connected(sid, namespace):
                socket.send(frames.LEAVE, frames.put_rooms([str(room)]))

        def connected(manager: Any, eio_sid: str, namespace: str, sid: Optional[str]) -> Optional[str]:
            socket = glue.registry.sockets.get((namespace, sid or ""))
            for room in socket.rooms if socket is not None else ():
                glue._base_enter(manager, sid, namespace, room, eio_sid=eio_sid)
            return sid

        body: Dict[str, Any] = {enter: entering, leave: leaving}
        if inspect.iscoroutinefunction(base_connect):
            async def connect_later(manager: Any, eio_sid: str, namespace: str) -> Any:
                return connected(manager, eio_sid, namespace, await base_connect(manager, eio_sid, namespace))
            body["connect"] = connect_later
        else:
            def connect(manager: Any, eio_sid: str, namespace: str) -> Any:
                return connected(manager, eio_sid, namespace, base_connect(manager, eio_sid, namespace))
            body["connect"] = connect

        if inspect.iscoroutinefunction(getattr(base, close)):
            async def close_later(manager: Any, room: Any, namespace: str) -> None:
                await glue._base_close(manager, room, namespace)
                glue.ask_peers("close_room", namespace, room=str(room))
            body[close] = close_later
        else:
            def close_now(manager: Any, room: Any, namespace: str) -> None:
                glue._base_close(manager, room, namespace)
                glue.ask_peers("close_room", namespace, room=str(room))
            body[close] = close_now

        if is_async:
            async def emit_later(manager: Any, event: Any, data: Any, namespace: str, room: Any = None, skip_sid: Any = None,
                                 callback: Any = None, to: Any = None, **kw: Any) -> None:
                await glue.room(glue.emit(event, data, namespace, to or room, skip_sid, callback))

            async def can_later(manager: Any, sid: str, namespace: str) -> bool:
                if (namespace, sid) not in glue.registry.sockets:
                    glue.ask_peers("disconnect", namespace, sid=sid)
                return bool(await base_can(manager, sid, namespace))
            body["emit"], body["can_disconnect"] = emit_later, can_later
        else:
            def emit(manager: Any, event: Any, data: Any, namespace: str, room: Any = None, skip_sid: Any = None,
                     callback: Any = None, to: Any = None, **kw: Any) -> None:
                glue.room(glue.emit(event, data, namespace, to or room, skip_sid, callback))

            def can(manager: Any, sid: str, namespace: str) -> bool:
                if (namespace, sid) not in glue.registry.sockets:
                    glue.ask_peers("disconnect", namespace, sid=sid)
                return bool(base_can(manager, sid, namespace))
            body["emit"], body["can_disconnect"] = emit, can
        self.manager.__class__ = type("Edge" + base.__name__, (base,), body)

    # ------------------------------------------------------------------ warnings

    def _warn(self, text: str) -> None:
        if text not in self._warned and len(self._warned) < 100:
            self._warned.add(text)
            log.warning("%s", text)

    def _compare_options(self, link: Link) -> None:
        """Heartbeats and sizes belong to the edge. Warns if the application was given different ones."""
        eio, ours = self.sio.eio, {}
        for name, attribute, unit in (("pingInterval", "ping_interval", 1000), ("pingTimeout", "ping_timeout", 1000),
                                      ("maxHttpBufferSize", "max_http_buffer_size", 1)):
            value = getattr(eio, attribute, None)
            if isinstance(value, (int, float)):
                ours[name] = int(value * unit)
        for name, value in ours.items():
            theirs = link.options.get(name)
            if isinstance(theirs, (int, float)) and theirs != value:
                self._warn(f"{name} is {value} here and {theirs} at the edge, which decides")


def _timeout_of(args: Tuple[Any, ...], kw: Dict[str, Any]) -> float:
    timeout = kw.get("timeout", args[5] if len(args) > 5 else 60)
    return float(timeout) if timeout is not None else ACK_TIMEOUT


def check(sio: Any) -> None:
    """Raises AttachError, with one sentence, if a needed part of python-socketio is missing or an option cannot be
    served."""
    if not hasattr(sio, "eio") or not hasattr(sio, "manager"):
        raise AttachError(f"attach() takes a socketio.AsyncServer or a socketio.Server, not a {type(sio).__name__}")
    for owner, names in NEEDED.items():
        thing = sio if owner == "server" else getattr(sio, owner)
        missing = [name for name in names if not hasattr(thing, name)]
        if missing:
            raise AttachError(f"this version of python-socketio has no {type(thing).__name__}.{missing[0]}, which sockeye needs; "
                              "versions 5.7 to 5.16 have it")
    if type(sio.manager).__name__.startswith("Edge"):
        raise AttachError("this server is already attached")
    if hasattr(sio.manager, "_publish") or hasattr(sio.manager, "channel"):
        raise AttachError(f"this server has a {type(sio.manager).__name__}; behind the edges the edges carry broadcasts "
                          "between processes, so remove client_manager (in Flask-SocketIO message_queue)")
