"""All links of this process: one to each worker of each edge. The two drivers (aio.py, threads.py) share this.

An address may stand for several edges (a DNS name), and an edge has one or more workers, which WELCOME counts. A Target is an
address, an IP address and a worker. The driver keeps a link to each Target, and dials again with growing pauses when it is lost.
"""
from __future__ import annotations

import ipaddress
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
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Union

from . import frames, ready
from .frames import Frame
from .link import Hello, Link, LinkLost
from .recent import RecentCasts

log = logging.getLogger("sockeye")
DEFAULT_URL = "unix:///run/sockeye/backend.sock"
RESOLVE_EVERY = 1.0  # seconds between two DNS look-ups
LONGEST_PAUSE = 2.0  # seconds; a new edge may have clients for this time plus RESOLVE_EVERY before it has a link
TICK = 0.5
DIAL_TIMEOUT = 5.0
FAREWELL = 2.0  # seconds in which the edge should close a connection after BYE


class AttachError(Exception):
    """attach() cannot succeed: the address or secret is wrong, or a part of python-socketio is missing."""


@dataclass
class Options:
    """The options of attach(), attach_blocking() and Backend. README.md explains each one."""
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
    presence: Optional[Mapping[str, Mapping[str, Any]]] = None

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

    @property
    def is_name(self) -> bool:
        """True for a name, which may lead to other hosts later."""
        if self.scheme == "unix":
            return False
        try:
            ipaddress.ip_address(self.host)
            return False
        except ValueError:
            return True

    def __str__(self) -> str:
        return f"unix://{self.host}" if self.scheme == "unix" else f"{self.scheme}://{self.host}:{self.port}"


def parse_urls(urls: Union[str, Sequence[str], None]) -> List[Address]:
    """Reads one URL, several separated by commas, or a list. Raises AttachError for a URL other than unix:///path,
    tls://host:port and tcp://host:port."""
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
            raise AttachError(f"{url!r} is not an address of an edge (use unix:///path or tls://host:port)") from None
    return found


@dataclass(frozen=True)
class Target:
    address: Address
    ip: str  # "" for a unix socket
    worker: int


@dataclass
class Backoff:
    """Seconds before the next dial: 0.1, 0.2 … 2, each with a random part."""
    step: float = 0.1

    def next(self) -> float:
        pause = self.step * (0.5 + random.random() / 2)
        self.step = min(self.step * 2, LONGEST_PAUSE)
        return pause

    def reset(self) -> None:
        self.step = 0.1


def resolve(address: Address) -> List[str]:
    """The IP addresses of a name; [""] for a unix socket. Raises OSError if the name cannot be looked up now."""
    if address.scheme == "unix":
        return [""]
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


# How far a cast on one link goes (PROTOCOL.md, section 6): to the clients of its worker, to all workers of its edge, or to all
# edges of the cluster.
ANY_WORKER = -1  # in RecentCasts, for an edge whose workers one link reaches


def _covers_edge(link: Link) -> bool:
    return link.options.get("fanout") == "bus" and link.options.get("reach") == "edge"


def _is_cluster(link: Link) -> bool:
    return link.options.get("fanout") == "bus" and link.options.get("reach") != "edge"


def _cast_place(link: Link) -> Tuple[int, float]:
    """The worker under which RecentCasts records what has left on this link, and the time from which casts count."""
    return (ANY_WORKER, float("-inf")) if _covers_edge(link) else (link.worker, link.since)


class Owner:
    """The layer above the links, which gets their frames: Clients in clients.py. Calls come in the
    order of the link."""

    def on_ready(self, link: Link) -> None:
        """Called when the link may be used and its options are known."""

    def on_frame(self, link: Link, frame: Frame) -> None:
        """The owner must call link.processed(frame.size) when it has processed the frame."""

    def on_lost(self, link: Link, reason: str) -> None:
        """Called last for each link that was ready."""

    def tick(self, now: float) -> None:
        """Called twice a second."""


