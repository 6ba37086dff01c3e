"""attach(): a socketio.AsyncServer and a fake edge. Runs with Debian's python-socketio, and with newer ones by
PYTHONPATH."""
import asyncio
import json
import os
import signal
import unittest

import socketio

import sockeye
from sockeye import frames
from tests.fake_edge import WAIT, FakeEdge, args, targets


def aside(function, *arguments, **kw):
    """Runs a blocking function of the fake edge in a thread."""
    return asyncio.to_thread(function, *arguments, **kw)


class Case(unittest.IsolatedAsyncioTestCase):
    edge_options = {}

    async def asyncSetUp(self):
        self.edge = FakeEdge(**self.edge_options)
        self.sio = socketio.AsyncServer(async_mode="asgi", namespaces=["/", "/chat"])
        self.attached = None

    async def asyncTearDown(self):
        if self.attached:
            await self.attached.close()
        self.edge.close()

    async def attach(self, **options):
        options.setdefault("drain_on_sigterm", False)
        self.attached = await asyncio.wait_for(sockeye.attach(self.sio, self.edge.url, **options), WAIT)
        return await aside(self.edge.link)


class Connect(Case):
    async def test_the_edges_sid_environ_and_auth(self):
        seen = []

        @self.sio.event
        async def connect(sid, environ, auth):
            seen.append((sid, environ, auth))
        link = await self.attach()
        await aside(link.client, auth={"token": "x"})
        (sid, environ, auth), = seen
        self.assertEqual((sid, auth), ("S" * 20, {"token": "x"}))
        self.assertEqual(environ["REMOTE_ADDR"], "10.0.0.9")
        self.assertEqual(environ["HTTP_COOKIE"], "a=1")
        self.assertEqual(environ["HTTP_X_TWO"], "1,2")
        self.assertEqual(environ["SERVER_PORT"], "3000")
        self.assertEqual(environ["QUERY_STRING"], "EIO=4&transport=websocket")
        self.assertIs(environ["sockeye.recovered"], False)
        self.assertEqual(environ["asgi.scope"]["client"][0], "10.0.0.9")
        self.assertIs(self.sio.get_environ(sid), environ)
        hello = self.edge.hellos[0]
        self.assertEqual((hello["v"], hello["worker"], hello["namespaces"], hello["language"]), ([1], 0, None, "python"))

    async def test_refusals(self):
        how = {"false": lambda: False, "plain": self.refuse(), "text": self.refuse("no"), "data": self.refuse("no", {"code": 7}),
               "crash": lambda: 1 / 0}

        @self.sio.on("connect")
        def connect(sid, environ, auth):
            return how[auth["how"]]()
        link = await self.attach()
        rejected = {"message": "Connection rejected by server"}
        for n, (name, said) in enumerate({"false": rejected, "plain": rejected, "text": {"message": "no"},
                                          "data": {"message": "no", "data": {"code": 7}}, "crash": rejected}.items()):
            with self.subTest(name):
                session = link.session(f"E{n}")
                socket = link.open(session, f"S{n}", auth={"how": name})
                refuse = await aside(link.expect, frames.REFUSE)
                self.assertEqual((refuse.handle, json.loads(refuse.body)), (socket, said))
        self.assertEqual(list(self.sio.manager.rooms.get("/", {})), [])

    @staticmethod
    def refuse(*arguments):
        def raiser():
            raise socketio.exceptions.ConnectionRefusedError(*arguments)
        return raiser

    async def test_always_connect(self):
        self.sio.always_connect = True
        self.sio.on("connect", lambda sid, environ: False)
        link = await self.attach()
        handle = link.open(link.session())
        self.assertEqual((await aside(link.expect, frames.ACCEPT)).handle, handle)
        self.assertEqual((await aside(link.expect, frames.DISC)).handle, handle)

    async def test_namespaces(self):
        class Admin(socketio.AsyncNamespace):
            async def on_connect(self, sid, environ):
                await self.emit("welcome", sid, room=sid)

            async def on_add(self, sid, a, b):
                return a + b
        self.sio.register_namespace(Admin("/admin"))
        link = await self.attach()
        for n, (name, answer) in enumerate({"/admin": frames.F_ACK, "/chat": frames.F_ACK, "/none": 0}.items()):
            link.send(frames.NSPASK, frames.put_text(name) + frames.put_text("{}"), id=n)
            found = await aside(link.expect, frames.NSPANSWER)
            self.assertEqual((found.id, found.flags), (n, answer))
        session = link.session()
        handle = link.open(session, "A" * 20, namespace="/admin")
        emit = await aside(link.expect, frames.EMIT)
        self.assertEqual((emit.handle, args(emit)), (handle, ["welcome", "A" * 20]))
        await aside(link.expect, frames.ACCEPT)
        link.event(handle, "add", 2, 3, ack=0)
        ack = await aside(link.expect, frames.ACK)
        self.assertEqual((ack.handle, ack.id, args(ack)), (handle, 0, [5]))
        link.open(session, "N" * 20, namespace="/none")
        self.assertEqual(json.loads((await aside(link.expect, frames.REFUSE)).body), {"message": "Unable to connect"})

    async def test_what_connect_handlers_do_before_they_accept(self):
        sio = self.sio

        @sio.event
        async def connect(sid, environ):
            await maybe(sio.enter_room(sid, "in"))
            await maybe(sio.enter_room(sid, "out"))
            await maybe(sio.leave_room(sid, "out"))
            await sio.save_session(sid, {"user": "ann"})
            await sio.emit("to all")
            await sio.emit("to in", room="in")
            await sio.emit("to others", skip_sid=sid)
        link = await self.attach()
        await aside(link.client)
        kinds = [(frame.type, args(frame)[0] if frame.type in (frames.EMIT, frames.CAST) else "") for frame in link.seen]
        self.assertEqual(kinds, [(frames.EMIT, "to all"), (frames.CAST, "to all"), (frames.EMIT, "to in"), (frames.CAST, "to in"),
                                 (frames.CAST, "to others"), (frames.JOIN, ""), (frames.DATA, ""), (frames.ACCEPT, "")])
        self.assertEqual(frames.take_rooms(link.seen[-3].body)[0], ["in"])
        self.assertEqual(link.seen[-2].body, b'{"user":"ann"}')
        self.assertEqual(targets(link.seen[4]), ([], ["S" * 20]))


