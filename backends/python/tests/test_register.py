"""python3 -m sockeye: unchanged programs, with a fake edge."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from sockeye import frames
from tests.fake_edge import WAIT, FakeEdge, args

PACKAGE = pathlib.Path(__file__).parents[1]

AIOHTTP = """
import os, socketio
from aiohttp import web
sio = socketio.AsyncServer(async_mode="aiohttp")
app = web.Application()
sio.attach(app)
async def page(request):
    return web.Response(text="the page")
app.router.add_get("/", page)
@sio.on("ask")
async def ask(sid, n):
    return n + 1
web.run_app(app, host=os.environ.get("HOST"), port=int(os.environ["PORT"]))
"""

FASTAPI = """
import socketio
from fastapi import FastAPI
api = FastAPI()
@api.get("/")
def page():
    return "the page"
sio = socketio.AsyncServer(async_mode="asgi")
@sio.on("ask")
async def ask(sid, n):
    return n + 1
app = socketio.ASGIApp(sio, api)
"""

FLASK = """
import os
from flask import Flask
from flask_socketio import SocketIO
app = Flask(__name__)
io = SocketIO(app, async_mode="threading")
@app.route("/")
def page():
    return "the page"
@io.on("ask")
def ask(n):
    return n + 1
io.run(app, host=os.environ.get("HOST"), port=int(os.environ["PORT"]), allow_unsafe_werkzeug=True)
"""


def needs(*modules):
    found = subprocess.run([sys.executable, "-c", "import " + ", ".join(modules)], capture_output=True, cwd="/").returncode == 0
    return unittest.skipUnless(found, f"{', '.join(modules)} not installed")


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Register(unittest.TestCase):
    def setUp(self):
        self.edge = FakeEdge()
        self.taken = socket.create_server(("127.0.0.1", 0))  # the edge's port
        self.port = self.taken.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.taken.close()
        self.edge.close()
        self.folder.cleanup()

    def serve(self, text, *arguments, host=None):
        path = os.path.join(self.folder.name, "app.py")
        pathlib.Path(path).write_text(text)
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")])),
                   "PORT": str(self.port), "SOCKEYE_PORT": str(self.port), "SOCKEYE_BACKEND": self.edge.url}
        if host is not None:
            environ["HOST"] = host
        with open(os.path.join(self.folder.name, "log"), "w") as log:
            process = subprocess.Popen([sys.executable, "-W", "ignore", "-m", "sockeye", *(arguments or [path])], env=environ,
                                       cwd=self.folder.name, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            link = self.edge.link(30)
            session, handle = link.client()
            link.event(handle, "ask", 1, ack=1)
            self.assertEqual(args(link.expect(frames.ACK)), [2])
            upstream = link.hello.get("upstream", "")
            self.assertRegex(upstream, r"^http://\[::1\]:\d+$" if host == "::1" else r"^http://(127\.0\.0\.1|\[::1\]):\d+$")
            self.assertNotIn(str(self.port), upstream)
            with urllib.request.urlopen(upstream, timeout=WAIT) as page:
                self.assertEqual(page.read().decode().strip('"'), "the page")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(link.expect(frames.HANDOFF).handle, session)
            process.wait(WAIT)
        except BaseException:
            print(pathlib.Path(self.folder.name, "log").read_text())
            raise
        finally:
            process.kill()
            process.wait()

    @needs("socketio", "aiohttp")
    def test_aiohttp(self):
        self.serve(AIOHTTP)

    @needs("socketio", "fastapi", "uvicorn")
    def test_fastapi_by_uvicorn(self):
        self.serve(FASTAPI, "-m", "uvicorn", "app:app", "--port", str(self.port))

    @needs("flask_socketio")
    def test_flask(self):
        self.serve(FLASK)

    @needs("socketio", "aiohttp")
    @unittest.skipUnless(has_ipv6(), "no IPv6")
    def test_aiohttp_by_ipv6(self):
        self.serve(AIOHTTP, host="::1")

    @needs("socketio", "aiohttp")
    def test_aiohttp_by_name(self):
        self.serve(AIOHTTP, host="localhost")  # aiohttp opens two sockets if the name has two addresses

    @needs("socketio", "fastapi", "uvicorn")
    @unittest.skipUnless(has_ipv6(), "no IPv6")
    def test_uvicorn_by_ipv6(self):
        self.serve(FASTAPI, "-m", "uvicorn", "app:app", "--host", "::1", "--port", str(self.port), host="::1")

    @needs("flask_socketio")
    @unittest.skipUnless(has_ipv6(), "no IPv6")
    def test_flask_by_ipv6(self):
        self.serve(FLASK, host="::1")


class Usage(unittest.TestCase):
    def test_without_a_program(self):
        run = subprocess.run([sys.executable, "-m", "sockeye"], capture_output=True, text=True, cwd=PACKAGE)
        self.assertEqual(run.returncode, 1)
        self.assertIn("python3 -m sockeye app.py", run.stderr)


if __name__ == "__main__":
    unittest.main()
