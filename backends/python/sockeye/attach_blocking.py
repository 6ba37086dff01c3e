"""attach_blocking(): puts a threaded socketio.Server behind the edges, or Flask-SocketIO, which contains one."""
from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any, Callable, Coroutine, Dict, List, Optional, Sequence, Union

from .glue import Glue, run_sync
from .link import Link
from .mesh import AttachError, Options
from .threads import ThreadMesh, spawn

log = logging.getLogger("sockeye")


class AttachedBlocking:
    """The result of attach_blocking()."""

    def __init__(self, glue: "_ThreadGlue") -> None:
        self._glue = glue

    @property
    def edges(self) -> List[str]:
        """The names of the edges that have a link to this process."""
        return sorted({link.edge for link in self._glue.mesh.links})

    @property
    def sessions(self) -> int:
        """The number of clients of this process."""
        return len(self._glue.registry.sessions)

    def drain(self) -> None:
        """Hands all clients to other backends and ends the links. The clients do not notice."""
        run_sync(self._glue.drain())

    def close(self) -> None:
        """Ends the links at once. The clients stay connected and go to other backends, as after a crash."""
        self._glue.mesh.close()


class _ThreadGlue(Glue):
    mesh: ThreadMesh

    def __init__(self, sio: Any, urls: Union[str, Sequence[str], None], options: Options, extra: Dict[str, Any],
                 restore_flask: Optional[Callable[[Dict[str, Any]], Any]]) -> None:
        super().__init__(sio, options, extra, restore_flask)
        self.mesh = ThreadMesh(urls, options, self)

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        self.sio.eio.start_background_task(lambda: run_sync(function(*args)))

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def close_links(self) -> None:
        self.mesh.close()

    def room(self, links: Sequence[Link]) -> Any:
        return self.mesh.room(links)


def attach_blocking(sio: Any, edges: Union[str, Sequence[str], None] = None, timeout: Optional[float] = None,
                    **options: Any) -> AttachedBlocking:
    """Puts an unchanged socketio.Server, or a flask_socketio.SocketIO, behind the edges. The work is done in threads.

        edges, options: as for attach().
        timeout:        seconds to wait for an edge; None: without limit.

    Returns when the workers of one edge are attached. Raises AttachError if that can never succeed, or not in time.
    """
    glue = _glue(sio, edges, options)
    # first, because clients come as soon as one worker has a link
    forget = _drain_on_sigterm(glue)
    try:
        glue.mesh.start()
        glue.mesh.wait(timeout)
    except BaseException:
        forget()
        raise
    return AttachedBlocking(glue)


def begin_blocking(sio: Any, **options: Any) -> None:
    """attach_blocking() without waiting, for register.py."""
    glue = _glue(sio, None, options)
    _drain_on_sigterm(glue)
    glue.mesh.start()


def _glue(sio: Any, edges: Union[str, Sequence[str], None], options: Dict[str, Any]) -> _ThreadGlue:
    extra: Dict[str, Any] = {}
    restore = None
    if hasattr(sio, "sockio_mw") or hasattr(sio, "server_options"):
        sio, extra, restore = _of_flask(sio)
    if getattr(sio, "is_asyncio_based", lambda: False)():
        raise AttachError("attach_blocking() takes a socketio.Server; use attach() for a socketio.AsyncServer")
    _check_mode(sio)
    return _ThreadGlue(sio, edges, Options(**options), extra, restore)


def _of_flask(flask_socketio: Any) -> Any:
    """The server inside a flask_socketio.SocketIO, and what its own HTTP entry would add to each environ."""
    if flask_socketio.server is None:
        raise AttachError("call attach_blocking() after SocketIO(app) or socketio.init_app(app)")
    from flask_socketio import _ManagedSession
    entry = flask_socketio.sockio_mw
    extra = {"flask.app": entry.flask_app} if entry is not None else {}
    return flask_socketio.server, extra, _ManagedSession


def _check_mode(sio: Any) -> None:
    """eventlet and gevent must have patched the sockets that the links use."""
    mode = getattr(sio, "async_mode", "threading")
    if mode == "eventlet":
        from eventlet import patcher  # type: ignore[import-not-found]
        patched = patcher.is_monkey_patched("socket") and patcher.is_monkey_patched("thread")
    elif mode.startswith("gevent"):
        from gevent import monkey  # type: ignore[import-not-found]
        patched = monkey.is_module_patched("socket") and monkey.is_module_patched("threading")
    else:
        return
    if not patched:
        raise AttachError(f"with async_mode {mode!r} the first lines of the program must monkey-patch the standard library; "
                          "or use async_mode='threading'")


def _drain_on_sigterm(glue: _ThreadGlue) -> Callable[[], None]:
    """Makes SIGTERM drain first, if the options want it. Afterwards the signal takes effect as before. Returns a function that
    undoes this."""
    main = threading.main_thread()
    if not glue.options.drain_on_sigterm:
        return lambda: None
    if threading.current_thread() is not main:
        log.info("SIGTERM does not drain: attach_blocking() was not called in the main thread")
        return lambda: None
    former = signal.getsignal(signal.SIGTERM)
    # The state: serving, draining, drained, passed on; or forgotten instead. It is not an Event, because a signal handler may
    # interrupt another one inside Event.set().
    state = ["serving"]

    def drain_and_end() -> None:
        try:
            run_sync(glue.drain())
        except Exception:
            log.exception("draining failed")
        state[0] = "drained"
        interrupt("drained")

    def on_sigterm(number: int, frame: Any) -> None:
        if state[0] == "serving":
            state[0] = "draining"
            glue.sio.eio.start_background_task(drain_and_end)
        elif state[0] == "drained":
            state[0] = "passed on"
            signal.signal(signal.SIGTERM, former if former is not None else signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    def interrupt(before: str) -> None:
        while state[0] == before:
            signal.pthread_kill(main.ident or 0, signal.SIGTERM)
            time.sleep(0.2)

    def watch(reader: int) -> None:
        """Wakes the main thread. The system may deliver a signal to any thread, but Python runs handlers in the main
        one, which may sleep."""
        while state[0] == "serving":
            if signal.SIGTERM in os.read(reader, 64):
                time.sleep(0.2)
                interrupt("serving")
        if state[0] == "forgotten":
            os.close(reader)

    wakeup = -1

    def forget() -> None:
        if state[0] != "serving":
            return
        state[0] = "forgotten"
        signal.signal(signal.SIGTERM, former if former is not None else signal.SIG_DFL)
        if wakeup != -1:
            signal.set_wakeup_fd(-1)
            os.close(wakeup)  # ends watch()
    signal.signal(signal.SIGTERM, on_sigterm)
    if glue.sio.async_mode == "threading":
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        others = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if others == -1:
            wakeup = writer
            spawn(watch, reader)
        else:
            signal.set_wakeup_fd(others)
    return forget
