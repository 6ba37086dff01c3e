"""Socket.IO applications in Python behind Sockeye's edges. They can crash and be deployed while their clients stay connected.

    await sockeye.attach(sio)            an unchanged socketio.AsyncServer
    sockeye.attach_blocking(sio)         a threaded socketio.Server, or a flask_socketio.SocketIO
    python3 -m sockeye app.py            a program without any change
    sockeye.Backend(url)                 an application without python-socketio
"""
from .attach import Attached, attach
from .attach_blocking import AttachedBlocking, attach_blocking
from .backend import Backend, Namespace, Refuse, Socket, Target, Timeout
from .glue import on_session_ended
from .history import HistoryError, HistoryEvent
from .mesh import AttachError, Options
from .presence import PresenceError, Present, PresentUser

__version__ = "1.0.0"
__all__ = ["AttachError", "Attached", "AttachedBlocking", "Backend", "HistoryError", "HistoryEvent", "Namespace", "Options", "PresenceError", "Present", "PresentUser", "Refuse", "Socket", "Target", "Timeout",
           "attach", "attach_blocking", "on_session_ended"]
