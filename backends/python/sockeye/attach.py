"""attach(): puts a socketio.AsyncServer behind the edges."""
from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Any, Callable, Coroutine, List, Sequence, Set, Union

from .aio import AioMesh
from .glue import Glue
from .link import Link
from .mesh import AttachError, Options

log = logging.getLogger("sockeye")


class Attached:
    """The result of attach()."""

    def __init__(self, glue: "_AsyncGlue") -> None:
        self._glue = glue

    @property
    def edges(self) -> List[str]:
        """The names of the edges that have a link to this process."""
        return sorted({link.edge for link in self._glue.mesh.links})

    @property
    def sessions(self) -> int:
        """The number of clients of this process."""
        return len(self._glue.registry.sessions)

    async def drain(self) -> None:
        """Hands all clients to other backends and ends the links. The clients do not notice."""
        await self._glue.drain()

    async def close(self) -> None:
        """Ends the links at once. The clients stay connected and go to other backends, as after a crash."""
        await self._glue.close_links()


class _AsyncGlue(Glue):
    mesh: AioMesh

    def __init__(self, sio: Any, urls: Union[str, Sequence[str], None], options: Options) -> None:
        super().__init__(sio, options)
        self.mesh = AioMesh(urls, options, self)
        self._tasks: Set[asyncio.Task[Any]] = set()

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        task = self.mesh.loop.create_task(function(*args))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close_links(self) -> None:
        await self.mesh.close()

    def room(self, links: Sequence[Link]) -> Any:
        return self.mesh.room(links)


async def attach(sio: Any, edges: Union[str, Sequence[str], None] = None, **options: Any) -> Attached:
    """Puts an unchanged socketio.AsyncServer behind the edges. Call it in the loop that runs the application.

        edges:   `unix:///path` or `tls://host:port`, or a list of these; default: SOCKEYE_BACKEND, else the edge's default socket.
        options: the fields of sockeye.Options, by name.

    Returns when the workers of one edge are attached, however long that takes. Raises AttachError if attaching can never succeed.
    """
    if not getattr(sio, "is_asyncio_based", lambda: False)():
        raise AttachError("attach() takes a socketio.AsyncServer; use attach_blocking() for a socketio.Server or "
                          "Flask-SocketIO")
    glue = _AsyncGlue(sio, edges, Options(**options))
    await glue.mesh.start()
    if glue.options.drain_on_sigterm:
        drain_on_sigterm(glue.mesh.loop, glue.drain)
    return Attached(glue)


def drain_on_sigterm(loop: asyncio.AbstractEventLoop, drain: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Makes SIGTERM drain first. Afterwards the signal takes effect as before."""
    former = getattr(loop, "_signal_handlers", {}).get(signal.SIGTERM)  # a web server in this loop has put its handler here
    python_former = signal.getsignal(signal.SIGTERM)

    async def drain_and_end() -> None:
        try:
            await drain()
        except Exception:
            log.exception("draining failed")
        loop.remove_signal_handler(signal.SIGTERM)
        if former is not None:
            loop.add_signal_handler(signal.SIGTERM, former._callback, *former._args)
        else:
            signal.signal(signal.SIGTERM, python_former)
        os.kill(os.getpid(), signal.SIGTERM)

    tasks = []

    def on_sigterm() -> None:
        if not tasks:
            tasks.append(loop.create_task(drain_and_end()))
    try:
        loop.add_signal_handler(signal.SIGTERM, on_sigterm)
    except (NotImplementedError, RuntimeError, ValueError):
        log.info("SIGTERM does not drain: this loop does not run in the main thread")
