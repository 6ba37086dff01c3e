"""The driver of links for asyncio."""
from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Dict, List, Optional, Sequence, Set, Union

from . import frames
from .link import SECOND_WAY, Link, LinkLost
from .mesh import DIAL_TIMEOUT, FAREWELL, LONGEST_PAUSE, RESOLVE_EVERY, TICK, AttachError, Backoff, Mesh, Options, Owner, Target, resolve

log = logging.getLogger("sockeye")


class _Wire(asyncio.Protocol):
    """Joins a connection with its Link. All bytes that are queued in one turn of the loop leave in one write."""

    def __init__(self, mesh: "AioMesh", target: Target) -> None:
        self.mesh, self.target = mesh, target
        self.loop = mesh.loop
        self.link = Link(mesh.hello, target.worker, time.monotonic(), self.wake, mesh.options.max_queued, mesh.is_linked)
        self.ended: asyncio.Future[str] = self.loop.create_future()
        self.transport: Optional[asyncio.Transport] = None
        self._scheduled = self._paused = False
        self._drained: List[asyncio.Future[None]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        link = self.link
        try:
            for frame in link.feed(data, time.monotonic()):
                if frame.type == frames.WELCOME:
                    self.mesh.ready(self.target, link)
                    self.mesh.check_attached()
                else:
                    self.mesh.owner.on_frame(link, frame)
        except LinkLost as lost:
            self.end(lost)
        except frames.FrameError as error:  # a body that the owner could not read
            link.lose()
            self.end(LinkLost("protocol", str(error)))

    def wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        self._scheduled = False
        if self.link.fault is not None:
            self.end(self.link.fault)
        elif not self._paused and self.transport is not None:
            data = self.link.take()
            if data:
                self.transport.write(data)
        if self._drained and not self.link.is_crowded:
            waiting, self._drained = self._drained, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush()

    async def room(self) -> None:
        """Returns when the edge has taken enough of the queued bytes."""
        if self.link.is_crowded:
            future: asyncio.Future[None] = self.loop.create_future()
            self._drained.append(future)
            await future

    def close(self, reason: str) -> None:
        """Sends BYE. The edge then closes the connection: if we closed it, bytes that the edge has not read yet could
        be lost."""
        self.link.farewell(reason)
        self.flush()
        self.loop.call_later(FAREWELL, self.end, LinkLost(reason))

    def end(self, lost: LinkLost) -> None:
        if not self.ended.done():
            self.ended.set_result(str(lost))
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, error: Optional[BaseException]) -> None:
        self.link.lose()
        self._drained, waiting = [], self._drained
        for future in waiting:
            if not future.done():
                future.set_result(None)
        if not self.ended.done():
            self.ended.set_result(str(error) if error else "the connection has ended")


class AioMesh(Mesh):
    def __init__(self, urls: Union[str, Sequence[str], None], options: Options, owner: Owner) -> None:
        super().__init__(urls, options, owner)
        self.loop = asyncio.get_running_loop()
        self._wires: Dict[Link, _Wire] = {}
        self._attached: asyncio.Future[None] = self.loop.create_future()
        self._tasks: Set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Returns when every worker of one edge has a link. Raises AttachError if no edge will ever accept this
        backend."""
        for keep in [self._tick()] + [self._resolve(address) for address in self.addresses]:
            self._tasks.add(self.loop.create_task(keep))
        try:
            await self._attached
        except BaseException:
            await self.close()
            raise

    def check_attached(self) -> None:
        if not self._attached.done() and any(self.is_complete(link.edge) for link in self.links):
            self._attached.set_result(None)

    async def room(self, links: Sequence[Link]) -> None:
        for link in links:
            if link.is_crowded:
                wire = self._wires.get(link)
                if wire is not None:
                    await wire.room()

    def start_keeper(self, target: Target, mark: object) -> None:
        task = self.loop.create_task(self._keeper(target, mark))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resolve(self, address: Any) -> None:
        known: Set[str] = set()
        while self.makes_links:
            try:
                found = await self.loop.run_in_executor(None, resolve, address) if address.scheme != "unix" else [""]
                for ip in found:
                    self.keep(Target(address, ip, 0))
                for ip in known - set(found):
                    self.drop(address, ip)
                known = set(found)
            except OSError as error:
                self.lost(Target(address, "", 0), None, str(error))
            if known and not address.is_name:
                return
            await asyncio.sleep(RESOLVE_EVERY)

    async def _keeper(self, target: Target, mark: object) -> None:
        """Keeps one link for as long as the program runs, or as long as DNS names its address."""
        backoff = Backoff()
        while self.is_kept(target, mark):
            pause = None
            try:
                pause = await self._once(target, backoff)
            except (OSError, asyncio.TimeoutError) as error:
                self.lost(target, None, str(error) or "no connection in time")
            if pause == 0:
                break
            await asyncio.sleep(backoff.next() if pause is None else pause)
        self.dismiss(target, mark)

    async def _once(self, target: Target, backoff: Backoff) -> Optional[float]:
        """Runs one link from dial to end. Returns the pause before the next dial; None for the back-off's pause; 0 for
        no further dial."""
        address = target.address
        def factory() -> _Wire:
            return _Wire(self, target)
        if address.scheme == "unix":
            dial = self.loop.create_unix_connection(factory, address.host)
        else:
            context = self.context(target)
            dial = self.loop.create_connection(factory, target.ip, address.port, ssl=context,
                                               server_hostname=address.host if context else None)
        transport, wire = await asyncio.wait_for(dial, DIAL_TIMEOUT)
        self._wires[wire.link] = wire
        try:
            reason = await wire.ended
        finally:
            transport.abort()
            self._wires.pop(wire.link, None)
        if reason == SECOND_WAY:
            self.second_way(target)
            return LONGEST_PAUSE
        if wire.link in self.links:
            backoff.reset()
        self.lost(target, wire.link, reason)
        if reason.startswith(("secret", "version")) and not self._attached.done():
            self._attached.set_exception(AttachError(f"the edge at {address} refuses this process: {reason}"))
        return 0 if reason.startswith("worker") else None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            for wire in list(self._wires.values()):
                try:
                    wire.link.tick(now)
                except LinkLost as lost:
                    wire.end(lost)
            self.owner.tick(now)

    async def close(self, reason: str = "shutdown") -> None:
        """Ends all links after writing all queued frames."""
        self.closing = True
        wires = list(self._wires.values())
        for wire in wires:
            wire.close(reason)
        if wires:
            await asyncio.wait([wire.ended for wire in wires], timeout=2 * FAREWELL)
        for task in list(self._tasks):
            task.cancel()
        if not self._attached.done():
            self._attached.set_exception(AttachError("closed before an edge was reached"))
            self._attached.exception()  # otherwise asyncio would complain if attach() is not awaited
