"""All links of this process: one to each worker of each edge. What the two drivers (aio.py, threads.py) share.

An address may stand for several edges (a DNS name) and an edge for several workers, which WELCOME counts. Each pair of address
and worker is a Target; the driver keeps a link to it, and dials again with growing pauses when it is lost.
"""
from __future__ import annotations

import collections
import logging
import os
import random
import secrets
import socket
import ssl
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Deque, Dict, List, Optional, Sequence, Set, Tuple, Union

from . import frames, ready
from .frames import Frame
from .link import Hello, Link

log = logging.getLogger("sockeye")
DEFAULT_URL = "unix:///run/sockeye/backend.sock"
RESOLVE_EVERY = 10.0  # seconds between two looks at DNS
TICK = 0.5
DIAL_TIMEOUT = 5.0
FAREWELL = 2.0  # seconds that the edge has to close a connection after BYE
KEEP_CASTS = 10.0  # seconds that casts wait for links which are being made, and after which their clients have gone, too
KEEP_BYTES = 1 << 20


class AttachError(Exception):
    """attach() cannot work: a wrong address or secret, or a part of python-socketio that is missing."""


@dataclass
class Options:
    """What attach(), attach_blocking() and Backend take beside the address; README.md explains each."""
    secret: Union[str, bytes, None] = None
    tls: Optional[ssl.SSLContext] = None
    group: str = ""
    namespaces: Optional[List[str]] = None
    weight: int = 1
    mirror: bool = True
    drain_grace: float = 5.0
    drain_on_sigterm: bool = True
    max_queued: int = 64 << 20
    upstream: Optional[str] = None

    def hello(self) -> Hello:
        secret = self.secret if self.secret is not None else os.environ.get("SOCKEYE_BACKEND_SECRET")
        return Hello(instance=f"py-{os.getpid()}-{secrets.token_hex(8)}", group=self.group, namespaces=self.namespaces,
                     weight=self.weight, secret=secret.encode() if isinstance(secret, str) else secret,
                     upstream=self.upstream, app=os.path.basename(sys.argv[0] or "python")[:64], pid=os.getpid())


@dataclass(frozen=True)
class Address:
    scheme: str
    host: str  # the path of a unix socket
    port: int = 0

    def __str__(self) -> str:
        return f"unix://{self.host}" if self.scheme == "unix" else f"{self.scheme}://{self.host}:{self.port}"


def parse_urls(urls: Union[str, Sequence[str], None]) -> List[Address]:
    """One URL, several with commas between, or a list. AttachError: a URL is none of unix:///path, tls://host:port and tcp://host:port."""
    urls = urls or os.environ.get("SOCKEYE_BACKEND") or DEFAULT_URL
    found = []
    for url in urls.split(",") if isinstance(urls, str) else urls:
        parts = urllib.parse.urlsplit(url)
        try:
            if parts.scheme == "unix" and not parts.netloc and parts.path:
                found.append(Address("unix", urllib.parse.unquote(parts.path)))
            elif parts.scheme in ("tls", "tcp") and parts.hostname and parts.port and parts.path in ("", "/"):
                found.append(Address(parts.scheme, parts.hostname, parts.port))
            else:
                raise ValueError
        except ValueError:
            raise AttachError(f"{url!r} is no address of an edge; write unix:///path or tls://host:port") from None
    return found


@dataclass(frozen=True)
class Target:
    address: Address
    ip: str  # "" for a unix socket
    worker: int


@dataclass
class Backoff:
    """Seconds before the next dial: 0.1, 0.2 … 5, each with a random part."""
    step: float = 0.1

    def next(self) -> float:
        pause = self.step * (0.5 + random.random() / 2)
        self.step = min(self.step * 2, 5.0)
        return pause

    def reset(self) -> None:
        self.step = 0.1


def resolve(address: Address) -> List[str]:
    """The IP addresses behind a name; [""] for a unix socket. OSError: the name is not known now."""
    if address.scheme == "unix":
        return [""]
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Owner:
    """What stands above the links and gets their frames: attach.py and backend.py. Calls come in the order of the link."""

    def on_ready(self, link: Link) -> None:
        """The link may be used. It has said its options."""

    def on_frame(self, link: Link, frame: Frame) -> None:
        """The owner calls link.processed(frame.size) when it is done with the frame."""

    def on_lost(self, link: Link, reason: str) -> None:
        """The last call of a link that was ready."""

    def tick(self, now: float) -> None:
        """Twice a second."""


@dataclass
class Kept:
    """A cast that may have to go to workers whose link is not ready yet, and to which it has gone."""
    at: float
    namespace: str
    number: int
    frame: bytes
    sent: Set[Tuple[str, int]]


class KeptCasts:
    """The first client of a process may come before its last link is ready, and clients stay while a link is made anew: for some seconds
    after the start and after each loss casts are kept for the workers that are missing. What has left on a link is not sent again."""

    def __init__(self) -> None:
        self._until = time.monotonic() + KEEP_CASTS
        self._casts: Deque[Kept] = collections.deque()
        self._bytes = 0

    def link_lost(self) -> None:
        self._until = time.monotonic() + KEEP_CASTS

    def add(self, namespace: str, number: int, frame: bytes, links: List[Link]) -> None:
        now = time.monotonic()
        while self._casts and (now > self._until or now - self._casts[0].at > KEEP_CASTS):
            self._bytes -= len(self._casts.popleft().frame)
        if now > self._until or self._bytes + len(frame) > KEEP_BYTES:
            return
        self._bytes += len(frame)
        self._casts.append(Kept(now, namespace, number, frame, {(link.edge, link.worker) for link in links}))

    def send(self, link: Link) -> None:
        """A link has become ready. The caller holds its other casts back."""
        now = time.monotonic()
        for cast in self._casts:
            if now - cast.at <= KEEP_CASTS and (link.edge, link.worker) not in cast.sent:
                cast.sent.add((link.edge, link.worker))
                link.cast(cast.number, cast.namespace, cast.frame)


