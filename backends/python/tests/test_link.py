"""A link without a socket: handshake, windows, silence."""
import json
import unittest

from sockeye import frames
from sockeye.link import LOST, READY, SECOND_WAY, Hello, Link, LinkLost


def challenge(**more):
    return frames.pack(frames.CHALLENGE, json.dumps({"v": [1], "edge": "e", "nonce": "0" * 64, **more}).encode())


def welcome(**more):
    return frames.pack(frames.WELCOME, json.dumps({"v": 1, "edge": "e", "worker": 0, "workers": 2, "window": 1000, "maxFrame": 100000,
                                                   "ping": 5000, "options": {}, **more}).encode())


def sent(link):
    return list(frames.Reader(1 << 24).feed(link.take()))


def ready(**more):
    link = Link(Hello("i", secret=b"s"), 0, 0.0, lambda: None, 100000)
    link.feed(challenge(), 0.0)
    link.feed(welcome(**more), 0.0)
    sent(link)
    return link


class Handshake(unittest.TestCase):
    def test_hello(self):
        link = Link(Hello("i", group="g", upstream="http://127.0.0.1:1", weight=3), 7, 0.0, lambda: None)
        link.feed(challenge(), 0.0)
        hello = json.loads(sent(link)[0].body)
        self.assertEqual((hello["worker"], hello["group"], hello["upstream"], hello["weight"]), (7, "g", "http://127.0.0.1:1", 3))
        self.assertNotIn("proof", hello)
        self.assertEqual([frame.type for frame in link.feed(welcome(), 0.0)], [frames.WELCOME])
        self.assertEqual((link.state, link.workers), (READY, 2))

    def test_malformed_frames_and_bye_end_the_link(self):
        for reason, data in (("protocol", challenge(v=[2])), ("protocol", welcome()), ("protocol", frames.pack(frames.EVENT)),
                             ("protocol", frames.pack(frames.CHALLENGE, b"{")), ("protocol", frames.pack(frames.CHALLENGE, b"[]")),
                             ("protocol", frames.pack(frames.CHALLENGE, b"x" * 40000)), ("full", frames.pack(frames.BYE, b"full"))):
            link = Link(Hello("i"), 0, 0.0, lambda: None)
            with self.assertRaises(LinkLost) as caught:
                link.feed(data, 0.0)
            self.assertEqual((caught.exception.reason, link.state), (reason, LOST))
        with self.assertRaisesRegex(LinkLost, "WELCOME"):
            Link(Hello("i"), 0, 0.0, lambda: None).tick(6.0)

    def test_the_end_of_a_session_is_for_the_owner(self):
        self.assertEqual([frame.type for frame in ready().feed(frames.pack(frames.ENDED), 0.0)], [frames.ENDED])

    def test_a_second_way_to_the_same_worker_sends_no_hello(self):
        link = Link(Hello("i"), 1, 0.0, lambda: None, is_linked=lambda edge, worker: (edge, worker) == ("e", 1))
        with self.assertRaisesRegex(LinkLost, SECOND_WAY):
            link.feed(challenge(), 0.0)
        self.assertEqual(link.take(), b"")


class Windows(unittest.TestCase):
    def test_outgoing_window(self):
        """If more than half of the window is on its way, only frames that fit are sent."""
        link = ready()
        frame = frames.pack(frames.EMIT, b"x" * 284)  # 300 bytes
        for _ in range(5):
            self.assertTrue(link.send(frame))
        self.assertEqual(len(sent(link)), 3)
        self.assertFalse(link.send(frame, volatile=True))
        link.feed(frames.pack(frames.WINDOW, id=300), 1.0)
        self.assertEqual(len(sent(link)), 1)
        link.feed(frames.pack(frames.WINDOW, id=900), 1.0)
        self.assertEqual((len(sent(link)), link.queued), (1, 0))

    def test_a_frame_larger_than_the_window(self):
        link = ready()
        large = frames.pack(frames.EMIT, b"x" * 5000)
        link.send(large)
        link.send(large)
        self.assertEqual(len(sent(link)), 1)
        link.feed(frames.pack(frames.WINDOW, id=5016), 1.0)
        self.assertEqual(len(sent(link)), 1)
        with self.assertRaisesRegex(ValueError, "at most"):
            link.send(frames.pack(frames.EMIT, b"x" * 100001))

    def test_the_queue_has_an_end(self):
        link = ready()
        frame = frames.pack(frames.EMIT, b"x" * 984)
        while link.send(frame):
            self.assertLess(link.queued, 101000)
        self.assertEqual((link.fault.reason, link.state), ("queue", LOST))

    def test_incoming_window(self):
        """Bytes are given back when half of the window is due, and never more than have come. Frames of the link itself are
        processed at once."""
        link = ready()
        peers = frames.pack(frames.PEERS, b'["a","b"]')
        unknown = frames.pack(77, b"x" * 300, frames.F_OPTIONAL)
        link.feed(peers + unknown + frames.pack(frames.PING, id=1), 0.0)
        self.assertEqual(([frame.type for frame in sent(link)], link.peers), ([frames.PONG], ["a", "b"]))
        event, = link.feed(frames.pack(frames.EVENT, b"x" * 284, handle=1), 0.0)
        self.assertEqual(sent(link), [])
        link.processed(event.size)
        back, = sent(link)
        self.assertEqual((back.type, back.id), (frames.WINDOW, len(peers) + len(unknown) + 300))


class Time(unittest.TestCase):
    def test_silence(self):
        link = ready()
        for now in range(1, 11):
            link.tick(float(now))
        self.assertEqual({frame.type for frame in sent(link)}, {frames.PING})
        with self.assertRaisesRegex(LinkLost, "timeout"):
            link.tick(10.5)

    def test_a_process_that_was_stopped_does_not_blame_the_edge(self):
        link = ready()
        link.tick(1.0)
        link.tick(61.0)
        self.assertEqual(link.state, READY)

    def test_any_frame_is_a_sign_of_life(self):
        link = ready()
        for now in range(1, 30):
            link.feed(frames.pack(frames.PONG), float(now))
            link.tick(float(now))
        self.assertEqual(sent(link), [])

    def test_drain_and_farewell(self):
        link = ready()
        found = link.feed(frames.pack(frames.EVENT, b'["x"]', handle=2) + frames.pack(frames.DRAIN, flags=frames.F_ACK), 0.0)
        self.assertEqual([frame.type for frame in found], [frames.EVENT, frames.DRAIN])
        self.assertFalse(link.draining)  # the owner sets it when the events before it have begun
        link.farewell("shutdown")
        self.assertEqual(sent(link)[-1].body, b"shutdown")
        self.assertEqual(link.feed(frames.pack(frames.EVENT), 0.0), [])
        self.assertFalse(link.send(frames.pack(frames.EMIT)))


if __name__ == "__main__":
    unittest.main()
