"""A client of aio.py that uses Debian's python3-socketio: client.py URL TRANSPORT"""
import sys
import threading

import socketio

url, transport = sys.argv[1:]
client, admin_only = socketio.Client(), threading.Event()
welcome, echo = threading.Event(), []


@client.on("welcome")
def on_welcome(name):
    assert name == "backend", name
    welcome.set()


client.on("echo", lambda *values: echo.append(values))
client.on("question", lambda n: n + 1)
client.on("welcome", lambda name: admin_only.set(), namespace="/admin")
client.connect(url, transports=[transport], namespaces=["/", "/admin"])
assert welcome.wait(10) and admin_only.wait(10)
assert client.call("echo", (1, b"\x00\xff", {"a": [b"x"]}), timeout=10) == (1, b"\x00\xff", {"a": [b"x"]})
assert echo == [(1, b"\x00\xff", {"a": [b"x"]})], echo
sid = client.get_sid("/") if hasattr(client, "get_sid") else client.sid
assert client.call("ask", (sid, 41), timeout=10) == 42
client.disconnect()

refused = socketio.Client()
said = threading.Event()
refused.on("connect_error", lambda error: (error == {"message": "not you", "data": {"code": 7}}) and said.set())
try:
    refused.connect(url, transports=[transport], auth={"refuse": "not you"}, wait_timeout=1)
    raise SystemExit("was let in")
except socketio.exceptions.ConnectionError:
    assert said.wait(10)
