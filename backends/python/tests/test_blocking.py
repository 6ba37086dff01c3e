"""attach_blocking(): a threaded socketio.Server, and Flask-SocketIO, with a fake edge."""
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import unittest

import socketio

import sockeye
from sockeye import frames
from tests.fake_edge import WAIT, FakeEdge, args, targets

SID = "S" * 20


def until(test, is_so):
    end = time.monotonic() + WAIT
    while not is_so():
        if time.monotonic() > end:
            test.fail("it never came to be so")
        time.sleep(0.01)


class Case(unittest.TestCase):
    edge_options = {}

    def setUp(self):
        logging.getLogger("sockeye").setLevel(logging.ERROR)
        self.edge = FakeEdge(**self.edge_options)
        self.sio = socketio.Server(async_mode="threading", namespaces=["/", "/chat"])
        self.attached = None

    def tearDown(self):
        if self.attached:
            self.attached.close()
        self.edge.close()
        logging.getLogger("sockeye").setLevel(logging.NOTSET)

    def attach(self, server=None, **options):
        options.setdefault("drain_on_sigterm", False)
        self.attached = sockeye.attach_blocking(server or self.sio, self.edge.url, timeout=WAIT, **options)
        return self.edge.link()


class Threads(Case):
    def test_connect_and_refuse(self):
        @self.sio.event
        def connect(sid, environ, auth):
            if auth["name"] == "bad":
                raise socketio.exceptions.ConnectionRefusedError("no", {"code": 7})
            return auth["name"] != "worse"
        link = self.attach()
        link.client(auth={"name": "good"})
        link.open(link.session("2"), "T" * 20, auth={"name": "bad"})
        self.assertEqual(json.loads(link.expect(frames.REFUSE).body), {"message": "no", "data": {"code": 7}})
        link.open(link.session("3"), "U" * 20, auth={"name": "worse"})
        self.assertEqual(json.loads(link.expect(frames.REFUSE).body), {"message": "Connection rejected by server"})

    def test_a_slow_connect_handler_delays_no_other_client(self):
        go = threading.Event()

        @self.sio.event
        def connect(sid, environ):
            if sid == SID:
                go.wait(WAIT)
        link = self.attach()
        first = link.open(link.session())
        link.client("Q" * 20, "Q" * 20)
        go.set()
        self.assertEqual(link.expect(frames.ACCEPT).handle, first)

    def test_events_acks_call_and_rooms(self):
        sio = self.sio

        @sio.on("ask me")
        def ask_me(sid, n):
            return n, sio.call("ask", n, to=sid, timeout=WAIT)

        @sio.on("join")
        def join(sid, room):
            sio.enter_room(sid, room)
            sio.emit("joined", b"\x01", room=room, skip_sid=sid)
            with sio.session(sid) as session:
                session["room"] = room
            return "ok"
        link = self.attach()
        _, handle = link.client()
        link.event(handle, "ask me", 1, ack=7)
        emit = link.expect(frames.EMIT)
        link.send(frames.ACKED, b'["yes"]', handle=handle, id=emit.id)
        ack = link.expect(frames.ACK)
        self.assertEqual((ack.id, args(ack)), (7, [1, "yes"]))
        link.event(handle, "join", "r", ack=8)
        self.assertEqual(frames.take_rooms(link.expect(frames.JOIN).body)[0], ["r"])
        cast = link.expect(frames.CAST)
        self.assertEqual((targets(cast), args(cast)), ((["r"], [SID]), ["joined", b"\x01"]))
        self.assertEqual(link.expect(frames.DATA).body, b'{"room":"r"}')
        link.expect(frames.ACK)
        self.assertEqual((sio.transport(SID), set(sio.rooms(SID))), ("websocket", {"r", SID}))

    def test_disconnect(self):
        gone = []
        self.sio.on("disconnect", lambda sid, *reason: gone.append(sid))
        link = self.attach()
        session, handle = link.client()
        self.sio.disconnect(SID)
        self.assertEqual(link.expect(frames.DISC).handle, handle)
        link.closed(handle)
        link.closed(session)
        until(self, lambda: not self.attached.sessions)
        self.assertEqual((gone, self.sio.environ, self.sio.manager.rooms), ([SID], {}, {}))

    def test_reattach_after_a_cut(self):
        seen = []
        self.sio.on("connect", lambda sid, environ: seen.append((environ["sockeye.recovered"], sorted(self.sio.rooms(sid)))))
        link = self.attach()
        link.client()
        link.cut()
        second = self.edge.link()
        second.open(second.session(), rooms=["r"], data={"n": 1})
        second.expect(frames.ACCEPT)
        self.assertEqual(seen, [(False, [SID]), (True, [SID, "r"])])
        self.assertEqual(self.sio.get_session(SID), {"n": 1})

    def test_drain(self):
        go = threading.Event()

        @self.sio.on("slow")
        def slow(sid):
            go.wait(WAIT)
            return "done"
        link = self.attach()
        session, handle = link.client()
        link.event(handle, "slow", ack=1)
        until(self, lambda: self.attached._glue._work[0])
        drain = threading.Thread(target=self.attached.drain)
        drain.start()
        link.expect(frames.DRAIN)
        self.assertFalse(self.attached._glue.mesh.makes_links)
        go.set()
        self.assertEqual(args(link.expect(frames.ACK)), ["done"])
        self.assertEqual(link.expect(frames.HANDOFF).handle, session)
        self.assertEqual(link.expect(frames.BYE).body, b"shutdown")
        drain.join(10)

    def test_sigterm(self):
        came = threading.Event()
        former = signal.signal(signal.SIGTERM, lambda number, frame: came.set())
        try:
            link = self.attach(drain_on_sigterm=True)
            session, _ = link.client()
            os.kill(os.getpid(), signal.SIGTERM)
            self.assertEqual(link.expect(frames.HANDOFF).handle, session)
            until(self, came.is_set)
        finally:
            signal.signal(signal.SIGTERM, former)

    def test_sigterm_while_it_attaches(self):
        """Clients come as soon as one worker has a link."""
        class Ended(Exception):
            pass

        def end(number, frame):
            raise Ended
        self.edge.workers, self.edge.mute = 2, {1}
        handed = []

        def serve():
            link = self.edge.link()
            session, _ = link.client()
            os.kill(os.getpid(), signal.SIGTERM)
            handed.append(link.expect(frames.HANDOFF).handle == session)
        former = signal.signal(signal.SIGTERM, end)
        server = threading.Thread(target=serve)
        server.start()
        try:
            with self.assertRaises(Ended):
                sockeye.attach_blocking(self.sio, self.edge.url, timeout=WAIT)
            server.join(WAIT)
            self.assertEqual(handed, [True])
        finally:
            signal.signal(signal.SIGTERM, former)

    def test_sigterm_after_it_could_not_attach(self):
        former = signal.getsignal(signal.SIGTERM)
        with self.assertRaisesRegex(sockeye.AttachError, "no edge"):
            sockeye.attach_blocking(socketio.Server(async_mode="threading"), "unix:///nowhere.sock", timeout=0.2)
        self.assertEqual(signal.getsignal(signal.SIGTERM), former)

    def test_sigterm_delivered_to_another_thread(self):
        """The main thread sleeps in a lock while other threads begin and end: it must be woken to run its handler."""
        script = """
import os, signal, sys, threading, socketio, sockeye
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
sockeye.attach_blocking(socketio.Server(async_mode="threading"), sys.argv[1])
def spin():
    while True:
        threading.Thread(target=int, daemon=True).start()
threading.Thread(target=spin, daemon=True).start()
threading.Event().wait()
"""
        for _ in range(8):
            child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script, self.edge.url],
                                     cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
            try:
                link = self.edge.link(30)
                session, _ = link.client()
                child.terminate()
                self.assertEqual(link.expect(frames.HANDOFF, 20).handle, session)
                self.assertEqual(child.wait(WAIT), 7)
            finally:
                child.kill()
                child.wait()

    def test_many_threads_send_whole_frames(self):
        link = self.attach()
        sids = []
        for n in range(4):
            _, handle = link.client(f"E{n}", f"S{n}")
            sids.append((f"S{n}", handle))

        def flood(sid):
            for n in range(500):
                self.sio.emit("n", n, to=sid)
                self.sio.emit("all", n, namespace=f"/x{n % 7}")
        threads = [threading.Thread(target=flood, args=(sid,)) for sid, _ in sids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        until(self, lambda: len([each for each in list(link.seen) if each.type in (frames.EMIT, frames.CAST)]) == 4000)
        for _, handle in sids:
            self.assertEqual([args(frame)[1] for frame in link.seen if frame.handle == handle and frame.type == frames.EMIT],
                             list(range(500)))
        self.assertEqual(sorted(link.names.values()), ["/"] + [f"/x{n}" for n in range(7)])

    def test_refused_by_the_edge_and_no_edge(self):
        self.edge.bye = "secret"
        with self.assertRaisesRegex(sockeye.AttachError, "secret"):
            sockeye.attach_blocking(self.sio, self.edge.url, timeout=WAIT)
        with self.assertRaisesRegex(sockeye.AttachError, "no edge"):
            sockeye.attach_blocking(socketio.Server(async_mode="threading"), "unix:///nowhere.sock", timeout=0.2)
        with self.assertRaisesRegex(sockeye.AttachError, "use attach"):
            sockeye.attach_blocking(socketio.AsyncServer(async_mode="asgi"), self.edge.url)


class Window(Case):
    edge_options = {"window": 4096}

    def test_senders_wait(self):
        link = self.attach()
        link.credits = False
        flood = threading.Thread(target=lambda: [self.sio.emit("x", "y" * 1000) for _ in range(1500)], daemon=True)
        flood.start()
        own = self.attached._glue.mesh.links[0]
        until(self, lambda: own.is_crowded)
        self.assertTrue(flood.is_alive())
        link.credits = True
        link.send(frames.WINDOW, id=4096)
        flood.join(30)
        self.assertFalse(flood.is_alive())


class Tls(Case):
    """With TLS, readers and writers in several threads must not use OpenSSL at the same time."""

    def setUp(self):
        super().setUp()
        folder = self.edge.folder.name
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/key", "-out", f"{folder}/crt",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
        self.port = tls_in_front(self.edge, f"{folder}/crt", f"{folder}/key")
        self.context = ssl.create_default_context(cafile=f"{folder}/crt")

    def test_both_ways_at_once(self):
        self.sio.on("echo", lambda sid, n: self.sio.emit("echo", n, to=sid))
        self.attached = sockeye.attach_blocking(self.sio, f"tls://localhost:{self.port}", timeout=WAIT, tls=self.context,
                                                drain_on_sigterm=False)
        link = self.edge.link()
        _, handle = link.client()
        for n in range(500):
            link.event(handle, "echo", "x" * 500 + str(n))
        until(self, lambda: len([frame for frame in link.seen if frame.type == frames.EMIT]) == 500)

    def test_a_certificate_without_a_known_authority(self):
        with self.assertRaisesRegex(sockeye.AttachError, "no edge"):
            sockeye.attach_blocking(self.sio, f"tls://localhost:{self.port}", timeout=0.3)


def tls_in_front(edge, certificate, key):
    """Starts a relay that terminates TLS before the fake edge. Returns its port."""
    import asyncio
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port = []
    up = threading.Event()

    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        writer.close()

    async def relay(reader, writer):
        to_edge = await asyncio.open_unix_connection(edge.path)
        await asyncio.gather(pump(reader, to_edge[1]), pump(to_edge[0], writer))

    async def serve():
        server = await asyncio.start_server(relay, "localhost", 0, ssl=context, family=2)
        port.append(server.sockets[0].getsockname()[1])
        up.set()
        await server.serve_forever()
    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    up.wait(WAIT)
    return port[0]


class Flask(Case):
    def test_an_unchanged_application(self):
        try:
            import flask
            import flask_socketio
        except ImportError:
            self.skipTest("Flask-SocketIO is not installed")
        app = flask.Flask("test")
        app.config["SECRET_KEY"] = "x"
        io = flask_socketio.SocketIO(app, async_mode="threading")

        @io.on("connect")
        def connect(auth=None):
            flask.session["recovered"] = flask.request.environ["sockeye.recovered"]
            flask.session.setdefault("user", (auth or {}).get("user"))

        @io.on("message")
        def message(text):
            flask.session["n"] = flask.session.get("n", 0) + 1
            flask_socketio.join_room("r")
            flask_socketio.emit("said", (flask.session["user"], text, flask.request.sid), to="r")
            flask.session["emitted"] = True
            flask_socketio.emit("own")
            flask.session["answered"] = True
            return flask.session["n"], flask.request.cookies["a"], flask.session["recovered"]

        @io.on("connect", namespace="/more")
        def connect_more():
            pass
        link = self.attach(io)
        session = link.session()
        handle = link.open(session, auth={"user": "ann"})
        # What a handler saved is at the edge before the client hears of it: the process may end right after.
        kept = {"recovered": False, "user": "ann"}
        self.assertEqual(json.loads(link.expect(frames.DATA).body)["flask"], kept)
        self.assertEqual(link.expect(frames.ACCEPT).handle, handle)
        more = link.open(session, "M" * 20, "/more")
        link.expect(frames.ACCEPT)
        del link.seen[:]
        link.event(handle, "message", "hi", ack=1)
        self.assertEqual(args(link.expect(frames.ACK)), [1, "1", False])
        # Each namespace of the client keeps the one session.
        sent = [(frame.handle, json.loads(frame.body)["flask"]) if frame.type == frames.DATA else args(frame)
                for frame in link.seen if frame.type in (frames.DATA, frames.CAST, frames.EMIT, frames.ACK)]
        steps = ({**kept, "n": 1}, ["said", "ann", "hi", SID], {**kept, "n": 1, "emitted": True}, ["own"],
                 {**kept, "n": 1, "emitted": True, "answered": True}, [1, "1", False])
        self.assertEqual(sent, [each for step in steps for each in ([(handle, step), (more, step)] if isinstance(step, dict) else [step])])
        data = next(frame for frame in reversed(link.seen) if frame.type == frames.DATA)
        link.cut()
        second = self.edge.link()
        handle = second.open(second.session(), rooms=["r"], data=json.loads(data.body))
        second.expect(frames.ACCEPT)
        second.event(handle, "message", "again", ack=2)
        self.assertEqual(args(second.expect(frames.CAST)), ["said", "ann", "again", SID])
        self.assertEqual(args(second.expect(frames.ACK)), [2, "1", True])
        with self.assertRaisesRegex(sockeye.AttachError, "init_app"):
            sockeye.attach_blocking(flask_socketio.SocketIO(), self.edge.url)


if __name__ == "__main__":
    unittest.main()
