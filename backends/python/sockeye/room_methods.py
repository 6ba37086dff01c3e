"""The functions of history and presence on a python-socketio server: enter_room(history=…), history(), history_remove(),
history_clear(), presence() and set_present(). Each is written for both flavours, above what they share.
"""
from __future__ import annotations

import asyncio
from typing import Any, Callable, Optional

from . import frames
from .clients import Clients
from .history import Done, GiveUp, as_future, count_of, wait_for
from .presence import PresenceError
from .sessions import OPENING


class RoomMethods(Clients):
    sio: Any
    manager: Any
    _base_enter: Callable[..., Any]  # the manager's own function that enters a room

    def ask_peers(self, operation: str, namespace: str, **more: Any) -> None:
        """Asks the other processes of the group to do something for a socket that is not here."""
        raise NotImplementedError

    def _enter_with_history(self, sid: str, room: Any, namespace: str, count: int, done: Done) -> None:
        socket = self.registry.sockets.get((namespace, sid))
        if socket is None:
            self.ask_peers("enter_room", namespace, sid=sid, room=str(room), history=count)
            return done(0)
        is_in = room in self.manager.get_rooms(sid, namespace)
        if not is_in:
            self._base_enter(self.manager, sid, namespace, room)
        if not self.room_history.enter(socket, str(room), count, done, is_in=is_in) and not is_in and socket.state != OPENING:
            socket.send(frames.JOIN, frames.put_rooms([str(room)]))

    def _offer(self, **functions: Callable[..., Any]) -> None:
        """Adds functions to the server, unless the application uses these names."""
        for name, function in functions.items():
            if not hasattr(self.sio, name):
                setattr(self.sio, name, function)

    def _read_history(self, room: Any, limit: Optional[int], before: Optional[str], after: Optional[str],
                      namespace: Optional[str]) -> Callable[[Done], Optional[GiveUp]]:
        return lambda done: self.room_history.read(self.mesh, namespace or "/", room, limit, before, after, done)

    def _remove_history(self, room: Any, id: str, namespace: Optional[str]) -> Callable[[Done], None]:
        if not id:  # an id that the application has lost must not remove everything
            raise ValueError("history_remove() needs the id of an event")
        return lambda done: self.room_history.remove(self.mesh, namespace or "/", room, id, done)

    def _clear_history(self, room: Any, namespace: Optional[str]) -> Callable[[Done], None]:
        return lambda done: self.room_history.remove(self.mesh, namespace or "/", room, None, done)

    def install_in_namespaces(self) -> None:
        """Gives `enter_room` of namespace classes the argument `history`, unless the application has its own."""
        register = self.sio.register_namespace

        def extend(handler: Any) -> None:
            if not getattr(type(handler).enter_room, "__module__", "").startswith("socketio."):
                return

            def enter_room(sid: str, room: Any, namespace: Optional[str] = None, history: Any = None) -> Any:
                return self.sio.enter_room(sid, room, namespace or handler.namespace, history=history)
            handler.enter_room = enter_room

        def register_namespace(handler: Any) -> None:
            register(handler)
            extend(handler)
        for handler in self.sio.namespace_handlers.values():
            extend(handler)
        self.sio.register_namespace = register_namespace

    def install_async(self, sio: Any) -> None:
        enter = sio.enter_room

        def enter_room(sid: str, room: Any, namespace: Optional[str] = None, history: Any = None) -> Any:
            if history is None or history is False:
                return enter(sid, room, namespace)  # a coroutine function in some versions, a plain one in others
            count = count_of(history)
            return self._asked(lambda done: self._enter_with_history(sid, room, namespace or "/", count, done))

        async def history(room: Any, limit: Optional[int] = None, before: Optional[str] = None, after: Optional[str] = None,
                          namespace: Optional[str] = None) -> Any:
            return await self._asked(self._read_history(room, limit, before, after, namespace))

        async def history_remove(room: Any, id: str, namespace: Optional[str] = None) -> Any:
            return await self._asked(self._remove_history(room, id, namespace))

        async def history_clear(room: Any, namespace: Optional[str] = None) -> Any:
            return await self._asked(self._clear_history(room, namespace))
        sio.enter_room = enter_room
        self._offer(history=history, history_remove=history_remove, history_clear=history_clear)

        async def presence(room: Any, limit: Optional[int] = None, user: Optional[str] = None, namespace: Optional[str] = None) -> Any:
            return await self._asked(self._read_presence(room, limit, user, namespace))
        self._offer(presence=presence, set_present=self._set_present)

    @staticmethod
    def _asked(ask: Callable[[Done], Optional[GiveUp]]) -> Any:
        return as_future(asyncio.get_running_loop(), ask)

    def install_sync(self, sio: Any) -> None:
        enter = sio.enter_room

        def enter_room(sid: str, room: Any, namespace: Optional[str] = None, history: Any = None) -> Any:
            if history is None or history is False:
                return enter(sid, room, namespace)
            count = count_of(history)
            return wait_for(lambda done: self._enter_with_history(sid, room, namespace or "/", count, done))

        def history(room: Any, limit: Optional[int] = None, before: Optional[str] = None, after: Optional[str] = None,
                    namespace: Optional[str] = None) -> Any:
            return wait_for(self._read_history(room, limit, before, after, namespace))

        def history_remove(room: Any, id: str, namespace: Optional[str] = None) -> Any:
            return wait_for(self._remove_history(room, id, namespace))

        def history_clear(room: Any, namespace: Optional[str] = None) -> Any:
            return wait_for(self._clear_history(room, namespace))

        def presence(room: Any, limit: Optional[int] = None, user: Optional[str] = None, namespace: Optional[str] = None) -> Any:
            return wait_for(self._read_presence(room, limit, user, namespace), PresenceError(f"the presence in {room!r}", "timeout"))
        sio.enter_room = enter_room
        self._offer(history=history, history_remove=history_remove, history_clear=history_clear, presence=presence,
                    set_present=self._set_present)

    def _read_presence(self, room: Any, limit: Optional[int], user: Optional[str], namespace: Optional[str]) -> Callable[[Any], None]:
        return lambda done: self.room_presence.read(self.mesh, namespace or "/", room, limit, user, done)

    def _set_present(self, sid: str, user: Optional[str], data: Any = None, namespace: Optional[str] = None) -> None:
        """Names the user of a socket of this process, with data that others see. None removes the user."""
        socket = self.registry.sockets.get((namespace or "/", sid))
        if socket is not None:
            self.room_presence.set(socket, user, data)
