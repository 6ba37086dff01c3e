"""The history of rooms, with a fake edge: for socketio.AsyncServer, for the threaded Server and for Backend."""
import asyncio
import logging
import unittest
from unittest import mock

import socketio

import sockeye
from sockeye import frames
from tests.fake_edge import WAIT, FakeEdge

EDGE = {"fanout": "direct", "history": True}


def aside(function, *arguments, **kw):
    """Runs a blocking function of the fake edge in a thread."""
    return asyncio.to_thread(function, *arguments, **kw)


async def maybe(value):
    return await value if asyncio.iscoroutine(value) else value


def texts(frame, numbers=0):
    """The u32s and the texts of a body."""
    found, at = [], 0
    while at < len(frame.body):
        value, at = frames.take_u32(frame.body, at) if len(found) < numbers else frames.take_text(frame.body, at)
        found.append(value)
    return found


def last(link, frame, count, error=""):
    link.send(frames.PAST, frames.put_u32(count) + frames.put_text(error), frames.F_LAST, id=frame.id)


def event(link, frame, name, ms, *values):
    body, binary = frames.Codec().encode(values)
    head = frames.put_text(name) + frames.put_u32(ms & 0xFFFFFFFF) + frames.put_u32(ms >> 32)
    link.send(frames.PAST, head + body, frames.F_BIN if binary else 0, id=frame.id)


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

    async def attach(self):
        self.attached = await asyncio.wait_for(sockeye.attach(self.sio, self.edge.url, drain_on_sigterm=False), WAIT)
        return await aside(self.edge.link)

    async def start(self, backend):
        self.attached = backend
        await asyncio.wait_for(backend.start(), WAIT)
        return await aside(self.edge.link)


