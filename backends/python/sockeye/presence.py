"""Presence, which the edge keeps (docs/presence.md): who is in a room, on all servers. The option `presence` turns it on for
namespaces. Each worker learns the settings when its link becomes ready, before the ACCEPT of any client.

Every worker knows all changes, so one link reports them for `on_change`. When this link is lost, another one does; changes in
between are not reported."""
from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, fields
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from . import frames
from .frames import Frame, FrameError
from .link import Link
from .mesh import Mesh
from .sessions import Socket

log = logging.getLogger("sockeye")
MAX_QUESTIONS = 10000  # WHO of one link; the settings must reach each link, so they are not limited
MAX_USER = 256  # bytes
MAX_DATA = 4096  # bytes of JSON
MAX_NAME = 512  # bytes of the prefix of rooms, and of an event
KINDS = ("joined", "changed", "left")  # by the `id` of CHANGE

OLD_EDGE = "the edge does not support presence, because it is older than this package"
FAULTS = {
    "argument": "the name of a room, user or event is not valid",
    "not-found": "the namespace has no presence: name it in the option `presence`",
    "too-big": "the name of the room is longer than 65,535 bytes, or another name is too long",
    "too-many": "the edge has presence in too many namespaces",
    "state": "the namespace has presence with other settings, or belongs to an application at the edge; restart the edge to "
             "change them",
    "timeout": "no answer in time",
    "lost": "the link to the edge was lost before the answer came",
    "system": "the edge is out of memory",
}

WAITING = f"{MAX_QUESTIONS} calls of presence() wait for their answers"


class PresenceError(Exception):
    """`code` is "unsupported" (the edge is too old, or none is attached), "lost", "timeout", or a word of PROTOCOL.md."""

    def __init__(self, what: str, code: str, text: Optional[str] = None) -> None:
        super().__init__(f"{what}: {text or FAULTS.get(code, code)}")
        self.code = code


@dataclass(frozen=True)
class PresentUser:
    user: str
    data: Any


@dataclass(frozen=True)
class Present:
    """Who is in a room. `count` is the number of users; `users` may list fewer."""
    count: int
    users: List[PresentUser]


@dataclass(frozen=True)
class Settings:
    rooms: str = ""
    event: str = ""
    on_change: Optional[Callable[[str, str, str, Any], Any]] = None


SETTINGS = {each.name for each in fields(Settings)}
Result = Union[Present, PresenceError]
Done = Callable[[Result], None]  # called once


class _Question:
    def __init__(self, done: Callable[[str, int, List[PresentUser]], None]) -> None:
        self.done, self.users = done, []  # type: Callable[[str, int, List[PresentUser]], None], List[PresentUser]


def read_settings(given: Optional[Mapping[str, Mapping[str, Any]]]) -> Dict[str, Settings]:
    """Reads the option, such as {"/": {"rooms": "room:", "event": "presence"}}. Raises ValueError."""
    found = {}
    if given and not (isinstance(given, Mapping) and all(isinstance(name, str) for name in given)):
        raise ValueError(f"presence: must be a dict from names of namespaces to their settings, not {given!r}")
    for name, values in (given or {}).items():
        if not isinstance(values, Mapping) or not SETTINGS.issuperset(values):
            raise ValueError(f"presence: the settings of {name!r} must be a dict with `rooms`, `event` or `on_change`, not {values!r}")
        settings = Settings(**values)
        for text in (settings.rooms, settings.event):
            if not isinstance(text, str) or len(text.encode()) > MAX_NAME:
                raise ValueError(f"presence: `rooms` and `event` of {name!r} must be texts of at most {MAX_NAME} bytes")
        if settings.on_change is not None and not callable(settings.on_change):
            raise ValueError(f"presence: `on_change` of {name!r} must be a function")
        found[name if name.startswith("/") else f"/{name}"] = settings
    return found