async def maybe(value):
    """Some functions are plain in 5.7 and coroutines in later versions."""
    return await value if asyncio.iscoroutine(value) else value


class Events(Case):
    async def test_echo_ack_and_binary(self):
        sio = self.sio

        @sio.on("echo")
        async def echo(sid, *values):
            await sio.emit("echo", values, to=sid)
            return values
        sio.on("nothing", lambda sid: None)
        sio.on("*", lambda event, sid, *values: [event, *values])
        link = await self.attach()
        _, handle = await aside(link.client)
        link.event(handle, "echo", 1, {"b": b"\x00\x01"}, [b"x"], ack=5)
        emit, ack = await aside(link.expect, frames.EMIT), await aside(link.expect, frames.ACK)
        self.assertEqual(args(emit), ["echo", 1, {"b": b"\x00\x01"}, [b"x"]])
        self.assertEqual((ack.id, args(ack)), (5, [1, {"b": b"\x00\x01"}, [b"x"]]))
        link.event(handle, "nothing", ack=2**53 - 1)
        ack = await aside(link.expect, frames.ACK)
        self.assertEqual((ack.id, ack.flags, frames.take_u32(ack.body)[0], args(ack)), (0xFFFFFFFF, frames.F_WIDE, 2**21 - 1, []))
        link.event(handle, "other", 1, ack=1)
        self.assertEqual(args(await aside(link.expect, frames.ACK)), [["other", 1]])

    async def test_order_of_one_client(self):
        seen = []
        self.sio.async_handlers = False

        @self.sio.on("n")
        async def on_n(sid, n):
            await asyncio.sleep(0.001 * (n % 3))
            seen.append(n)
        link = await self.attach()
        _, handle = await aside(link.client)
        for n in range(50):
            link.event(handle, "n", n)
        link.event(handle, "n", 50, ack=1)
        await aside(link.expect, frames.ACK)
        self.assertEqual(seen, list(range(51)))

    async def test_events_behind_a_slow_connect_wait(self):
        seen, go = [], asyncio.Event()

        @self.sio.event
        async def connect(sid, environ):
            await go.wait()
            seen.append("connect")
        self.sio.on("x", lambda sid: seen.append("x"))
        link = await self.attach()
        handle = link.open(link.session())
        link.event(handle, "x", ack=1)
        await asyncio.sleep(0.05)
        go.set()
        await aside(link.expect, frames.ACK)
        self.assertEqual(seen, ["connect", "x"])

    async def test_call_and_callbacks(self):
        link = await self.attach()
        _, handle = await aside(link.client)
        call = asyncio.create_task(self.sio.call("ask", (1, 2), to="S" * 20, timeout=WAIT))
        emit = await aside(link.expect, frames.EMIT)
        self.assertEqual((args(emit), emit.flags), (["ask", 1, 2], frames.F_ACK | frames.F_TIMED))
        self.assertEqual(frames.take_u32(emit.body)[0], WAIT * 1000)
        link.send(frames.ACKED, b'["yes"]', handle=handle, id=emit.id)
        self.assertEqual(await call, "yes")
        with self.assertRaises(socketio.exceptions.TimeoutError):
            await self.sio.call("ask", to="S" * 20, timeout=0.01)

    async def test_call_of_a_client_elsewhere(self):
        link = await self.attach()
        call = asyncio.create_task(self.sio.call("ask", to="Z" * 20, timeout=WAIT))
        cast = await aside(link.expect, frames.CAST)
        self.assertEqual((targets(cast), cast.flags & frames.F_ACK), ((["Z" * 20], []), frames.F_ACK))
        link.send(frames.CASTED, frames.put_u32(1), id=cast.id)
        link.send(frames.CASTED, b'["there"]', frames.F_ACK, id=cast.id)
        link.send(frames.CASTED, b"", frames.F_LAST, id=cast.id)
        self.assertEqual(await call, "there")

    async def test_rooms(self):
        sio = self.sio
        link = await self.attach()
        _, handle = await aside(link.client)
        sid = "S" * 20
        await maybe(sio.enter_room(sid, "r"))
        await maybe(sio.enter_room(sid, 7))
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0], ["r"])
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0], ["7"])
        self.assertEqual(set(map(str, sio.rooms(sid))), {"r", "7", sid})
        await sio.emit("x", 1, room="r", skip_sid=[sid, "T" * 20])
        self.assertEqual(targets(await aside(link.expect, frames.CAST)), (["r"], [sid, "T" * 20]))
        await sio.emit("x", 1, room=["r", 7])
        self.assertEqual(targets(await aside(link.expect, frames.CAST)), (["r", "7"], []))
        await sio.emit("x", 1, room=sid, skip_sid=sid)
        await maybe(sio.leave_room(sid, 7))
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.LEAVE)).body)[0], ["7"])
        await sio.close_room("r")
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.LEAVE)).body)[0], ["r"])
        self.assertEqual(sio.rooms(sid), [sid])
        link.send(frames.JOIN, frames.put_rooms(["by the edge"]), handle=handle)
        await self.until(lambda: "by the edge" in sio.rooms(sid))
        self.assertNotIn(frames.EMIT, [frame.type for frame in link.seen])

    async def until(self, is_so):
        for _ in range(WAIT * 100):
            if is_so():
                return
            await asyncio.sleep(0.01)
        self.fail("it never came to be so")

    async def test_disconnect_by_either_side(self):
        seen = []

        @self.sio.event
        async def disconnect(sid, *reason):
            seen.append((sid, *reason))
        link = await self.attach()
        session, handle = await aside(link.client)
        await self.sio.disconnect("S" * 20)
        self.assertEqual((await aside(link.expect, frames.DISC)).handle, handle)
        link.closed(handle, "server namespace disconnect")
        second = link.open(session, "T" * 20)
        await aside(link.expect, frames.ACCEPT)
        link.closed(second, "client namespace disconnect")
        link.closed(session)
        await self.until(lambda: not self.attached.sessions)
        self.assertEqual([each[0] for each in seen], ["S" * 20, "T" * 20])
        if len(seen[0]) > 1:
            self.assertEqual([each[1] for each in seen], ["server disconnect", "client disconnect"])
        self.assertEqual((self.sio.environ, self.sio.manager.rooms), ({}, {}))
        glue = self.attached._glue
        self.assertEqual((glue.registry.sockets, glue.registry.lanes, link and glue.mesh.links[0].handles), ({}, {}, {}))

    async def test_client_gone_while_its_connect_handler_runs(self):
        seen, go = [], asyncio.Event()

        @self.sio.event
        async def connect(sid, environ):
            await go.wait()

        @self.sio.event
        async def disconnect(sid, *reason):
            seen.append(sid)
        link = await self.attach()
        session = link.session()
        handle = link.open(session)
        link.closed(handle)
        link.closed(session)
        await asyncio.sleep(0.05)
        go.set()
        await self.until(lambda: seen and not self.attached.sessions)

    async def test_sessions_and_transport(self):
        sio = self.sio
        link = await self.attach()
        session, handle = await aside(link.client)
        sid = "S" * 20
        async with sio.session(sid) as data:
            data["n"] = 1
        self.assertEqual((await aside(link.expect, frames.DATA)).body, b'{"n":1}')
        async with sio.session(sid) as data:
            self.assertEqual(data, {"n": 1})  # unchanged: not sent again
        await sio.save_session(sid, {"n": 2})
        self.assertEqual((await aside(link.expect, frames.DATA)).body, b'{"n":2}')
        with self.assertLogs("sockeye", "WARNING"):
            await sio.save_session(sid, {"n": object()})
        self.assertEqual(sio.transport(sid), "websocket")
        link.send(frames.TRANSPORT, b"later", handle=session)
        await self.until(lambda: sio.transport(sid) == "later")
        with self.assertRaises(KeyError):
            await sio.get_session("nobody")

    async def test_failing_handlers_affect_no_other_event(self):
        @self.sio.on("bad")
        async def bad(sid):
            raise RuntimeError("bad")
        self.sio.on("good", lambda sid: "good")
        link = await self.attach()
        _, handle = await aside(link.client)
        with self.assertLogs("sockeye", "ERROR"):
            link.event(handle, "bad", ack=1)
            link.event(handle, "good", ack=2)
            self.assertEqual((await aside(link.expect, frames.ACK)).id, 2)

    async def test_malformed_frames_end_only_the_link(self):
        link = await self.attach()
        for body in (b"{", b"[]", b"\xff"):
            with self.assertLogs("sockeye", "WARNING"):
                _, handle = await aside(link.client)
                link.send(frames.EVENT, body, handle=handle)
                await aside(link.ended)
                link = await aside(self.edge.link)