class Joins(Case):
    async def test_enter_room_with_history(self):
        link = await self.attach()
        _, handle = await aside(link.client)
        entered = self.sio.enter_room("S" * 20, "a", history=50)
        asked = await aside(link.expect, frames.CATCHUP)
        self.assertEqual((asked.handle, texts(asked, 1)), (handle, [50, "a"]))
        self.assertEqual(sorted(self.sio.rooms("S" * 20)), ["S" * 20, "a"])
        last(link, asked, 3)
        self.assertEqual(await entered, 3)
        self.assertNotIn(frames.JOIN, [frame.type for frame in link.seen])
        for wrong in (0, -1, "50"):
            with self.assertRaisesRegex(ValueError, "history must be True or a number"):
                await self.sio.enter_room("S" * 20, "a", history=wrong)
        await maybe(self.sio.enter_room("S" * 20, "b"))
        await maybe(self.sio.enter_room("S" * 20, "c", history=False))
        self.assertEqual([frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0] for _ in "bc"], [["b"], ["c"]])

    async def test_the_method_of_a_namespace_class(self):
        class Chat(socketio.AsyncNamespace):
            pass

        class Own(socketio.AsyncNamespace):
            def enter_room(self, sid, room, namespace=None):
                return "own"
        chat, later, own = Chat("/"), Chat("/chat"), Own("/own")
        self.sio.register_namespace(chat)
        self.sio.register_namespace(own)
        link = await self.attach()
        self.sio.register_namespace(later)
        _, handle = await aside(link.client)
        entered = chat.enter_room("S" * 20, "a", history=50)
        asked = await aside(link.expect, frames.CATCHUP)
        self.assertEqual((asked.handle, texts(asked, 1)), (handle, [50, "a"]))
        last(link, asked, 3)
        self.assertEqual(await entered, 3)
        await maybe(chat.enter_room("S" * 20, "b", "/"))
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0], ["b"])
        _, handle = await aside(link.client, namespace="/chat", sid="T" * 20)
        later.enter_room("T" * 20, "c", history=True)
        asked = await aside(link.expect, frames.CATCHUP)
        self.assertEqual((asked.handle, texts(asked, 1)), (handle, [0, "c"]))
        self.assertEqual(own.enter_room("S" * 20, "c"), "own")

    async def test_a_connect_handler_gets_it_after_the_client_is_accepted(self):
        @self.sio.event
        async def connect(sid, environ):
            self.assertEqual(await self.sio.enter_room(sid, "a", history=True), 0)
            await self.sio.enter_room(sid, "b", history=5)
            await maybe(self.sio.enter_room(sid, "c"))
            await maybe(self.sio.leave_room(sid, "b"))
        link = await self.attach()
        await aside(link.client)
        asked = await aside(link.expect, frames.CATCHUP)
        self.assertEqual(texts(asked, 1), [0, "a"])
        self.assertEqual([(frame.type, frame.body) for frame in link.seen if frame.type in (frames.JOIN, frames.ACCEPT, frames.CATCHUP)],
                         [(frames.JOIN, frames.put_rooms(["c"])), (frames.ACCEPT, b""), (frames.CATCHUP, asked.body)])

    async def test_a_client_that_comes_back_has_missed_nothing(self):
        @self.sio.event
        async def connect(sid, environ):
            await self.sio.enter_room(sid, "a", history=True)
            await self.sio.enter_room(sid, "b", history=True)
        link = await self.attach()
        await aside(link.client, rooms=["a"])
        self.assertEqual(texts(await aside(link.expect, frames.CATCHUP), 1), [0, "b"])

    async def test_errors(self):
        link = await self.attach()
        session, handle = await aside(link.client)
        entered = self.sio.enter_room("S" * 20, "a", history=True)
        last(link, await aside(link.expect, frames.CATCHUP), 0, "timeout")
        with self.assertRaisesRegex(sockeye.HistoryError, "joining 'a' with history: .* could not be read in time") as caught:
            await entered
        self.assertEqual(caught.exception.code, "timeout")
        entered = self.sio.enter_room("S" * 20, "b", history=True)
        asked = await aside(link.expect, frames.CATCHUP)
        link.closed(handle)
        last(link, asked, 0, "state")
        self.assertEqual(await entered, 0)

    async def test_while_too_many_questions_wait_a_join_is_refused_and_the_client_is_in_the_room(self):
        link = await self.attach()
        _, handle = await aside(link.client)
        with mock.patch("sockeye.history.MAX_QUESTIONS", 1):
            found = asyncio.ensure_future(self.sio.history("a"))
            asked = await aside(link.expect, frames.HISTORY)
            with self.assertRaisesRegex(sockeye.HistoryError, "too many joins wait") as caught:
                await self.sio.enter_room("S" * 20, "b", history=True)
        self.assertEqual(caught.exception.code, "too-many")
        joined = await aside(link.expect, frames.JOIN)
        self.assertEqual((joined.handle, frames.take_rooms(joined.body)[0]), (handle, ["b"]))
        last(link, asked, 0)
        self.assertEqual(await found, [])

    async def test_the_client_of_another_process(self):
        self.edge.peers = ["x2"]
        link = await self.attach()
        await self.sio.enter_room("T" * 20, "a", history=7)
        _, handle = await aside(link.client)
        link.send(frames.PEER, frames.put_text("x2") + frames.dumps(
            {"python": "enter_room", "namespace": "/", "sid": "S" * 20, "room": "a", "history": 7}))
        asked = await aside(link.expect, frames.CATCHUP)
        self.assertEqual((asked.handle, texts(asked, 1)), (handle, [7, "a"]))


