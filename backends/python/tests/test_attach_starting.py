"""attach(): the first link to an edge, servers that are not supported, and workers that are silent or gone."""
import asyncio
import os
import unittest

import socketio

import sockeye
from tests import test_attach
from tests.fake_edge import WAIT, FakeEdge
from tests.test_attach import aside


class Starting(unittest.IsolatedAsyncioTestCase):
    async def test_waits_for_the_edge_and_says_that_it_is_ready(self):
        edge = FakeEdge(workers=2)
        edge.stop_listening()
        read, write = os.pipe()
        os.environ["SOCKEYE_READY_FD"], os.environ["SOCKEYE_BACKEND"] = str(write), edge.url
        try:
            attaching = asyncio.create_task(sockeye.attach(socketio.AsyncServer(async_mode="asgi"), drain_on_sigterm=False))
            with self.assertLogs("sockeye", "WARNING") as logs:
                await test_attach.Events.until(self, lambda: logs.records)
            self.assertFalse(attaching.done())
            edge.listen()
            attached = await asyncio.wait_for(attaching, WAIT)
            self.assertEqual(await aside(os.read, read, 100), b"ready\n")
            self.assertEqual(os.read(read, 100), b"")
            self.assertNotIn("SOCKEYE_READY_FD", os.environ)
            self.assertEqual((attached.edges, len(edge.hellos)), (["e1"], 2))
            await attached.close()
        finally:
            os.environ.pop("SOCKEYE_BACKEND")
            os.close(read)
            edge.close()

    async def test_unsupported_servers_are_refused_with_one_sentence(self):
        class NotQuite(socketio.AsyncServer):
            @property
            def _handle_event_internal(self):
                raise AttributeError

        def error(sio, url="unix:///x"):
            with self.assertRaises(sockeye.AttachError) as caught:
                asyncio.run(sockeye.attach(sio, url))
            return str(caught.exception)
        sio = socketio.AsyncServer(async_mode="asgi")
        self.assertIn("not an address of an edge", await aside(error, sio, "http://x"))
        self.assertIn("attach_blocking", await aside(error, socketio.Server()))
        self.assertIn("NotQuite._handle_event_internal", await aside(error, NotQuite(async_mode="asgi")))

        class AsyncRedisManager(socketio.AsyncManager):
            def _publish(self):
                pass
        redis = socketio.AsyncServer(async_mode="asgi", client_manager=AsyncRedisManager())
        self.assertIn("AsyncRedisManager", await aside(error, redis))
        for reason in ("secret", "version"):
            edge = FakeEdge(bye=reason)
            self.assertIn(reason, await aside(error, socketio.AsyncServer(async_mode="asgi"), edge.url))
            edge.close()

    async def test_silence(self):
        edge = FakeEdge(ping=1000, pongs=True)
        attached = await sockeye.attach(socketio.AsyncServer(async_mode="asgi"), edge.url, drain_on_sigterm=False)
        link = await aside(edge.link)
        await test_attach.Events.until(self, lambda: link.pings >= 2)
        self.assertEqual(attached.edges, ["e1"])  # PING and PONG keep it
        with self.assertLogs("sockeye", "WARNING") as logs:
            link.pongs = False
            await aside(link.ended)
            await aside(edge.link)
        self.assertIn("timeout", logs.output[0])
        await attached.close()
        edge.close()

    async def test_a_worker_that_no_longer_exists(self):
        edge = FakeEdge(workers=2)
        attached = await sockeye.attach(socketio.AsyncServer(async_mode="asgi"), edge.url, drain_on_sigterm=False)
        edge.bye = "worker"
        for _ in range(2):
            (await aside(edge.link)).cut()
        await test_attach.Events.until(self, lambda: not attached._glue.mesh._kept)
        await attached.close()
        edge.close()


if __name__ == "__main__":
    unittest.main()
