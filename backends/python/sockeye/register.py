"""Prepares a program for `python3 -m sockeye`, before the program begins.

Each socketio.AsyncServer and socketio.Server that the program makes is attached when the program first listens: by then its
handlers are registered and its loop runs. If the program would listen on the edge's own port (SOCKEYE_PORT), it gets a free port
of 127.0.0.1 or ::1 instead. HELLO names that address, and the edge passes every other HTTP request there.
"""
from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from typing import Any, Callable, List, Optional, Set, Tuple

from .attach import attach
from .attach_blocking import begin_blocking
from .mesh import AttachError

log = logging.getLogger("sockeye")


class _Register:
    def __init__(self) -> None:
        self.servers: List[Tuple[Any, Any]] = []  # a server, and the flask_socketio.SocketIO around it
        port = os.environ.get("SOCKEYE_PORT", "")
        self.edge_port = int(port) if port.isdigit() else 0
        self.upstream: Optional[str] = None
        self._moved: Set[Any] = set()  # addresses that sockets were bound to in place of the edge's port
        self._tasks: Set[asyncio.Task[None]] = set()

    def made(self, server: Any, caller: Any) -> None:
        if all(each is not server for each, _ in self.servers):
            flask = caller if type(caller).__module__.startswith("flask_socketio") else None
            self.servers.append((server, flask))

    def place(self, family: int, address: Any) -> Any:
        """The address to bind to: `address`, or a free port of the same family if `address` has the edge's port."""
        if self.edge_port and isinstance(address, tuple) and len(address) >= 2 and address[1] == self.edge_port:
            if family == socket.AF_INET:
                return ("127.0.0.1", 0)
            if family == socket.AF_INET6:
                return ("::1", 0, *address[2:])
        return address

    def moved(self, address: Any) -> None:
        """Called when a socket was bound to this address in place of the edge's port."""
        self._moved.add(address)

    def listening(self, address: Any) -> None:
        """Called when the program listens at this address. Attaches the servers that are not attached yet."""
        if address in self._moved and self.upstream is None:
            host, port = address[:2]
            self.upstream = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            log.warning("listening on port %d instead of %d, which the edge uses; the edge passes other requests on",
                        port, self.edge_port)
        try:
            loop: Optional[asyncio.AbstractEventLoop] = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        waiting, self.servers = self.servers, []
        for server, flask in waiting:
            if not server.is_asyncio_based():
                begin_blocking(flask or server, upstream=self.upstream)
            elif loop is None:
                self.servers.append((server, flask))  # a later listen() inside the loop attaches it
            else:
                task = loop.create_task(self._attach(server))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _attach(self, server: Any) -> None:
        try:
            await attach(server, upstream=self.upstream)
        except AttachError as error:
            log.error("%s", error)


def install() -> None:
    """Patches python-socketio and the sockets. Raises SystemExit if python-socketio is missing."""
    try:
        import socketio
    except ImportError:
        sys.exit("python3 -m sockeye is for programs with python-socketio, which this Python does not have")
    register = _Register()
    for kind in (socketio.AsyncServer, socketio.Server):
        _watch(kind, register)
    _watch_sockets(register)
    _watch_uvloop(register)


def _watch(kind: Any, register: _Register) -> None:
    init = kind.__init__

    def __init__(self: Any, *args: Any, **kw: Any) -> None:
        init(self, *args, **kw)
        register.made(self, sys._getframe(1).f_locals.get("self"))
    kind.__init__ = __init__


def _watch_sockets(register: _Register) -> None:
    bind: Callable[..., None] = socket.socket.bind
    listen: Callable[..., None] = socket.socket.listen

    def own_bind(self: socket.socket, address: Any) -> None:
        place = register.place(self.family, address) if self.type == socket.SOCK_STREAM else address
        bind(self, place)
        if place is not address:
            register.moved(self.getsockname())

    def own_listen(self: socket.socket, *args: Any) -> None:
        listen(self, *args)
        register.listening(self.getsockname())
    socket.socket.bind = own_bind  # type: ignore[method-assign, assignment]
    socket.socket.listen = own_listen  # type: ignore[method-assign, assignment]


def _watch_uvloop(register: _Register) -> None:
    """Patches uvloop, too, because it binds and listens in C."""
    try:
        import uvloop  # type: ignore[import-not-found]
    except ImportError:
        return
    create_server = uvloop.Loop.create_server

    async def own_create_server(self: Any, factory: Any, host: Any = None, port: Any = None, **kw: Any) -> Any:
        place = register.place(socket.AF_INET, (host, port))
        moves = place != (host, port)
        server = await create_server(self, factory, place[0], place[1], **kw)
        address = server.sockets[0].getsockname()
        if moves:
            register.moved(address)
        register.listening(address)
        return server
    uvloop.Loop.create_server = own_create_server