class Reads(Case):
    async def test_history(self):
        link = await self.attach()
        found = asyncio.ensure_future(self.sio.history("a", limit=20, before="5-0"))
        asked = await aside(link.expect, frames.HISTORY)
        self.assertEqual((asked.nsp, texts(asked, 1)), (0, [20, "a", "5-0", ""]))
        event(link, asked, "1700000000000-1", 1700000000000, "news", "grüß", 2)
        event(link, asked, "1700000000001-0", 1700000000001, "img", b"abc")
        last(link, asked, 2)
        self.assertEqual(await found, [sockeye.HistoryEvent("1700000000000-1", 1700000000.0, "news", ["grüß", 2]),
                                       sockeye.HistoryEvent("1700000000001-0", 1700000000.001, "img", [b"abc"])])
        none = asyncio.ensure_future(self.sio.history("a", namespace="/chat"))
        asked = await aside(link.expect, frames.HISTORY)
        self.assertEqual((link.names[asked.nsp], texts(asked, 1)), ("/chat", [0, "a", "", ""]))
        last(link, asked, 0, "not-found")
        with self.assertRaisesRegex(sockeye.HistoryError, "no rule of the edge's --history"):
            await none
        for wrong in ({"limit": 0}, {"before": ""}, {"after": 5}):
            with self.assertRaises(ValueError):
                await self.sio.history("a", **wrong)

    async def test_removal(self):
        link = await self.attach()
        removed = asyncio.ensure_future(self.sio.history_remove("a", "5-0"))
        asked = await aside(link.expect, frames.FORGET)
        self.assertEqual(texts(asked), ["a", "5-0"])
        last(link, asked, 1)
        self.assertEqual(await removed, 1)
        cleared = asyncio.ensure_future(self.sio.history_clear("a"))
        asked = await aside(link.expect, frames.FORGET)
        self.assertEqual(texts(asked), ["a", ""])
        last(link, asked, 9)
        self.assertEqual(await cleared, 9)
        for wrong in (None, ""):  # does not remove everything
            with self.assertRaisesRegex(ValueError, "needs the id of an event"):
                await self.sio.history_remove("a", wrong)

    async def test_a_lost_link_ends_the_questions(self):
        link = await self.attach()
        found = asyncio.ensure_future(self.sio.history("a"))
        await aside(link.expect, frames.HISTORY)
        link.cut()
        with self.assertRaisesRegex(sockeye.HistoryError, "lost before the answer"):
            await asyncio.wait_for(found, WAIT)

    async def test_few_are_read_at_the_same_time(self):
        link = await self.attach()
        found = [asyncio.ensure_future(self.sio.history(f"room{i}")) for i in range(20)]
        asked = [await aside(link.expect, frames.HISTORY) for _ in range(16)]
        removed = asyncio.ensure_future(self.sio.history_remove("a", "5-0"))
        last(link, await aside(link.expect, frames.FORGET), 1)  # is sent before the other four
        self.assertEqual(await removed, 1)
        last(link, asked[3], 0, "refused")
        with self.assertRaisesRegex(sockeye.HistoryError, "Redis does not allow"):
            await found[3]
        self.assertEqual(texts(await aside(link.expect, frames.HISTORY), 1)[1], "room16")
        link.cut()
        ends = await asyncio.wait_for(asyncio.gather(*found, return_exceptions=True), WAIT)
        self.assertEqual([end.code for end in ends], ["lost"] * 3 + ["refused"] + ["lost"] * 13 + ["unsupported"] * 3)

    async def test_a_cancelled_call_gives_up_its_turn(self):
        link = await self.attach()
        with mock.patch("sockeye.history.MAX_READS", 1):
            found = [asyncio.ensure_future(self.sio.history(room)) for room in "abc"]
            asked = await aside(link.expect, frames.HISTORY)
            found[1].cancel()
            with self.assertRaises(asyncio.CancelledError):
                await found[1]
            last(link, asked, 0)
            asked = await aside(link.expect, frames.HISTORY)
            self.assertEqual(texts(asked, 1)[1], "c")
            last(link, asked, 0)
            self.assertEqual([await found[0], await found[2]], [[], []])

    async def test_a_question_that_cannot_be_sent_is_forgotten(self):
        await self.attach()
        (link,) = self.attached._glue.mesh.links
        link.max_frame = 1000
        with self.assertRaisesRegex(ValueError, "accepts at most 1000"):
            await self.sio.history("a" * 2000)
        self.assertEqual(link.questions, {})

    async def test_malformed_answers_end_the_link(self):
        link = await self.attach()
        found = asyncio.ensure_future(self.sio.history("a"))
        asked = await aside(link.expect, frames.HISTORY)
        link.send(frames.PAST, frames.put_text("1-0") + b"\0" * 8 + b"[]", id=asked.id)
        with self.assertRaises(sockeye.HistoryError):
            await asyncio.wait_for(found, WAIT)

    async def test_the_end_of_a_session_is_no_malformed_frame(self):
        ended = asyncio.get_running_loop().create_future()
        sockeye.on_session_ended(self.sio, lambda sid, session, reason: ended.set_result((sid, session, reason)))
        link = await self.attach()
        link.send(frames.ENDED, frames.put_text("S" * 20) + frames.put_text("expired") + frames.put_text('{"a":1}'))
        self.assertEqual(await asyncio.wait_for(ended, WAIT), ("S" * 20, {"a": 1}, "expired"))


