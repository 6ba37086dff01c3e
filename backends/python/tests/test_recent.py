"""Casts for workers that had clients before they had a link: each one arrives once, and only if it is newer than the
clients."""
import asyncio
import threading
import time
import unittest
from unittest import mock

from sockeye import frames
from sockeye.aio import AioMesh
from sockeye.mesh import Options, Owner, resolve
from sockeye.recent import ENTRY_BYTES, KEEP_BYTES, RecentCasts
from sockeye.threads import ThreadMesh
from tests.fake_edge import WAIT, FakeEdge, args, targets
from tests.test_attach import aside


class Clock:
    """Replaces the clock of casts and links; the test moves it."""
    now = 1000.0
    sleep = staticmethod(time.sleep)

    def monotonic(self):
        return self.now


class Scenarios:
    """The tests that run with both drivers."""

    async def asyncSetUp(self):
        self.clock = Clock()
        for module in ("recent", "aio", "threads"):
            patch = mock.patch(f"sockeye.{module}.time", self.clock)
            patch.start()
            self.addCleanup(patch.stop)

    def edge(self, **options):
        edge = FakeEdge(**options)
        self.addCleanup(edge.close)
        return edge

    def cast(self, name, rooms=()):
        self.mesh.cast("/", rooms, [], frames.Codec().encode([name]))

    async def gets(self, link, *names):
        for name in names:
            self.assertEqual(args(await aside(link.expect, frames.CAST)), [name])

    async def until(self, condition):
        end = time.monotonic() + WAIT
        while not condition():
            self.assertLess(time.monotonic(), end)
            await asyncio.sleep(0.005)

    async def test_an_edge_that_joins_a_dns_name_later(self):
        first = self.edge(name="e1", host="127.0.0.1")
        second = self.edge(name="e2", host="127.0.0.2", port=first.port, workers=2, up=1000)
        found = ["127.0.0.1"]
        with mock.patch(f"{self.module}.resolve", lambda address: list(found)):
            await self.start(f"tcp://edge.test:{first.port}")
            self.cast("before it began")
            self.clock.now += 5
            self.cast("since then", ["r"])
            found.append("127.0.0.2")
            links = [await aside(second.link), await aside(second.link)]
            await self.until(lambda: len(self.mesh.links) == 3)
            self.cast("after")
            for link in links:
                cast = await aside(link.expect, frames.CAST)
                self.assertEqual((args(cast), targets(cast)), (["since then"], (["r"], [])))
                await self.gets(link, "after")
            await self.gets(await aside(first.link), "before it began", "since then", "after")

    async def test_an_address_that_is_resolved_late(self):
        first = self.edge(name="e1", host="127.0.0.1")
        second = self.edge(name="e2", host="127.0.0.2", port=first.port)
        reached = threading.Event()

        def late(address):
            if address.host == "127.0.0.2" and not reached.is_set():
                raise OSError("not yet")
            return resolve(address)

        with mock.patch(f"{self.module}.resolve", late):
            await self.start([f"tcp://127.0.0.1:{first.port}", f"tcp://127.0.0.2:{first.port}"])
            link = await aside(first.link)
            self.cast("early")
            await self.gets(link, "early")
            reached.set()
            other = await aside(second.link)
            await self.until(lambda: len(self.mesh.links) == 2)
            self.cast("late")
            await self.gets(other, "early", "late")

    async def test_an_edge_that_leaves_a_dns_name(self):
        first = self.edge(name="e1", host="127.0.0.1")
        second = self.edge(name="e2", host="127.0.0.2", port=first.port)
        found = ["127.0.0.1", "127.0.0.2"]
        with mock.patch(f"{self.module}.resolve", lambda address: list(found)):
            await self.start(f"tcp://edge.test:{first.port}")
            link = await aside(second.link)
            await self.until(lambda: len(self.mesh.links) == 2)
            found.remove("127.0.0.2")
            await self.until(lambda: len(self.mesh._kept) == 1)
            self.cast("both")
            await self.gets(link, "both")
            link.cut()
            await self.until(lambda: len(self.mesh.links) == 1)
            found.append("127.0.0.2")
            again = await aside(second.link)
            await self.until(lambda: len(self.mesh.links) == 2)
            self.cast("again")
            await self.gets(again, "again")
            self.assertEqual(len(second.hellos), 2)

    async def test_an_edge_that_comes_back_after_a_long_time(self):
        first, second = self.edge(name="e1"), self.edge(name="e2", up=1900)
        await self.start([first.url, second.url])
        links = [await aside(first.link), await aside(second.link)]
        await self.until(lambda: len(self.mesh.links) == 2)
        self.cast("to both")
        await self.gets(links[1], "to both")
        second.stop()
        await self.until(lambda: len(self.mesh.links) == 1)
        self.cast("while it is away")
        self.clock.now += 60
        self.cast("a moment before it began")
        self.clock.now += 2
        self.cast("a moment after")
        self.cast("x" * 70000)
        second.max_frame = 65536
        second.listen()
        again = await aside(second.link)
        await self.until(lambda: len(self.mesh.links) == 2)
        self.cast("linked")
        await self.gets(again, "a moment after", "linked")
        await self.gets(links[0], "to both", "while it is away", "a moment before it began", "a moment after", "x" * 70000, "linked")

    async def test_two_addresses_of_one_worker(self):
        first = self.edge(name="e1")
        await self.start([first.url, first.url + ".absent"])
        link = await aside(first.link)
        self.cast("one")
        await self.gets(link, "one")
        self.assertEqual(len(self.mesh._recent), 1, "one edge has not answered yet")
        other = self.edge(name="e1")
        other.stop_listening()
        other.path = first.path + ".absent"
        first.stop()
        await self.until(lambda: not self.mesh.links)
        self.cast("two")
        other.listen()
        second = await aside(other.link)
        await self.until(lambda: self.mesh.links)
        self.cast("three")
        await self.gets(second, "two", "three")

    async def test_a_second_way_that_leads_nowhere_may_lead_to_another_edge(self):
        first, other = self.edge(name="e1"), self.edge(name="e1")
        other.stop()
        await self.start([first.url, other.url])
        link = await aside(first.link)
        other.listen()
        await self.until(lambda: not self.mesh._keeps_casts)
        other.stop()
        await self.until(lambda: self.mesh._keeps_casts)
        self.cast("one")
        other.name = "e2"
        other.listen()
        await self.gets(await aside(other.link), "one")
        await self.gets(link, "one")

    async def test_a_drain_makes_no_more_links(self):
        edge = self.edge(workers=2)
        edge.mute.add(1)
        start = asyncio.create_task(self.start(edge.url))
        await self.until(lambda: len(edge.hellos) == 2 and self.mesh.links)
        self.mesh.draining = True
        edge.welcome_muted()
        await self.until(lambda: len(self.mesh._kept) == 1)
        self.assertEqual(len(self.mesh.links), 1)
        (await aside(edge.link)).cut()
        await self.until(lambda: not self.mesh._kept)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)

    async def test_nothing_is_kept_while_every_worker_has_a_link(self):
        edge = self.edge(workers=2)
        await self.start(edge.url)
        await self.until(lambda: len(self.mesh.links) == 2)
        self.cast("one")
        self.assertEqual(len(self.mesh._recent), 0)
        link = await aside(edge.link)
        edge.stop_listening()
        link.cut()
        await self.until(lambda: len(self.mesh.links) == 1)
        self.cast("two")
        self.assertEqual(len(self.mesh._recent), 1)
        edge.listen()
        await self.until(lambda: len(self.mesh.links) == 2)
        self.assertEqual(len(self.mesh._recent), 0)

    async def test_nothing_is_kept_beside_a_broker(self):
        edge = self.edge(options={"fanout": "bus"})
        await self.start([edge.url, edge.url + ".absent"])
        self.cast("one")
        self.assertEqual(len(self.mesh._recent), 0)


