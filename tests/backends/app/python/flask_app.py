"""The application of tests/backends/python.test.mjs with Flask-SocketIO. $SOCKEYE_BACKEND: where the edges are."""
import os
import threading
import time

from flask import Flask, request, session
from flask_socketio import ConnectionRefusedError, Namespace, SocketIO, call, close_room, disconnect, emit, join_room, rooms

import sockeye
from say import say

app = Flask(__name__)
app.config["SECRET_KEY"] = "secret"
socketio = SocketIO(app, async_mode="threading")
NAME = os.environ["NAME"]


class Application(Namespace):
    def on_connect(self, auth=None):
        if auth and auth.get("refuse"):
            raise ConnectionRefusedError(auth["refuse"], {"code": 7})
        recovered = request.environ["sockeye.recovered"]
        say("connect", request.sid, recovered, request.headers.get("User-Agent"))
        if not recovered:
            emit("welcome", NAME)

    def on_disconnect(self, *reason):
        say("disconnect", request.sid, *reason)

    def on_who(self):
        return {"name": NAME, "id": request.sid, "recovered": request.environ["sockeye.recovered"], "rooms": sorted(map(str, rooms())),
                "session": dict(session), "transport": socketio.server.transport(request.sid)}

    def on_echo(self, *values):
        emit("echo", values)
        return values

    def on_join(self, room):
        join_room(room)

    def on_to(self, room, event, *values):
        emit(event, values, to=room)

    def on_others(self, event, *values):
        emit(event, values, broadcast=True, include_self=False)

    def on_set(self, key, value):
        session[key] = value

    def on_slow(self, ms):
        time.sleep(ms / 1000)
        return NAME

    def on_ask(self, whom, *values):
        return call("question", values, to=whom, timeout=10)

    def on_close(self, whom):
        disconnect(whom)

    def on_close_room(self, room):
        close_room(room)


socketio.on_namespace(Application("/"))
socketio.on_namespace(Application("/admin"))
attached = sockeye.attach_blocking(socketio, secret=os.environ.get("SECRET"))
say("attached", *attached.edges)
threading.Event().wait()