class SmallClass(Case):
    async def test_backend(self):
        backend = sockeye.Backend(self.edge.url, drain_on_sigterm=False)

        @backend.middleware
        def early(socket):
            socket.enter_room("early", history=3)

        @backend.on("go")
        async def go(socket):
            return [await socket.enter_room("a", "b", history=True), [each.event for each in await backend.history("a")],
                    await backend.history_remove("a", "1-0"), await backend.history_clear("a")]
        link = await self.start(backend)
        _, handle = await aside(link.client)
        self.assertEqual(texts(await aside(link.expect, frames.CATCHUP), 1), [3, "early"])
        link.event(handle, "go", ack=1)
        for room, count in (("a", 2), ("b", 3)):
            asked = await aside(link.expect, frames.CATCHUP)
            self.assertEqual(texts(asked, 1), [0, room])
            last(link, asked, count)
        asked = await aside(link.expect, frames.HISTORY)
        event(link, asked, "1-0", 1, "news")
        last(link, asked, 1)
        last(link, await aside(link.expect, frames.FORGET), 1)
        last(link, await aside(link.expect, frames.FORGET), 4)
        ack = await aside(link.expect, frames.ACK)
        self.assertEqual(frames.Codec().decode(ack.body, False), [[5, ["news"], 1, 4]])


class WithoutHistory(Case):
    edge_options = {"fanout": "direct", "history": False}

    async def test_the_edge_keeps_none(self):
        link = await self.attach()
        await aside(link.client)
        with self.assertRaisesRegex(sockeye.HistoryError, "start it with --history") as caught:
            await self.sio.enter_room("S" * 20, "a", history=True)
        self.assertEqual(caught.exception.code, "unsupported")
        self.assertEqual(frames.take_rooms((await aside(link.expect, frames.JOIN)).body)[0], ["a"])
        with self.assertRaisesRegex(sockeye.HistoryError, "start it with --history"):
            await self.sio.history("a")


class OldEdge(Case):
    edge_options = {"fanout": "direct"}

    async def test_an_older_edge(self):
        await self.attach()
        with self.assertRaisesRegex(sockeye.HistoryError, "older than this package"):
            await self.sio.history("a")


class Threads(unittest.TestCase):
    def test_threads(self):
        edge = FakeEdge(options=EDGE)
        self.addCleanup(edge.close)
        sio = socketio.Server(async_mode="threading")
        results = []

        @sio.event
        def connect(sid, environ):
            results.append(sio.enter_room(sid, "early", history=2))

        @sio.event
        def go(sid):
            return [sio.enter_room(sid, "a", history=True), [each.event for each in sio.history("a")], sio.history_remove("a", "1-0"),
                    sio.history_clear("a")]

        @sio.event
        def fail(sid):
            try:
                sio.history("a")
            except sockeye.HistoryError as error:
                return error.code

        @sio.event
        def read(sid):
            return len(sio.history("b"))

        @sio.event
        def wrong(sid):
            try:
                sio.history_remove("a", None)
            except ValueError as error:
                return str(error)
        attached = sockeye.attach_blocking(sio, edge.url, timeout=WAIT, drain_on_sigterm=False)
        self.addCleanup(attached.close)
        link = edge.link()
        _, handle = link.client()
        self.assertEqual((texts(link.expect(frames.CATCHUP), 1), results), ([2, "early"], [0]))
        link.event(handle, "go", ack=1)
        last(link, link.expect(frames.CATCHUP), 5)
        asked = link.expect(frames.HISTORY)
        event(link, asked, "1-0", 1, "news")
        last(link, asked, 1)
        last(link, link.expect(frames.FORGET), 1)
        last(link, link.expect(frames.FORGET), 4)
        self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), [[5, ["news"], 1, 4]])
        link.event(handle, "fail", ack=2)
        last(link, link.expect(frames.HISTORY), 0, "timeout")
        self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), ["timeout"])
        link.event(handle, "wrong", ack=3)
        self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), ["history_remove() needs the id of an event"])
        with mock.patch("sockeye.history.MAX_READS", 1):
            with mock.patch("sockeye.history.ANSWER_WITHIN", 0.01):
                link.event(handle, "fail", ack=4)
                asked = link.expect(frames.HISTORY)  # which gets no answer in time
                self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), ["timeout"])
                link.event(handle, "fail", ack=5)  # gives up before its turn
                self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), ["timeout"])
            link.event(handle, "read", ack=6)
            last(link, asked, 0)
            asked = link.expect(frames.HISTORY)
            self.assertEqual(texts(asked, 1)[1], "b")
            last(link, asked, 0)
            self.assertEqual(frames.Codec().decode(link.expect(frames.ACK).body, False), [0])


if __name__ == "__main__":
    unittest.main()