class FanOut(Case):
    edge_options = {"workers": 2}

    async def test_one_cast_on_each_link(self):
        link = await self.attach()
        other = await aside(self.edge.link)
        self.assertEqual({link.worker, other.worker}, {0, 1})
        await self.sio.emit("news", {"a": [1]}, namespace="/chat")
        for each in (link, other):
            cast = await aside(each.expect, frames.CAST)
            self.assertEqual((each.names[cast.nsp], targets(cast), args(cast)), ("/chat", ([], []), ["news", {"a": [1]}]))

    async def test_callbacks_of_a_room(self):
        link = await self.attach()
        links = [link, await aside(self.edge.link)]
        answers = []
        await self.sio.emit("ask", room="r", callback=lambda *values: answers.append(values))
        for n, each in enumerate(links):
            cast = await aside(each.expect, frames.CAST)
            each.send(frames.CASTED, frames.put_u32(1), id=cast.id)
            each.send(frames.CASTED, json.dumps([n]).encode(), frames.F_ACK, id=cast.id)
            each.send(frames.CASTED, b"", frames.F_LAST, id=cast.id)
        await Events.until(self, lambda: sorted(answers) == [(0,), (1,)])
        self.assertTrue(all(not each.casts for each in self.attached._glue.mesh.links))


class Bus(Case):
    edge_options = {"workers": 2, "options": {"fanout": "bus"}}

    async def test_one_cast_in_all(self):
        link = await self.attach()
        other = await aside(self.edge.link)
        await self.sio.emit("a")
        await self.sio.emit("b")
        first = next(each for each in (link, other) if each.worker == self.attached._glue.mesh.links[0].worker)
        await aside(first.expect, frames.CAST)
        await aside(first.expect, frames.CAST)
        self.assertNotIn(frames.CAST, [frame.type for each in (link, other) if each is not first for frame in each.seen])


