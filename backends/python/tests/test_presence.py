"""Presence, with a fake edge: for socketio.AsyncServer, for the threaded Server and for Backend."""
import asyncio
import logging
import queue
import unittest
import unittest.mock

import socketio

import sockeye
from sockeye import frames
from tests.fake_edge import WAIT, FakeEdge

EDGE = {"fanout": "direct", "presence": True}
SETTINGS = {"/": {"rooms": "room:", "event": "presence"}}


def aside(function, *arguments, **kw):
    """Runs a blocking function of the fake edge in a thread."""
    return asyncio.to_thread(function, *arguments, **kw)


def texts(frame, count, at=0):
    """The texts of a body, and the bytes behind them."""
    found = []
    for _ in range(count):
        value, at = frames.take_text(frame.body, at)
        found.append(value)
    return [*found, bytes(frame.body[at:])]


def last(link, frame, count, error=""):
    link.send(frames.PRESENT, frames.put_u32(count) + frames.put_text(error), frames.F_LAST, id=frame.id)


def user(link, frame, name, data=b""):
    link.send(frames.PRESENT, frames.put_text(name) + data, id=frame.id)


def change(link, kind, room, name, data=b""):
    link.send(frames.CHANGE, frames.put_text(room) + frames.put_text(name) + data, id=kind)


def settings(link):
    """The settings that a link gets first."""
    got = link.expect(frames.PRESENCE)
    last(link, got, 0)
    return [got.flags, got.nsp, *texts(got, 2)]


class Case(unittest.IsolatedAsyncioTestCase):
    edge_options = EDGE

    async def asyncSetUp(self):
        logging.getLogger("sockeye").setLevel(logging.ERROR)
        self.edge = FakeEdge(options=self.edge_options)
        self.sio = socketio.AsyncServer(async_mode="asgi", namespaces=["/", "/chat"])
        self.attached = None

    async def asyncTearDown(self):
        if self.attached:
            await self.attached.close()
        self.edge.close()
        logging.getLogger("sockeye").setLevel(logging.NOTSET)

    async def attach(self, presence=SETTINGS):
        self.attached = await asyncio.wait_for(
            sockeye.attach(self.sio, self.edge.url, drain_on_sigterm=False, presence=presence), WAIT)
        return await aside(self.edge.link)


