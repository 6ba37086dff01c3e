"""The application of tests/backends/python.test.mjs with sockeye.Backend. $SOCKEYE_BACKEND: where the edges are."""
import asyncio
import os

import sockeye
from say import plain, say

app = sockeye.Backend(secret=os.environ.get("SECRET"))
NAME = os.environ["NAME"]


async def answer(asked):
    """The value, or the error."""
    try:
        return plain(await asked)
    except sockeye.HistoryError as error:
        return {"code": error.code, "message": str(error)}


def serve(namespace):
    on = namespace.on

    @namespace.middleware
    async def auth(s):
        if s.auth.get("refuse"):
            raise sockeye.Refuse(s.auth["refuse"], {"code": 7})
        if s.auth.get("early"):
            s.enter_room(s.auth["early"], history=True)

    @on("connect")
    async def connect(s):
        say("connect", s.sid, s.recovered, s.environ.get("HTTP_USER_AGENT"))
        if not s.recovered:
            await s.emit("welcome", NAME)

    @on("disconnect")
    def disconnect(s, reason):
        say("disconnect", s.sid, reason)

    @on("who")
    def who(s):
        return {"name": NAME, "id": s.sid, "recovered": s.recovered, "rooms": sorted(s.rooms), "session": s.data,
                "transport": s.transport}

    @on("echo")
    async def echo(s, *values):
        await s.emit("echo", *values)
        return values

    @on("join")
    def join(s, room):
        s.enter_room(room)

    @on("join_history")
    async def join_history(s, room, history):
        return await answer(s.enter_room(room, history=history))

    @on("history")
    async def history(s, room, options):
        return await answer(namespace.history(room, **options))

    @on("history_remove")
    async def history_remove(s, room, id):
        return await answer(namespace.history_remove(room, id))

    @on("history_clear")
    async def history_clear(s, room):
        return await answer(namespace.history_clear(room))

    @on("to")
    async def to(s, room, event, *values):
        await namespace.to(room).emit(event, *values)

    @on("others")
    async def others(s, event, *values):
        await s.others.emit(event, *values)

    @on("set")
    def set_data(s, key, value):
        s.data[key] = value

    @on("slow")
    async def slow(s, ms):
        await asyncio.sleep(ms / 1000)
        return NAME

    @on("ask")
    async def ask(s, whom, *values):
        answers = await namespace.to(whom).call("question", *values, timeout=10)
        return answers[0]

    @on("close")
    def close(s, whom):
        for each in namespace.sockets:
            if each.sid == whom:
                each.disconnect()



serve(app)
serve(app.of("/admin"))
app.run(ready=lambda: say("attached"))