class Mesh:
    def __init__(self, urls: Union[str, Sequence[str], None], options: Options, owner: Owner) -> None:
        self.addresses = parse_urls(urls)
        self.options = options
        self.owner = owner
        self.hello = options.hello()
        self.links: List[Link] = []  # ready links
        self.closing = False
        self.draining = False  # from the beginning of a drain on
        self._numbers: Dict[str, int] = {"/": 0}
        self._casts = 0
        self._recent = RecentCasts()
        self._kept: Dict[Target, object] = {}  # target -> the mark of its keeper
        self._absent: Set[Target] = set()  # targets without a ready link that may get one at any time
        self._unresolved = set(self.addresses)  # addresses without a target so far
        self._is_named = any(address.is_name for address in self.addresses)
        self._is_cluster: Optional[bool] = None  # from the last WELCOME: one link reaches the workers of all edges
        self._keeps_casts = False
        self._reported_ready = False
        self._lock = threading.RLock()
        self._complaints: Dict[Target, str] = {}

    # ------------------------------------------------------- for the drivers

    def start_keeper(self, target: Target, mark: object) -> None:
        """Implemented by the driver. Starts a keeper, which keeps a link to `target` while is_kept(), and calls
        dismiss() when it ends."""
        raise NotImplementedError

    @property
    def makes_links(self) -> bool:
        """False as soon as the drain begins: the edge would give clients to a new link."""
        return not (self.closing or self.draining)

    def keep(self, target: Target) -> None:
        with self._lock:
            if target in self._kept or not self.makes_links:
                return
            mark = self._kept[target] = object()
            self._absent.add(target)
            self._unresolved.discard(target.address)
        self.start_keeper(target, mark)

    def is_kept(self, target: Target, mark: object) -> bool:
        return self.makes_links and self._kept.get(target) is mark

    def dismiss(self, target: Target, mark: object) -> None:
        """Ends the keeping of `target`, whose worker or host no longer exists."""
        with self._lock:
            if self._kept.get(target, mark) is mark:
                self._kept.pop(target, None)
                self._absent.discard(target)
                self._keep_casts_or_not()

    def drop(self, address: Address, ip: str) -> None:
        """Called when DNS no longer lists `ip`. The driver then stops dialling it. A ready link stays until it ends."""
        with self._lock:
            for target, mark in list(self._kept.items()):
                if target.address == address and target.ip == ip:
                    self.dismiss(target, mark)

    def second_way(self, target: Target) -> None:
        """Called when another address leads to the same worker. The clients of the worker then miss no cast."""
        with self._lock:
            self._absent.discard(target)
            self._keep_casts_or_not()

    def context(self, target: Target) -> Optional[ssl.SSLContext]:
        if target.address.scheme != "tls":
            return None
        return self.options.tls or ssl.create_default_context()

    def is_linked(self, edge: str, worker: int) -> bool:
        return any(link.edge == edge and link.worker == worker for link in self.links)

    def ready(self, target: Target, link: Link) -> None:
        """WELCOME has come. Raises LinkLost if this process accepts no more links."""
        with self._lock:
            if not self.makes_links:
                link.lose()
                raise LinkLost("shutdown")
            if self.is_linked(link.edge, link.worker):  # two were dialled at the same time; the edge ends the first
                self._cast_lost(link, 2)
            worker, since = _cast_place(link)
            missed = [] if worker == ANY_WORKER and self._reaches(link.edge) else self._recent.missed_by(link.edge, worker, since)
            self.links = self.links + [link]
            self._absent.discard(target)
            for worker in range(link.workers):
                self.keep(Target(target.address, target.ip, worker))
            for cast in missed:
                if len(cast.frame) - frames.HEAD <= link.max_frame:
                    link.queue_cast(cast.number, cast.namespace, cast.frame)
            self._keep_casts_or_not()
        link.wake()
        self._complaints.pop(target, None)
        log.info("attached to worker %d of edge %s at %s", link.worker, link.edge, target.address)
        self.owner.on_ready(link)
        if self.is_complete(link.edge):
            self._tell_ready()

    def lost(self, target: Target, link: Optional[Link], reason: str) -> None:
        """A link has ended or could not be made. Logs the same reason only once in a row."""
        if link is not None and link in self.links:
            with self._lock:
                self.links = [other for other in self.links if other is not link]
                self._cast_lost(link, 1)
                if target in self._kept:
                    self._absent.add(target)
                self._keep_casts_or_not()
            if not self.closing:
                log.warning("lost worker %d of edge %s: %s", link.worker, link.edge, reason)
            for waiter in list(link.casts.values()):
                waiter.last()
            self.owner.on_lost(link, reason)
            return
        with self._lock:
            if target in self._kept:
                self._absent.add(target)  # it may have been a second way to a worker
                self._keep_casts_or_not()
        if not self.closing and self._complaints.get(target) != reason:
            self._complaints[target] = reason
            log.warning("cannot attach to worker %d at %s: %s; trying again", target.worker, target.address, reason)

    def _keep_casts_or_not(self) -> None:
        """With the broker of a cluster, one link reaches all workers. WELCOME says whether there is one, so nothing is
        kept before the first WELCOME."""
        if self.links:
            self._is_cluster = any(_is_cluster(link) for link in self.links)
        self._keeps_casts = self._is_cluster is False and (self._is_named or bool(self._unresolved or self._absent))
        if not self._keeps_casts:
            self._recent.clear()

    def is_complete(self, edge: str) -> bool:
        """Whether each worker of this edge has a link to this process."""
        mine = [link for link in self.links if link.edge == edge]
        return bool(mine) and len(mine) >= mine[0].workers

    def _tell_ready(self) -> None:
        with self._lock:
            reported, self._reported_ready = self._reported_ready, True
        if not reported:
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
        """Sends to rooms of all edges, or without rooms to the whole namespace. Encodes once. Returns the links that
        took the frame. Raises ValueError if the frame is longer than one of the edges accepts; the others get it."""
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
            if self._keeps_casts and waiter is None and not flags & frames.F_VOLATILE:
                self._recent.add(namespace, number, frame)
        if waiter is not None:
            waiter.links = len(links)
            for link in links:
                link.casts[cast_id] = waiter
        taken: List[Link] = []
        refused: Optional[ValueError] = None
        for link in links:
            try:
                if link.cast(number, namespace, frame, bool(flags & frames.F_VOLATILE)):
                    taken.append(link)
            except ValueError as error:
                refused = error
        if refused is None:
            return taken
        for link in links:
            link.casts.pop(cast_id, None)
        raise refused

    def _reaches(self, edge: str) -> bool:
        return any(link.edge == edge for link in self.links)

    def _cast_lost(self, link: Link, links: int) -> None:
        """A link, one of `links` to its worker, has ended: the casts so far have left on it."""
        worker, _ = _cast_place(link)
        if worker != ANY_WORKER or sum(other.edge == link.edge for other in self.links) == links - 1:
            self._recent.lost(link.edge, worker)

    def _fan_out(self) -> List[Link]:
        """The links that a cast leaves on, so that each worker gets it once."""
        chosen: Dict[object, Link] = {}
        for link in self.links:
            reach: object = None if _is_cluster(link) else link.edge if _covers_edge(link) else link
            chosen.setdefault(reach, link)
        return list(chosen.values())

    def casted(self, link: Link, frame: Frame, codec: frames.Codec) -> None:
        """Handles CASTED: an answer to a cast with a waiter, or the end of its answers."""
        waiter = link.casts.get(frame.id)
        if waiter is None:
            return
        if frame.flags & frames.F_ACK:
            waiter.answer(codec.decode(frame.body, bool(frame.flags & frames.F_BIN)))
        elif frame.flags & frames.F_LAST:
            del link.casts[frame.id]
            waiter.last()

    def tell_peers(self, message: Dict[str, Any]) -> None:
        """Sends a message to the other backends of the edge, if the edge has any."""
        for link in self.links:
            if link.worker == 0 and len(link.peers) > 1:
                link.send(frames.pack(frames.PEER, frames.put_text("") + frames.dumps(message)))
                return


@dataclass
class Waiter:
    """Collects the answers to a cast. Subclasses define their use."""
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
        """Called when all answers that will come have come."""
