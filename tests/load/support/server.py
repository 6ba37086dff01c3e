"""python-socketio's server doing what every scenario of sockeye-load wants; prints its port."""
import asyncio

import socketio
from aiohttp import web

sio = socketio.AsyncServer(async_mode="aiohttp")


@sio.on("echo")
async def echo(sid, *args):
    await sio.emit("echo", args, to=sid)


@sio.on("ack")
async def ack(sid, *args):
    return args


@sio.on("broadcast")
async def broadcast(sid, *args):
    await sio.emit("broadcast", args)


@sio.on("join")
async def join(sid, room):
    await sio.enter_room(sid, room) if asyncio.iscoroutinefunction(sio.enter_room) else sio.enter_room(sid, room)


@sio.on("room")
async def room(sid, name, *args):
    await sio.emit("room", args, to=name)


async def main():
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