class Async(Case):
    async def test_settings_and_changes(self):
        changes = asyncio.Queue()

        async def on_change(*values):
            changes.put_nowait(values)
        link = await self.attach({"/": {"rooms": "room:", "event": "presence", "on_change": on_change}})
        self.assertEqual(await aside(settings, link), [frames.F_ACK, 0, "room:", "presence", b""])
        change(link, 0, "room:a", "ada", b'{"n":1}')
        change(link, 2, "room:a", "ada")
        self.assertEqual([await asyncio.wait_for(changes.get(), WAIT) for _ in "ab"],
                         [("joined", "room:a", "ada", {"n": 1}), ("left", "room:a", "ada", None)])

    async def test_users(self):
        link = await self.attach()
        await aside(settings, link)
        _, handle = await aside(link.client)
        self.sio.set_present("S" * 20, "grüß", {"n": 1})
        self.sio.set_present("S" * 20, "bob")
        self.sio.set_present("S" * 20, None)
        self.sio.set_present("T" * 20, "of another process")
        for wanted in (["grüß", b'{"n":1}'], ["bob", b""], ["", b""]):
            got = await aside(link.expect, frames.USER)
            self.assertEqual((got.handle, texts(got, 1)), (handle, wanted))
        for wrong in (7, 0, "a\0", "x" * 257):
            with self.assertRaisesRegex(ValueError, "at most 256 bytes"):
                self.sio.set_present("S" * 20, wrong)
        with self.assertRaisesRegex(ValueError, "4096 bytes"):
            self.sio.set_present("S" * 20, "ada", "x" * 4095)

    async def test_questions(self):
        link = await self.attach()
        await aside(settings, link)
        found = asyncio.ensure_future(self.sio.presence("room:a"))
        asked = await aside(link.expect, frames.WHO)
        self.assertEqual((asked.nsp, frames.take_u32(asked.body)[0], texts(asked, 2, 4)), (0, 0xFFFFFFFF, ["room:a", "", b""]))
        user(link, asked, "ada", b'{"n":1}')
        user(link, asked, "bob")
        last(link, asked, 3)
        self.assertEqual(await found, sockeye.Present(3, [sockeye.PresentUser("ada", {"n": 1}), sockeye.PresentUser("bob", None)]))
        none = asyncio.ensure_future(self.sio.presence("room:a", limit=0, user="ada", namespace="/chat"))
        asked = await aside(link.expect, frames.WHO)
        self.assertEqual((link.names[asked.nsp], frames.take_u32(asked.body)[0], texts(asked, 2, 4)), ("/chat", 0, ["room:a", "ada", b""]))
        last(link, asked, 0, "not-found")
        with self.assertRaisesRegex(sockeye.PresenceError, "has no presence: name it") as caught:
            await none
        self.assertEqual(caught.exception.code, "not-found")
        self.assertEqual(await self.sio.presence("room:a", user=""), sockeye.Present(0, []))
        for wrong in ({"limit": -1}, {"user": 0}):
            with self.assertRaises(ValueError):
                await self.sio.presence("room:a", **wrong)
        lost = asyncio.ensure_future(self.sio.presence("room:a"))
        await aside(link.expect, frames.WHO)
        link.cut()
        with self.assertRaisesRegex(sockeye.PresenceError, "lost before the answer"):
            await asyncio.wait_for(lost, WAIT)

    async def test_while_too_many_questions_wait(self):
        """Further ones fail, and the settings reach a link nevertheless."""
        self.edge.workers = 2
        self.attached = await asyncio.wait_for(sockeye.attach(self.sio, self.edge.url, drain_on_sigterm=False, presence={
            "/": {"on_change": lambda *values: None}}), WAIT)
        links = [await aside(self.edge.link) for _ in "ab"]
        flags = [(await aside(settings, link))[0] for link in links]
        first, second = links if flags[0] else links[::-1]
        with unittest.mock.patch("sockeye.presence.MAX_QUESTIONS", 1):
            first.cut()
            self.assertEqual((await aside(settings, second))[0], frames.F_ACK)
            found = asyncio.ensure_future(self.sio.presence("a"))
            asked = await aside(second.expect, frames.WHO)
            with self.assertRaisesRegex(sockeye.PresenceError, "wait for their answers") as caught:
                await self.sio.presence("a")
            self.assertEqual(caught.exception.code, "too-many")
            first = await aside(self.edge.link)
            self.assertEqual((await aside(settings, first))[0], 0)
            later = asyncio.ensure_future(self.sio.presence("a"))
            with self.assertRaisesRegex(sockeye.PresenceError, "wait for their answers"):
                await later
            last(second, asked, 2)
            self.assertEqual((await found).count, 2)

    async def test_a_question_that_is_too_long_fails_at_once(self):
        link = await self.attach()
        await aside(settings, link)
        (own,) = self.attached._glue.mesh.links
        own.max_frame = 1000
        with self.assertRaisesRegex(ValueError, "accepts at most 1000"):
            await self.sio.presence("a" * 2000)
        self.assertEqual(own.who, {})

    async def test_malformed_frames_end_the_link(self):
        link = await self.attach()
        await aside(settings, link)
        found = asyncio.ensure_future(self.sio.presence("room:a"))
        user(link, await aside(link.expect, frames.WHO), "ada", b"{")
        with self.assertRaises(sockeye.PresenceError):
            await asyncio.wait_for(found, WAIT)

    async def test_without_the_option(self):
        link = await self.attach(None)
        await aside(link.client)
        with self.assertRaisesRegex(sockeye.PresenceError, "the option `presence`"):
            self.sio.set_present("S" * 20, "ada")

    async def test_wrong_settings(self):
        for wrong in (["/"], True, {1: {}}, {"/": None}, {"/": "room:"}, {"/": {"room": "a"}}, {"/": {"rooms": 7}}, {"/": {"event": "x" * 513}}, {"/": {"on_change": 1}}):
            with self.assertRaisesRegex(ValueError, "presence: "):
                await sockeye.attach(self.sio, self.edge.url, presence=wrong)

    async def test_another_link_reports_changes(self):
        self.edge.workers = 2
        changes = asyncio.Queue()
        self.attached = await asyncio.wait_for(sockeye.attach(self.sio, self.edge.url, drain_on_sigterm=False, presence={
            "/": {"on_change": lambda *values: changes.put_nowait(values)}}), WAIT)
        links = [await aside(self.edge.link) for _ in "ab"]
        flags = [(await aside(settings, link))[0] for link in links]
        self.assertEqual(sorted(flags), [0, frames.F_ACK])
        reporter, other = links if flags[0] else links[::-1]
        change(other, 0, "a", "not asked for")
        change(reporter, 0, "a", "ada")
        self.assertEqual(await asyncio.wait_for(changes.get(), WAIT), ("joined", "a", "ada", None))
        reporter.cut()
        self.assertEqual(await aside(settings, other), [frames.F_ACK, 0, "", "", b""])
        change(other, 1, "a", "bob", b"2")
        self.assertEqual(await asyncio.wait_for(changes.get(), WAIT), ("changed", "a", "bob", 2))

    async def test_backend(self):
        backend = self.attached = sockeye.Backend(self.edge.url, drain_on_sigterm=False, presence=SETTINGS)

        @backend.on("go")
        async def go(socket):
            socket.set_present("ada", [1])
            found = await backend.presence("room:a", user="ada")
            return [found.count, found.users[0].data]
        await asyncio.wait_for(backend.start(), WAIT)
        link = await aside(self.edge.link)
        await aside(settings, link)
        _, handle = await aside(link.client)
        link.event(handle, "go", ack=1)
        self.assertEqual(texts(await aside(link.expect, frames.USER), 1), ["ada", b"[1]"])
        asked = await aside(link.expect, frames.WHO)
        user(link, asked, "ada", b"[1]")
        last(link, asked, 1)
        ack = await aside(link.expect, frames.ACK)
        self.assertEqual(frames.Codec().decode(ack.body, False), [[1, [1]]])


