"""Debian's python-socketio against the `protocol` application: client.py URL TRANSPORT[,TRANSPORT] [SERIALIZER]. Exits 0 when all held."""
import asyncio
import sys

import socketio

WAIT_S = 15


async def within(awaitable):
    return await asyncio.wait_for(awaitable, WAIT_S)


async def main(url, transport, serializer="default"):
    sio = socketio.AsyncClient(reconnection=False, serializer=serializer)
    seen = {"auth": asyncio.Queue(), "custom": asyncio.Queue(), "back": asyncio.Queue(), "gone": asyncio.Queue()}

    sio.on("auth", lambda data: seen["auth"].put_nowait(data))
    sio.on("auth", lambda data: seen["custom"].put_nowait(data), namespace="/custom")
    sio.on("message-back", lambda *args: seen["back"].put_nowait(args))
    sio.on("disconnect", lambda: seen["gone"].put_nowait(True))

    await within(sio.connect(url, auth={"token": "t"}, transports=transport.split(","), namespaces=["/", "/custom"]))
    assert await within(seen["auth"].get()) == {"token": "t"}
    assert await within(seen["custom"].get()) == {"token": "t"}
    assert sio.transport() == transport.split(",")[-1], sio.transport()

    values = (1, "zw\u00f6lf \U0001f600", {"a": [None, True, 2.5]}, b"\x00\x01\xff", {"deep": [b"\x1e"]})
    await within(sio.emit("message", values))
    assert await within(seen["back"].get()) == values
    answer = await within(sio.call("message-with-ack", ("x", b"\x02"), timeout=WAIT_S))
    assert tuple(answer) == ("x", b"\x02"), answer
    # ten at a time, because this client refuses polling payloads of more than 16 packets
    for start in range(0, 200, 10):
        for i in range(start, start + 10):
            await sio.emit("message", i)
        for i in range(start, start + 10):
            assert await within(seen["back"].get()) == (i,)

    await within(sio.disconnect())
    assert await within(seen["gone"].get())


asyncio.run(main(*sys.argv[1:]))