class Presence:
    def __init__(self, settings: Dict[str, Settings]) -> None:
        self.settings = settings
        self.reporter: Optional[Link] = None  # the link that reports changes
        self._ids = 0
        self._lock = threading.Lock()

    # ---------------------------------------------------------------- settings

    def ready(self, mesh: Mesh, link: Link) -> None:
        if not self.settings:
            return
        if not link.options.get("presence"):
            log.warning("presence: %s", OLD_EDGE)
            return
        with self._lock:
            self.reporter = self.reporter or link
            reports = self.reporter is link
        self._start(mesh, link, reports)

    def _start(self, mesh: Mesh, link: Link, reports: bool) -> None:
        for name, settings in self.settings.items():
            def answered(error: str, count: int, users: List[PresentUser], name: str = name) -> None:
                if error and error != "lost":
                    log.warning("presence in %s: %s", name, FAULTS.get(error, error))
            body = frames.put_text(settings.rooms) + frames.put_text(settings.event)
            flags = frames.F_ACK if reports and settings.on_change is not None else 0
            self._ask(mesh, link, frames.PRESENCE, flags, name, body, answered)

    # ------------------------------------------------------------------- users

    def set(self, socket: Socket, user: Optional[str], data: Any) -> None:
        text = _user("" if user is None else user)
        json_text = frames.dumps(data) if text and data is not None else b""
        if len(json_text) > MAX_DATA:
            raise ValueError(f"set_present(): the data has more than {MAX_DATA} bytes as JSON")
        if socket.namespace not in self.settings:
            raise PresenceError("set_present()", "not-found")
        if socket.is_here and socket.link.options.get("presence"):
            socket.send(frames.USER, frames.put_text(text) + json_text)

    def read(self, mesh: Mesh, namespace: str, room: Any, limit: Optional[int], user: Optional[str], done: Done) -> None:
        if limit is not None and (not isinstance(limit, int) or limit < 0):
            raise ValueError(f"limit must be a whole number, 0 or more, not {limit!r}")
        wanted = _user("" if user is None else user)
        if user == "":
            return done(Present(0, []))  # the edge would list all users
        if len(str(room).encode()) > 65535:
            raise ValueError("the name of a room is longer than 65,535 bytes")
        what = f"the presence in {room!r}"
        links = mesh.links
        link = self.reporter if self.reporter in links else links[0] if links else None
        if link is None:
            return done(PresenceError(what, "unsupported", "no edge is attached"))
        if not link.options.get("presence"):
            return done(PresenceError(what, "unsupported", OLD_EDGE))
        limited = 0xFFFFFFFF if limit is None else min(limit, 0xFFFFFFFF)
        body = frames.put_u32(limited) + frames.put_text(str(room)) + frames.put_text(wanted)
        if len(link.who) >= MAX_QUESTIONS:
            return done(PresenceError(what, "too-many", WAITING))
        self._ask(mesh, link, frames.WHO, 0, namespace, body,
                  lambda error, count, users: done(PresenceError(what, error) if error else Present(count, users)))

    # ---------------------------------------------------- questions and answers

    def _ask(self, mesh: Mesh, link: Link, type: int, flags: int, namespace: str, body: bytes,
             answered: Callable[[str, int, List[PresentUser]], None]) -> None:
        number = mesh.number(namespace)
        questions = link.who if type == frames.WHO else link.settings
        with self._lock:
            self._ids = id = (self._ids + 1) & 0xFFFFFFFF
        questions[id] = _Question(answered)
        sent = False
        try:
            sent = link.cast(number, namespace, frames.pack(type, body, flags, number, 0, id))
        finally:
            unanswered = not sent and questions.pop(id, None) is not None
        if unanswered:
            answered("lost", 0, [])

    def present(self, link: Link, frame: Frame) -> None:
        """Handles PRESENT: a user, or the end of an answer."""
        if frame.flags & frames.F_LAST:
            count, at = frames.take_u32(frame.body)
            error, at = frames.take_text(frame.body, at)
            question = link.who.pop(frame.id, None) or link.settings.pop(frame.id, None)
            if question is not None:
                question.done(error, count, question.users)
            return
        question = link.who.get(frame.id)
        user, at = frames.take_text(frame.body)
        data = _data(frame.body[at:])
        if question is not None:
            question.users.append(PresentUser(user, data))

    def change(self, link: Link, frame: Frame) -> Optional[Callable[[], Any]]:
        """Reads CHANGE. Returns what calls the application's handler, or None."""
        namespace = link.names.get(frame.nsp)
        if namespace is None or frame.id >= len(KINDS):
            raise FrameError("CHANGE for an unknown namespace, or of an unknown kind")
        room, at = frames.take_text(frame.body)
        user, at = frames.take_text(frame.body, at)
        data = _data(frame.body[at:])
        settings = self.settings.get(namespace)
        handler = settings.on_change if settings is not None else None
        if handler is None or link is not self.reporter:
            return None
        return lambda: handler(KINDS[frame.id], room, user, data)

    def lost(self, mesh: Mesh, link: Link) -> None:
        for questions in (link.who, link.settings):
            for id in list(questions):
                question = questions.pop(id, None)
                if question is not None:
                    question.done("lost", 0, [])
        with self._lock:
            if self.reporter is not link:
                return
            self.reporter = next((each for each in mesh.links if each is not link and each.options.get("presence")), None)
            reporter = self.reporter
        if reporter is not None:
            self._start(mesh, reporter, True)


def _user(user: Any) -> str:
    if not isinstance(user, str) or "\0" in user or len(user.encode()) > MAX_USER:
        raise ValueError(f"a user's name must be a text of at most {MAX_USER} bytes")
    return user


def _data(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        raise FrameError("a user's data is not JSON") from error