class Recovery(Case):
    async def test_reattach(self):
        seen = []

        @self.sio.event
        async def connect(sid, environ):
            rooms = self.sio.rooms(sid)
            seen.append((sid, environ["sockeye.recovered"], sorted(rooms), await self.sio.get_session(sid)))
            await maybe(self.sio.leave_room(sid, "b"))
            await maybe(self.sio.enter_room(sid, "c"))
        link = await self.attach()
        handle = link.open(link.session(), rooms=["a", "b"], data={"user": "ann"})
        link.event(handle, "queued", ack=9)
        self.sio.on("queued", lambda sid: "late")
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0], ["c"])
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.LEAVE)).body)[0], ["b"])
        self.assertEqual((await aside(link.expect, frames.ACCEPT)).handle, handle)
        self.assertEqual(args(await aside(link.expect, frames.ACK)), ["late"])
        self.assertEqual(seen, [("S" * 20, True, ["S" * 20, "a", "b"], {"user": "ann"})])

    async def test_a_cut_link(self):
        """The client comes back over a new link while the disconnect handler of the old one still runs."""
        seen, go = [], asyncio.Event()

        @self.sio.event
        async def connect(sid, environ):
            seen.append(("connect", environ["sockeye.recovered"]))

        @self.sio.event
        async def disconnect(sid, *reason):
            await go.wait()
            seen.append(("disconnect",))

        @self.sio.on("slow")
        async def slow(sid):
            await go.wait()
            return "too late"
        self.sio.on("fast", lambda sid: "in time")
        link = await self.attach()
        _, handle = await aside(link.client)
        link.event(handle, "slow", ack=1)
        link.event(handle, "fast", ack=2)
        await aside(link.expect, frames.ACK)
        link.cut()
        second = await aside(self.edge.link)
        again = second.open(second.session(), rooms=[])
        second.event(again, "fast", ack=3)
        go.set()
        self.assertEqual((await aside(second.expect, frames.ACK)).id, 3)
        self.assertEqual(seen, [("connect", False), ("disconnect",), ("connect", True)])
        self.assertEqual([frame.id for frame in second.seen if frame.type == frames.ACK], [3])

    async def test_drain(self):
        go = asyncio.Event()
        disconnects = []

        @self.sio.on("slow")
        async def slow(sid):
            await go.wait()
            return "done"
        self.sio.on("disconnect", lambda sid, *reason: disconnects.append(sid))
        link = await self.attach(mirror=False)
        session, handle = await aside(link.client)
        await self.sio.save_session("S" * 20, {"kept": 1})
        quiet, _ = await aside(link.client, id="Q" * 20, sid="Q" * 20)
        link.event(handle, "slow", ack=1)
        await Events.until(self, lambda: self.attached._glue._work[0])
        drain = asyncio.create_task(self.attached.drain())
        await aside(link.expect, frames.DRAIN)
        self.assertEqual((await aside(link.expect, frames.HANDOFF)).handle, quiet)
        self.assertNotIn(frames.DATA, [frame.type for frame in link.seen if frame.handle == handle])
        go.set()
        self.assertEqual(args(await aside(link.expect, frames.ACK)), ["done"])
        data = await aside(link.expect, frames.DATA)
        self.assertEqual((data.handle, data.body), (handle, b'{"kept":1}'))
        self.assertEqual((await aside(link.expect, frames.HANDOFF)).handle, session)
        self.assertEqual((await aside(link.expect, frames.BYE)).body, b"shutdown")
        await drain
        self.assertEqual(disconnects, [])

    async def test_drain_gives_up_waiting(self):
        @self.sio.on("stuck")
        async def stuck(sid):
            await asyncio.sleep(3600)
        link = await self.attach(drain_grace=0.1)
        session, handle = await aside(link.client)
        link.event(handle, "stuck")
        drain = asyncio.create_task(self.attached.drain())
        self.assertEqual((await aside(link.expect, frames.HANDOFF)).handle, session)
        await drain

    async def test_sigterm(self):
        """SIGTERM drains first and then takes effect as before: here by a handler of the loop, like aiohttp's."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        link = await self.attach(drain_on_sigterm=True)
        session, _ = await aside(link.client)
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual((await aside(link.expect, frames.HANDOFF)).handle, session)
        await asyncio.wait_for(ended.wait(), WAIT)
        loop.remove_signal_handler(signal.SIGTERM)


class Others(Case):
    edge_options = {}

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.edge.peers = ["other"]

    async def test_operations_on_clients_of_other_backends(self):
        link = await self.attach()
        await aside(link.client)
        await maybe(self.sio.enter_room("Z" * 20, "r"))
        await maybe(self.sio.leave_room("Z" * 20, "r"))
        await self.sio.close_room("r", namespace="/chat")
        await self.sio.disconnect("Z" * 20)
        said = []
        for _ in range(4):
            peer = await aside(link.expect, frames.PEER)
            instance, at = frames.take_text(peer.body)
            self.assertEqual(instance, "")
            said.append(json.loads(peer.body[at:]))
        self.assertEqual(said, [
            {"python": "enter_room", "namespace": "/", "sid": "Z" * 20, "room": "r"},
            {"python": "leave_room", "namespace": "/", "sid": "Z" * 20, "room": "r"},
            {"python": "close_room", "namespace": "/chat", "room": "r"},
            {"python": "disconnect", "namespace": "/", "sid": "Z" * 20}])
        for message in [said[0], {**said[2], "namespace": "/"}, said[3]]:
            message = {**message, "sid": "S" * 20}
            link.send(frames.PEER, frames.put_text("other") + json.dumps(message).encode())
        link.send(frames.PEER, frames.put_text("other") + b"of another kind")
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0], ["r"])
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.LEAVE)).body)[0], ["r"])
        await aside(link.expect, frames.DISC)
        self.assertEqual([frame.type for frame in link.seen].count(frames.PEER), 4)  # no echo


class Windows(Case):
    edge_options = {"window": 4096}

    async def test_the_backend_waits_for_its_window(self):
        link = await self.attach()
        link.credits = False
        sent = []

        async def flood():
            for n in range(30):
                await self.sio.emit("x", "y" * 400)
                sent.append(n)
        await asyncio.wait_for(flood(), WAIT)  # below the high-water mark senders do not wait
        fit = 30 - len(self.attached._glue.mesh.links[0]._waiting)
        await Events.until(self, lambda: [frame.type for frame in link.seen].count(frames.CAST) == fit)
        came = [frame for frame in link.seen if frame.type == frames.CAST]
        self.assertLessEqual(sum(frame.size for frame in came), 4096)
        self.assertGreater(len(came), 5)
        link.send(frames.WINDOW, id=sum(frame.size for frame in came))
        await aside(link.expect, frames.CAST)
        await Events.until(self, lambda: len([frame for frame in link.seen if frame.type == frames.CAST]) == 2 * len(came))

    async def test_senders_wait_and_the_queue_has_an_end(self):
        link = await self.attach(max_queued=3 << 20)
        link.credits = False
        flood = asyncio.create_task(self.flood())
        await asyncio.sleep(0.2)
        queued = self.attached._glue.mesh.links[0].queued
        self.assertLess(queued, 1.2 * (1 << 20))
        self.assertFalse(flood.done())
        with self.assertLogs("sockeye", "WARNING") as logs:
            emits = [asyncio.create_task(self.sio.emit("x", "y" * 1000)) for _ in range(3000)]  # like the handlers of many clients
            await aside(link.ended)
            await asyncio.wait(emits)
        self.assertIn("queue", logs.output[0])
        await asyncio.wait_for(flood, WAIT)

    async def flood(self):
        for _ in range(3000):
            await self.sio.emit("x", "y" * 1000)

    async def test_the_edge_gets_its_window_back(self):
        go = asyncio.Event()

        @self.sio.on("slow")
        async def slow(sid, text):
            await go.wait()
        self.sio.on("fast", lambda sid, text: None)
        link = await self.attach()
        _, handle = await aside(link.client)
        before = sum(self.edge.windows)
        for _ in range(4):
            link.event(handle, "slow", "x" * 1000)
        link.event(handle, "fast", "x")
        await asyncio.sleep(0.1)
        self.assertEqual(sum(self.edge.windows), before)  # running handlers hold it
        go.set()
        await Events.until(self, lambda: sum(self.edge.windows) > before)

    async def test_handlers_that_run_for_long_release_the_window(self):
        @self.sio.on("slow")
        async def slow(sid, text):
            await asyncio.sleep(3600)
        link = await self.attach()
        _, handle = await aside(link.client)
        for _ in range(4):
            link.event(handle, "slow", "x" * 1000)
        await Events.until(self, lambda: len(self.attached._glue._work[0]) == 4)
        glue = self.attached._glue
        before = sum(self.edge.windows)
        glue.tick(glue._swept + 6)
        glue.tick(glue._swept + 6)
        await Events.until(self, lambda: sum(self.edge.windows) > before)


if __name__ == "__main__":
    unittest.main()
