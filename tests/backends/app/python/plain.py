"""A program with a socketio.AsyncServer that knows nothing of sockeye, for `python3 -m sockeye plain.py`."""
import asyncio
import os

import socketio
from aiohttp import web

NAME = os.environ["NAME"]
sio = socketio.AsyncServer(async_mode="aiohttp")
app = web.Application()
sio.attach(app)


async def page(request):
    return web.Response(text=f"the page of {NAME}")
app.router.add_get("/", page)


@sio.event
async def connect(sid, environ):
    if not environ.get("sockeye.recovered"):
        await sio.save_session(sid, {})


@sio.event
async def who(sid):
    recovered = sio.get_environ(sid).get("sockeye.recovered")
    return {"name": NAME, "id": sid, "recovered": recovered, "rooms": sorted(sio.rooms(sid)), "session": await sio.get_session(sid)}


@sio.event
async def join(sid, room):
    entered = sio.enter_room(sid, room)
    if entered is not None:  # a coroutine in newer versions
        await entered


@sio.on("set")
async def set_value(sid, key, value):
    async with sio.session(sid) as session:
        session[key] = value


@sio.event
async def echo(sid, *values):
    return values


@sio.event
async def slow(sid, ms):
    await asyncio.sleep(ms / 1000)
    return NAME

web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
