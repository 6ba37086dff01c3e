"""The application of tests/backends/python.test.mjs as a threaded socketio.Server. $SOCKEYE_BACKEND: where the edges are."""
import os
import threading
import time

import socketio

import sockeye
from say import plain, say

sio = socketio.Server(async_mode="threading")
NAME = os.environ["NAME"]


def answer(ask):
    """The value, or the error."""
    try:
        return plain(ask())
    except sockeye.HistoryError as error:
        return {"code": error.code, "message": str(error)}


class Application(socketio.Namespace):
    def on_connect(self, sid, environ, auth):
        if auth and auth.get("refuse"):
            raise socketio.exceptions.ConnectionRefusedError(auth["refuse"], {"code": 7})
        if auth and auth.get("early"):
            sio.enter_room(sid, auth["early"], self.namespace, history=True)
        say("connect", sid, environ["sockeye.recovered"], environ.get("HTTP_USER_AGENT"))
        if not environ["sockeye.recovered"]:
            self.emit("welcome", NAME, to=sid)

    def on_disconnect(self, sid, *reason):
        say("disconnect", sid, *reason)

    def on_who(self, sid):
        rooms = sorted(str(room) for room in self.rooms(sid))
        recovered = sio.get_environ(sid, self.namespace)["sockeye.recovered"]
        return {"name": NAME, "id": sid, "recovered": recovered, "rooms": rooms, "session": self.get_session(sid),
                "transport": sio.transport(sid)}

    def on_echo(self, sid, *values):
        self.emit("echo", values, to=sid)
        return values

    def on_join(self, sid, room):
        self.enter_room(sid, room)

    def on_join_history(self, sid, room, history):
        return answer(lambda: sio.enter_room(sid, room, self.namespace, history=history))

    def on_history(self, sid, room, options):
        return answer(lambda: sio.history(room, **options, namespace=self.namespace))

    def on_history_remove(self, sid, room, id):
        return answer(lambda: sio.history_remove(room, id, namespace=self.namespace))

    def on_history_clear(self, sid, room):
        return answer(lambda: sio.history_clear(room, namespace=self.namespace))

    def on_to(self, sid, room, event, *values):
        self.emit(event, values, room=room)

    def on_others(self, sid, event, *values):
        self.emit(event, values, skip_sid=sid)

    def on_set(self, sid, key, value):
        with self.session(sid) as session:
            session[key] = value

    def on_slow(self, sid, ms):
        time.sleep(ms / 1000)
        return NAME

    def on_ask(self, sid, whom, *values):
        return sio.call("question", values, to=whom, namespace=self.namespace, timeout=10)

    def on_close(self, sid, whom):
        self.disconnect(whom)

    def on_close_room(self, sid, room):
        self.close_room(room)


sio.register_namespace(Application("/"))
sio.register_namespace(Application("/admin"))
attached = sockeye.attach_blocking(sio, secret=os.environ.get("SECRET"))
say("attached", *attached.edges)
threading.Event().wait()
