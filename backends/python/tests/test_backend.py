"""Backend, the small class, with a fake edge."""
import asyncio
import json
import unittest

import sockeye
from sockeye import frames
from tests.fake_edge import WAIT, FakeEdge, args, targets
from tests.test_attach import aside

SID = "S" * 20


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.edge = FakeEdge()
        self.app = sockeye.Backend(self.edge.url)

    async def asyncTearDown(self):
        await self.app.close()
        self.edge.close()

    async def start(self):
        await asyncio.wait_for(self.app.start(), WAIT)
        return await aside(self.edge.link)

    async def test_middlewares(self):
        @self.app.middleware
        async def auth(s):
            if s.auth.get("token") == "broken":
                raise KeyError
            if s.auth.get("token") != "x":
                raise sockeye.Refuse("who are you?", {"code": 7})
            s.data["user"] = "ann"
            s.enter_room("users", "r")
            s.leave_room("r")

        @self.app.on("connect")
        async def connect(s):
            await s.emit("welcome", s.data["user"], s.environ["REMOTE_ADDR"], s.handshake["url"], s.transport)
        link = await self.start()
        for token, said in (("y", {"message": "who are you?", "data": {"code": 7}}),
                            ("broken", {"message": "Connection rejected by server"})):
            link.open(link.session(token), token, auth={"token": token})
            self.assertEqual(json.loads((await aside(link.expect, frames.REFUSE)).body), said)
        handle = link.open(link.session(), auth={"token": "x"})
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0], ["users"])
        self.assertEqual((await aside(link.expect, frames.DATA)).body, b'{"user":"ann"}')
        self.assertEqual((await aside(link.expect, frames.ACCEPT)).handle, handle)
        self.assertEqual(args(await aside(link.expect, frames.EMIT)),
                         ["welcome", "ann", "10.0.0.9", "/socket.io/?EIO=4&transport=websocket", "websocket"])
        self.assertEqual([s.sid for s in self.app.sockets], [SID])

    async def test_messages_that_are_too_large(self):
        @self.app.middleware
        async def auth(s):
            if s.auth.get("token") != "x":
                raise sockeye.Refuse("no", "x" * 2000)

        @self.app.on("connect")
        async def connect(s):
            app = self.app
            for call in (lambda: s.emit("e", "x" * 2000), lambda: app.emit("e", "x" * 2000), lambda: s.call("e", "x" * 2000),
                         lambda: app.to("r").call("e", "x" * 2000)):
                with self.assertRaisesRegex(ValueError, "accepts at most 1000"):
                    await call()
            await s.emit("e", 1)
        link = await self.start()
        (own,) = self.app.mesh.links
        own.max_frame = 1000
        link.open(link.session("y"), "y", auth={"token": "y"})
        with self.assertLogs("sockeye", "WARNING"):
            self.assertEqual(json.loads((await aside(link.expect, frames.REFUSE)).body), {"message": "no"})
        link.open(link.session(), auth={"token": "x"})
        self.assertEqual(args(await aside(link.expect, frames.EMIT)), ["e", 1])
        self.assertEqual(own.casts, {})

    async def test_data_is_at_the_edge_before_anybody_hears_of_it(self):
        """The process may end right after it has sent something."""
        app = self.app

        @app.on("step")
        async def step(s):
            for n, emit in enumerate((lambda: s.emit("own"), lambda: app.to("r").emit("room"), lambda: app.sockets[1].emit("other"))):
                s.data["n"] = n
                await emit()
            s.data["n"] = 3
            return "done"
        link = await self.start()
        _, handle = await aside(link.client)
        await aside(link.client, "F" * 20, "T" * 20)
        del link.seen[:]
        link.event(handle, "step", ack=1)
        await aside(link.expect, frames.ACK)
        seen = [frame.body if frame.type == frames.DATA else args(frame)[0] for frame in link.seen]
        self.assertEqual(seen, [b'{"n":0}', "own", b'{"n":1}', "room", b'{"n":2}', "other", b'{"n":3}', "done"])

    async def test_a_broadcast_while_a_link_is_made_waits_for_it(self):
        self.edge.workers = 2
        first = await self.start()
        links = [first, await aside(self.edge.link)]
        while len(self.app.mesh.links) < 2:
            await asyncio.sleep(0.01)
        await self.app.emit("before")
        for link in links:
            self.assertEqual(args(await aside(link.expect, frames.CAST)), ["before"])
        self.edge.stop_listening()
        links[1].cut()
        while len(self.app.mesh.links) > 1:
            await asyncio.sleep(0.01)
        await self.app.to("r").emit("meanwhile")
        await self.app.to("r").volatile.emit("volatile")
        self.assertEqual(args(await aside(links[0].expect, frames.CAST)), ["meanwhile"])
        self.edge.listen()
        again = await aside(self.edge.link)
        while len(self.app.mesh.links) < 2:
            await asyncio.sleep(0.01)
        await self.app.emit("after")
        self.assertEqual([args(await aside(again.expect, frames.CAST)) for _ in range(2)], [["meanwhile"], ["after"]])

    async def test_events(self):
        app = self.app

        @app.on("chat message")
        async def chat(s, text):
            await app.to("lobby").emit("chat message", text, b"\x01")
            await s.others.emit("typing")
            await s.to("r").skip("q").volatile.emit("more")
            return "ok", 2

        @app.on("ask back")
        def ask_back(s):
            return s.call("question", 1, timeout=WAIT)
        app.on("*")(lambda s, name, *values: name + "?")

        @app.on("bad")
        def bad(s):
            raise ValueError
        link = await self.start()
        _, handle = await aside(link.client)
        link.event(handle, "chat message", "hi", ack=2**40)
        for rooms, skip, said, flags in ((["lobby"], [], ["chat message", "hi", b"\x01"], frames.F_BIN), ([], [SID], ["typing"], 0),
                                         (["r"], [SID, "q"], ["more"], frames.F_VOLATILE)):
            cast = await aside(link.expect, frames.CAST)
            self.assertEqual((*targets(cast), args(cast), cast.flags), (rooms, skip, said, flags))
        ack = await aside(link.expect, frames.ACK)
        self.assertEqual((args(ack), ack.flags), (["ok", 2], frames.F_WIDE))
        link.event(handle, "ask back", ack=1)
        emit = await aside(link.expect, frames.EMIT)
        link.send(frames.ACKED, b"[1,2]", handle=handle, id=emit.id)
        self.assertEqual(args(await aside(link.expect, frames.ACK)), [[1, 2]])
        with self.assertLogs("sockeye", "ERROR"):
            link.event(handle, "bad", ack=3)
            link.event(handle, "unknown", ack=4)
            ack = await aside(link.expect, frames.ACK)
        self.assertEqual((ack.id, args(ack)), (4, ["unknown?"]))
        with self.assertRaises(sockeye.Timeout):
            await self.app.sockets[0].call("nothing", timeout=0.01)

    async def test_answers_of_many(self):
        link = await self.start()
        call = asyncio.create_task(self.app.to("r").call("ask", timeout=WAIT))
        cast = await aside(link.expect, frames.CAST)
        for answer in (b"[1]", b"[2,3]", b"[]"):
            link.send(frames.CASTED, answer, frames.F_ACK, id=cast.id)
        link.send(frames.CASTED, b"", frames.F_LAST, id=cast.id)
        self.assertEqual(await call, [1, [2, 3], None])

    async def test_namespaces_rooms_and_the_end(self):
        gone = []
        admin = self.app.of("/admin")
        admin.on("disconnect")(lambda s, reason: gone.append((s.sid, reason, sorted(s.rooms), s.connected)))
        link = await self.start()
        for name, flags in (("/admin", frames.F_ACK), ("/none", 0)):
            link.send(frames.NSPASK, frames.put_text(name) + frames.put_text("{}"))
            self.assertEqual((await aside(link.expect, frames.NSPANSWER)).flags, flags)
        session, handle = await aside(link.client, namespace="/admin")
        link.send(frames.JOIN, frames.put_rooms(["a", "b"]), handle=handle)
        link.send(frames.LEAVE, frames.put_rooms(["b"]), handle=handle)
        await admin.emit("x")
        self.assertEqual(link.names[(await aside(link.expect, frames.CAST)).nsp], "/admin")
        socket, = admin.sockets
        waiting = asyncio.create_task(socket.call("x"))
        await aside(link.expect, frames.EMIT)
        socket.disconnect()
        await aside(link.expect, frames.DISC)
        link.closed(handle, "server namespace disconnect")
        link.closed(session)
        with self.assertRaises(sockeye.Timeout):
            await waiting
        self.assertEqual(gone, [(SID, "server namespace disconnect", sorted(["a", SID]), False)])
        self.assertEqual(admin.sockets, [])

    async def test_clients_that_come_back(self):
        seen = []
        self.app.middleware(lambda s: seen.append("middleware"))
        self.app.on("connect")(lambda s: seen.append((s.recovered, s.data, sorted(s.rooms))))
        self.app.on("x")(lambda s: s.data)
        link = await self.start()
        session = link.session()
        handle = link.open(session, rooms=["r"], data={"user": "ann"})
        link.event(handle, "x", ack=1)
        self.assertEqual(args(await aside(link.expect, frames.ACK)), [{"user": "ann"}])
        self.assertEqual(seen, [(True, {"user": "ann"}, sorted(["r", SID]))])
        await self.app.drain()
        self.assertEqual((await aside(link.expect, frames.HANDOFF)).handle, session)
        await aside(link.ended)


if __name__ == "__main__":
    unittest.main()
