"""The driver of links for programs with threads. One thread reads each link; the thread that sends also writes."""
from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Union

from . import frames
from .link import SECOND_WAY, Link, LinkLost
from .mesh import DIAL_TIMEOUT, FAREWELL, LONGEST_PAUSE, RESOLVE_EVERY, TICK, AttachError, Backoff, Mesh, Options, Owner, Target, resolve

log = logging.getLogger("sockeye")
STALL = 30.0  # seconds without a write after which the link is given up


class _TlsSocket:
    """OpenSSL allows one thread at a time to use a connection, so no thread waits inside OpenSSL: select() waits."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        sock.setblocking(False)

    def _wait(self, read: bool) -> None:
        ready = select.select([self._sock] if read else [], [] if read else [self._sock], [], STALL)
        if not (ready[0] or ready[1]):
            raise socket.timeout("timed out")

    def recv(self, size: int) -> bytes:
        while True:
            try:
                with self._lock:
                    return self._sock.recv(size)
            except ssl.SSLWantReadError:
                self._wait(read=True)
            except ssl.SSLWantWriteError:
                self._wait(read=False)
            except ssl.SSLEOFError:
                return b""

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                with self._lock:
                    sent = self._sock.send(view)
                view = view[sent:]
            except ssl.SSLWantWriteError:
                self._wait(read=False)
            except ssl.SSLWantReadError:
                self._wait(read=True)

    def shutdown(self, how: int) -> None:
        socket.socket.shutdown(self._sock, how)

    def close(self) -> None:
        self._sock.close()


class _Wire:
    """Joins a connection with its Link. The first sender writes until no bytes are left; its writes include the bytes that
    other threads queue meanwhile."""

    def __init__(self, mesh: "ThreadMesh", target: Target, sock: Any) -> None:
        self.mesh, self.target, self.sock = mesh, target, sock
        self.link = Link(mesh.hello, target.worker, time.monotonic(), self.flush, mesh.options.max_queued, mesh.is_linked)
        self.reader = threading.current_thread()
        self._writing = False
        self._lock = threading.Lock()
        self._reason: Optional[str] = None

    def flush(self) -> None:
        while True:
            with self._lock:
                if self._writing:
                    return
                self._writing = True
            try:
                while True:
                    data = self.link.take()
                    if not data:
                        break
                    self.sock.sendall(data)
            except OSError as error:
                self.end(f"writing: {error}")
            finally:
                with self._lock:
                    self._writing = False
            if self.link.fault is not None:
                self.end(str(self.link.fault))
            if self._reason is not None or not self.link.has_out:
                return

    def run(self) -> str:
        """Reads until the link ends. Returns the reason."""
        while self._reason is None:
            try:
                data = self.sock.recv(262144)
                if not data:
                    return self._reason or "the connection has ended"
                self._feed(data)
            except LinkLost as lost:
                return str(lost)
            except frames.FrameError as error:
                return f"protocol: {error}"
            except socket.timeout:
                continue  # tick() detects silence
            except OSError as error:
                return self._reason or str(error)
        return self._reason

    def _feed(self, data: bytes) -> None:
        link = self.link
        for frame in link.feed(data, time.monotonic()):
            if frame.type == frames.WELCOME:
                self.mesh.ready(self.target, link)
                self.mesh.check_attached()
            else:
                self.mesh.owner.on_frame(link, frame)

    def close(self, reason: str) -> None:
        """Sends BYE. The edge then closes the connection: if we closed it, bytes that the edge has not read yet could
        be lost."""
        self.link.farewell(reason)

    def end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self.link.lose()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def spawn(function: Callable[..., None], *args: Any) -> None:
    """Starts a thread that does not keep the program from ending. It is a green thread where threading is
    monkey-patched."""
    threading.Thread(target=function, args=args, daemon=True).start()


class ThreadMesh(Mesh):
    def __init__(self, urls: Union[str, Sequence[str], None], options: Options, owner: Owner) -> None:
        super().__init__(urls, options, owner)
        self._wires: Dict[Link, _Wire] = {}
        self._attached = threading.Event()
        self._failure: Optional[AttachError] = None
        self._stop = threading.Event()

    def start(self) -> None:
        spawn(self._tick)
        for address in self.addresses:
            spawn(self._resolve, address)

    def wait(self, timeout: Optional[float] = None) -> None:
        """Returns when every worker of one edge has a link. Raises AttachError if no edge will ever accept this
        backend, or none in time."""
        if not self._attached.wait(timeout):
            self._failure = AttachError(f"no edge within {timeout} s")
        if self._failure is not None:
            self.close()
            raise self._failure

    def check_attached(self) -> None:
        if any(self.is_complete(link.edge) for link in self.links):
            self._attached.set()

    def room(self, links: Sequence[Link]) -> None:
        """Waits until the edge has taken enough of the queued bytes. A thread that reads a link does not wait, because
        it must go on reading."""
        me = threading.current_thread()
        if any(wire.reader is me for wire in list(self._wires.values())):
            return
        end = time.monotonic() + STALL
        while any(link.is_crowded for link in links) and time.monotonic() < end and not self._stop.is_set():
            time.sleep(0.005)

    def start_keeper(self, target: Target, mark: object) -> None:
        spawn(self._keeper, target, mark)

    def _resolve(self, address: Any) -> None:
        known: List[str] = []
        while self.makes_links:
            try:
                found = resolve(address)
                for ip in found:
                    self.keep(Target(address, ip, 0))
                for ip in set(known) - set(found):
                    self.drop(address, ip)
                known = found
            except OSError as error:
                self.lost(Target(address, "", 0), None, str(error))
            if known and not address.is_name:
                return
            self._stop.wait(RESOLVE_EVERY)

    def _keeper(self, target: Target, mark: object) -> None:
        """Keeps one link for as long as the program runs, or as long as DNS names its address."""
        backoff = Backoff()
        while self.is_kept(target, mark):
            pause = None
            try:
                pause = self._once(target, backoff)
            except OSError as error:
                self.lost(target, None, str(error))
            if pause == 0:
                break
            self._stop.wait(backoff.next() if pause is None else pause)
        self.dismiss(target, mark)

    def _dial(self, target: Target) -> Any:
        address = target.address
        if address.scheme == "unix":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(DIAL_TIMEOUT)
            try:
                sock.connect(address.host)
            except OSError:
                sock.close()
                raise
        else:
            sock = socket.create_connection((target.ip, address.port), DIAL_TIMEOUT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = self.context(target)
            if context is not None:
                return _TlsSocket(context.wrap_socket(sock, server_hostname=address.host))
        sock.settimeout(STALL)
        return sock

    def _once(self, target: Target, backoff: Backoff) -> Optional[float]:
        """Runs one link from dial to end. Returns the pause before the next dial; None for the back-off's pause; 0 for
        no further dial."""
        wire = _Wire(self, target, self._dial(target))
        self._wires[wire.link] = wire
        try:
            reason = wire.run()
        finally:
            self._wires.pop(wire.link, None)
            wire.link.lose()
            wire.sock.close()
        if reason == SECOND_WAY:
            self.second_way(target)
            return LONGEST_PAUSE
        if wire.link in self.links:
            backoff.reset()
        self.lost(target, wire.link, reason)
        if reason.startswith(("secret", "version")) and not self._attached.is_set():
            self._failure = AttachError(f"the edge at {target.address} refuses this process: {reason}")
            self._attached.set()
        return 0 if reason.startswith("worker") else None

    def _tick(self) -> None:
        while not self._stop.wait(TICK):
            now = time.monotonic()
            for wire in list(self._wires.values()):
                try:
                    wire.link.tick(now)
                except LinkLost as lost:
                    wire.end(str(lost))
            self.owner.tick(now)

    def close(self, reason: str = "shutdown") -> None:
        """Ends all links after writing all queued frames."""
        self.closing = True
        self._stop.set()
        for wire in list(self._wires.values()):
            wire.close(reason)
        end = time.monotonic() + FAREWELL
        while self._wires and time.monotonic() < end:
            time.sleep(0.005)
        for wire in list(self._wires.values()):
            wire.end(reason)