class Aio(Scenarios, unittest.IsolatedAsyncioTestCase):
    module = "sockeye.aio"

    async def start(self, urls):
        self.mesh = AioMesh(urls, Options(), Owner())
        await asyncio.wait_for(self.mesh.start(), WAIT)

    async def asyncTearDown(self):
        await self.mesh.close()


class Threads(Scenarios, unittest.IsolatedAsyncioTestCase):
    module = "sockeye.threads"

    async def start(self, urls):
        self.mesh = ThreadMesh(urls, Options(), Owner())
        self.mesh.start()
        await self.until(lambda: self.mesh.links)

    async def asyncTearDown(self):
        await aside(self.mesh.close)


class Bounds(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        patch = mock.patch("sockeye.recent.time", self.clock)
        patch.start()
        self.addCleanup(patch.stop)
        self.recent = RecentCasts()

    def add(self, name, size=1):
        self.recent.add("/", 0, name * size)

    def kept(self, worker=0, since=0.0):
        return [cast.frame[:1] for cast in self.recent.missed_by("e1", worker, since)]

    def test_age(self):
        self.add(b"a")
        self.clock.now += 9.5
        self.add(b"b")
        self.assertEqual(self.kept(), [b"a", b"b"])
        self.assertEqual(self.kept(since=self.clock.now), [b"b"])
        self.clock.now += 1
        self.assertEqual(self.kept(), [b"b"])

    def test_bytes(self):
        self.add(b"a", 600000)
        self.add(b"b", 400000)
        self.add(b"c", 100000)
        self.assertEqual(self.kept(), [b"b", b"c"])
        self.add(b"d", KEEP_BYTES)
        self.assertEqual(self.kept(), [b"b", b"c"])
        for _ in range(100000):
            self.add(b"e")
        self.assertEqual(len(self.recent), KEEP_BYTES // (ENTRY_BYTES + 1))

    def test_what_has_left(self):
        self.add(b"a")
        self.recent.lost("e1", 0)
        self.add(b"b")
        self.assertEqual((self.kept(), self.kept(worker=1)), ([b"b"], [b"a", b"b"]))
        self.clock.now += 11
        for worker in range(1000):
            self.recent.lost("e2", worker)
        self.assertEqual(len(self.recent._left), 0)


if __name__ == "__main__":
    unittest.main()