class Mesh:
    def __init__(self, urls: Union[str, Sequence[str], None], options: Options, owner: Owner) -> None:
        self.addresses = parse_urls(urls)
        self.options = options
        self.owner = owner
        self.hello = options.hello()
        self.links: List[Link] = []  # those that are ready
        self.closing = False
        self._numbers: Dict[str, int] = {"/": 0}
        self._casts = 0
        self._late_casts = KeptCasts()
        self._told_ready = False
        self._lock = threading.RLock()
        self._complaints: Dict[Target, str] = {}

    # ------------------------------------------------------- for the drivers

    def context(self, target: Target) -> Optional[ssl.SSLContext]:
        if target.address.scheme != "tls":
            return None
        return self.options.tls or ssl.create_default_context()

    def is_linked(self, edge: str, worker: int) -> bool:
        return any(link.edge == edge and link.worker == worker for link in self.links)

    def ready(self, target: Target, link: Link) -> None:
        with self._lock:
            self.links = self.links + [link]
            if not self._has_bus():
                self._late_casts.send(link)
        self._complaints.pop(target, None)
        log.info("attached to worker %d of edge %s at %s", link.worker, link.edge, target.address)
        self.owner.on_ready(link)
        if self.is_complete(link.edge):
            self._tell_ready()

    def lost(self, target: Target, link: Optional[Link], reason: str) -> None:
        """A link has ended or could not be made. The same reason twice in a row is logged once."""
        if link is not None and link in self.links:
            with self._lock:
                self.links = [other for other in self.links if other is not link]
                self._late_casts.link_lost()
            if not self.closing:
                log.warning("lost worker %d of edge %s: %s", link.worker, link.edge, reason)
            for waiter in list(link.casts.values()):
                waiter.last()
            self.owner.on_lost(link, reason)
        elif not self.closing and self._complaints.get(target) != reason:
            self._complaints[target] = reason
            log.warning("cannot attach to worker %d at %s: %s; trying on", target.worker, target.address, reason)

    def is_complete(self, edge: str) -> bool:
        """Each worker of this edge has a link to us."""
        mine = [link for link in self.links if link.edge == edge]
        return bool(mine) and len(mine) >= mine[0].workers

    def _tell_ready(self) -> None:
        with self._lock:
            told, self._told_ready = self._told_ready, True
        if not told:
            ready.report()

    # ------------------------------------------------------------ for owners

    def number(self, namespace: str) -> int:
        """Our number of a namespace, the same on all links."""
        number = self._numbers.get(namespace)
        if number is None:
            with self._lock:
                if len(self._numbers) > 65535:
                    raise ValueError("more than 65,536 namespaces")
                number = self._numbers.setdefault(namespace, len(self._numbers))
        return number

    def cast(self, namespace: str, rooms: Sequence[str], skip: Sequence[str], args: frames.Args, *, flags: int = 0,
             waiter: Optional["Waiter"] = None, timeout: float = 60.0) -> List[Link]:
        """Sends to rooms (none: the whole namespace) of all edges, encoded once. The links that took it."""
        body, binary = args
        number = self.number(namespace)
        cast_id = 0
        if binary:
            flags |= frames.F_BIN
        head = frames.put_rooms(rooms) + frames.put_rooms(skip)
        if waiter is not None:
            flags |= frames.F_ACK | frames.F_TIMED
            head = frames.put_u32(max(1, min(int(timeout * 1000), 0xFFFFFFFF))) + head
            with self._lock:
                self._casts = cast_id = self._casts % 0xFFFFFFFF + 1
        frame = frames.pack(frames.CAST, head + body, flags, number, 0, cast_id)
        with self._lock:
            links = self._fan_out()
            if waiter is None and not flags & frames.F_VOLATILE:
                self._late_casts.add(namespace, number, frame, links)
        if waiter is not None:
            waiter.links = len(links)
            for link in links:
                link.casts[cast_id] = waiter
        return [link for link in links if link.cast(number, namespace, frame, bool(flags & frames.F_VOLATILE))]

    def _has_bus(self) -> bool:
        return any(link.options.get("fanout") == "bus" for link in self.links)

    def _fan_out(self) -> List[Link]:
        return self.links[:1] if self._has_bus() else self.links  # the broker reaches the others

    def casted(self, link: Link, frame: Frame, codec: frames.Codec) -> None:
        """An answer to a cast that had a waiter."""
        waiter = link.casts.get(frame.id)
        if waiter is None:
            return
        if frame.flags & frames.F_ACK:
            waiter.answer(codec.decode(frame.body, bool(frame.flags & frames.F_BIN)))
        elif frame.flags & frames.F_LAST:
            del link.casts[frame.id]
            waiter.last()

    def tell_peers(self, message: Dict[str, Any]) -> None:
        """To all other backends of the edge. Nothing is sent when there are none."""
        for link in self.links:
            if link.worker == 0 and len(link.peers) > 1:
                link.send(frames.pack(frames.PEER, frames.put_text("") + frames.dumps(message)))
                return


@dataclass
class Waiter:
    """Collects the answers to a cast. Subclasses say what is done with them."""
    links: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def last(self) -> None:
        with self.lock:
            self.links -= 1
            if self.links:
                return
        self.done()

    def answer(self, values: List[Any]) -> None:
        raise NotImplementedError

    def done(self) -> None:
        """All that will answer have answered."""
