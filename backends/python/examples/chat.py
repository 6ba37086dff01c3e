"""The chat as a socketio.AsyncServer with aiohttp. Alone: python3 chat.py; behind the edge, unchanged: python3 -m sockeye chat.py"""
import os
import pathlib

import socketio
from aiohttp import web

sio = socketio.AsyncServer(async_mode="aiohttp")
app = web.Application()
sio.attach(app)


async def index(request):
    return web.FileResponse(pathlib.Path(__file__).with_name("index.html"))
app.router.add_get("/", index)


@sio.event
async def connect(sid, environ, auth):
    if not auth or auth.get("token") != "secret":
        raise socketio.exceptions.ConnectionRefusedError("Unauthorized")
    if not environ.get("sockeye.recovered"):  # a client that was here before a restart needs no greeting
        await sio.emit("user joined", sid, skip_sid=sid)


@sio.on("chat message")
async def chat_message(sid, text):
    await sio.emit("chat message", text)
    return "ok"


@sio.event
async def disconnect(sid, *reason):
    await sio.emit("user left", sid)

if __name__ == "__main__":
    web.run_app(app, port=int(os.environ.get("PORT", 3000)))