class OldEdge(Case):
    edge_options = {"fanout": "direct"}

    async def test_an_older_edge(self):
        link = await self.attach()
        await aside(link.client)
        self.sio.set_present("S" * 20, "ada")
        with self.assertRaisesRegex(sockeye.PresenceError, "older than this package"):
            await self.sio.presence("a")
        self.assertNotIn(frames.USER, [frame.type for frame in link.seen])


class Threads(unittest.TestCase):
    def test_threads(self):
        edge = FakeEdge(options=EDGE)
        self.addCleanup(edge.close)
        sio, changes = socketio.Server(async_mode="threading"), queue.Queue()

        @sio.event
        def go(sid):
            sio.set_present(sid, "ada")
            return sio.presence("room:a").count

        @sio.event
        def fail(sid):
            try:
                sio.presence("room:a")
            except sockeye.PresenceError as error:
                return error.code
        attached = sockeye.attach_blocking(sio, edge.url, timeout=WAIT, drain_on_sigterm=False, presence={
            "/": {"on_change": lambda *values: changes.put(values)}})
        self.addCleanup(attached.close)
        link = edge.link()
        settings(link)
        _, handle = link.client()
        for number in range(20):  # in order
            change(link, 1, "a", "ada", b"%d" % number)
        self.assertEqual([changes.get(timeout=WAIT)[3] for _ in range(20)], list(range(20)))
        link.event(handle, "go", ack=1)
        link.expect(frames.USER)
        last(link, link.expect(frames.WHO), 4)
        self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), [4])
        link.event(handle, "fail", ack=2)
        last(link, link.expect(frames.WHO), 0, "system")
        self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), ["system"])
        with unittest.mock.patch("sockeye.history.ANSWER_WITHIN", 0.01):
            link.event(handle, "fail", ack=3)
            link.expect(frames.WHO)  # which gets no answer
            self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), ["timeout"])


if __name__ == "__main__":
    unittest.main()
