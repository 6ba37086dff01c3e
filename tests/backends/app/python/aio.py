"""The application of tests/backends/python.test.mjs as a socketio.AsyncServer. $SOCKEYE_BACKEND: where the edges are."""
import asyncio
import json
import os

import socketio

import sockeye
from say import plain, say

sio = socketio.AsyncServer(async_mode="asgi")
NAME = os.environ["NAME"]


async def maybe(value):
    return await value if asyncio.iscoroutine(value) else value


async def answer(asked):
    """The value, or the error."""
    try:
        return plain(await asked)
    except sockeye.HistoryError as error:
        return {"code": error.code, "message": str(error)}


class Application(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ, auth):
        if auth and auth.get("refuse"):
            raise socketio.exceptions.ConnectionRefusedError(auth["refuse"], {"code": 7})
        if auth and auth.get("early"):
            await sio.enter_room(sid, auth["early"], self.namespace, history=True)
        say("connect", sid, environ["sockeye.recovered"], environ.get("HTTP_USER_AGENT"))
        if not environ["sockeye.recovered"]:
            await self.emit("welcome", NAME, to=sid)

    async def on_disconnect(self, sid, *reason):
        say("disconnect", sid, *reason)

    async def on_who(self, sid):
        rooms = sorted(str(room) for room in self.rooms(sid))
        recovered = sio.get_environ(sid, self.namespace)["sockeye.recovered"]
        return {"name": NAME, "id": sid, "recovered": recovered, "rooms": rooms, "session": await self.get_session(sid),
                "transport": sio.transport(sid)}

    async def on_echo(self, sid, *values):
        await self.emit("echo", values, to=sid)
        return values

    async def on_join(self, sid, room):
        await maybe(self.enter_room(sid, room))

    async def on_join_history(self, sid, room, history):
        return await answer(sio.enter_room(sid, room, self.namespace, history=history))

    async def on_present(self, sid, user, data):
        sio.set_present(sid, user, data, self.namespace)

    async def on_presence(self, sid, room, options):
        found = await sio.presence(room, **options, namespace=self.namespace)
        return {"value": {"count": found.count, "users": [{"user": each.user, "data": each.data} for each in found.users]}}

    async def on_history(self, sid, room, options):
        return await answer(sio.history(room, **options, namespace=self.namespace))

    async def on_history_remove(self, sid, room, id):
        return await answer(sio.history_remove(room, id, namespace=self.namespace))

    async def on_history_clear(self, sid, room):
        return await answer(sio.history_clear(room, namespace=self.namespace))

    async def on_to(self, sid, room, event, *values):
        await self.emit(event, values, room=room)

    async def on_others(self, sid, event, *values):
        await self.emit(event, values, skip_sid=sid)

    async def on_set(self, sid, key, value):
        async with self.session(sid) as session:
            session[key] = value

    async def on_slow(self, sid, ms):
        await asyncio.sleep(ms / 1000)
        return NAME

    async def on_ask(self, sid, whom, *values):
        return await sio.call("question", values, to=whom, namespace=self.namespace, timeout=10)

    async def on_close(self, sid, whom):
        await self.disconnect(whom)

    async def on_close_room(self, sid, room):
        await self.close_room(room)


async def main():
    sio.register_namespace(Application("/"))
    sio.register_namespace(Application("/admin"))
    presence = json.loads(os.environ.get("PRESENCE", "{}"))
    for namespace, settings in presence.items():
        settings["on_change"] = lambda change, room, user, data, name=namespace: say(change, name, room, user, json.dumps(data))
    attached = await sockeye.attach(sio, secret=os.environ.get("SECRET"), presence=presence)
    say("attached", *attached.edges)
    await asyncio.Event().wait()

asyncio.run(main())
