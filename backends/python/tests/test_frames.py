"""The codec, tested with the golden frames that C and JavaScript share, and the encoding of Python values."""
import hashlib
import hmac
import json
import pathlib
import unittest

from sockeye import frames
from sockeye.link import Hello

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "golden" / "frames.json").read_text())


def build(parts):
    body = b""
    for part in parts:
        (kind, value), = part.items()
        if kind == "u32":
            body += frames.put_u32(value)
        elif kind in ("text", "sizedArgs"):
            body += frames.put_text(value)
        elif kind == "rooms":
            body += frames.put_rooms(value)
        elif kind in ("args", "rest"):
            body += value.encode()
        elif kind == "restHex":
            body += bytes.fromhex(value)
        else:
            text, attachments = body, [bytes.fromhex(each) for each in value]
            body = text + b"".join(frames.put_u32(len(each)) + each for each in attachments)
    return body


def take_apart(test, frame, parts):
    at = 0
    for part in parts:
        (kind, value), = part.items()
        if kind == "u32":
            found, at = frames.take_u32(frame.body, at)
        elif kind == "text":
            found, at = frames.take_text(frame.body, at)
        elif kind == "rooms":
            found, at = frames.take_rooms(frame.body, at)
        elif kind == "sizedArgs":
            start = at
            found = frames.split_args(frame.body, True, at)[0].decode()
        elif kind == "attachments":
            found = [each.hex() for each in frames.split_args(frame.body, True, start)[1]]
            at = len(frame.body)
        elif kind == "args":
            text, attachments = frames.split_args(frame.body, bool(frame.flags & frames.F_BIN), at)
            test.assertEqual(attachments, [])
            found, at = text.decode(), len(frame.body)
        else:
            rest, at = frame.body[at:], len(frame.body)
            found = rest.hex() if kind == "restHex" else rest.decode()
        test.assertEqual(found, value)
    test.assertEqual(at, len(frame.body))


class Golden(unittest.TestCase):
    def test_each_is_decoded_and_encoded(self):
        for golden in GOLDEN["frames"]:
            with self.subTest(golden["name"]):
                wire = bytes.fromhex(golden["hex"])
                found = list(frames.Reader(1 << 24).feed(wire))
                body = build(golden["parts"])
                frame, = found
                self.assertEqual(frame[:5], tuple(golden[key] for key in ("type", "flags", "nsp", "handle", "id")))
                take_apart(self, frame, golden["parts"])
                if golden["typeName"] is not None:
                    self.assertEqual(getattr(frames, golden["typeName"]), frame.type)
                self.assertEqual(frames.pack(golden["type"], body, golden["flags"], golden["nsp"], golden["handle"],
                                             golden["id"]).hex(), golden["hex"])

    def test_all_in_one_stream_byte_by_byte(self):
        wire = b"".join(bytes.fromhex(golden["hex"]) for golden in GOLDEN["frames"])
        reader = frames.Reader(1 << 24)
        found = [frame for byte in wire for frame in reader.feed(bytes([byte]))]
        self.assertEqual(len(found), len(GOLDEN["frames"]))

    def test_malformed(self):
        parse = {  # which parts a backend or a test edge reads from the body of each type
            frames.OPEN: lambda b: frames.take_text(b, frames.take_text(b)[1]),
            frames.EMIT: lambda b: None, frames.JOIN: lambda b: whole(frames.take_rooms(b), b),
            frames.CAST: lambda b: frames.take_rooms(b, frames.take_rooms(b)[1]),
            frames.CATCHUP: lambda b: whole(texts(b, 4, 1), b), frames.HISTORY: lambda b: whole(texts(b, 4, 3), b),
            frames.FORGET: lambda b: whole(texts(b, 0, 2), b), frames.PRESENCE: lambda b: whole(texts(b, 0, 2), b),
            frames.USER: lambda b: texts(b, 0, 1), frames.WHO: lambda b: whole(texts(b, 4, 2), b)}

        def whole(taken, body):
            if taken[1] != len(body):
                raise frames.FrameError("bytes behind the last part")

        def texts(body, at, count):
            for _ in range(count):
                text, at = frames.take_text(body, at)
            return text, at
        for golden in GOLDEN["malformed"]:
            with self.subTest(golden["name"]), self.assertRaises(frames.FrameError):
                for frame in frames.Reader(golden.get("maxFrame", 65536)).feed(bytes.fromhex(golden["hex"])):
                    if frame.flags & frames.F_TIMED:
                        frames.take_u32(frame.body)
                    if frame.flags & frames.F_BIN:
                        frames.split_args(frame.body, True)
                    parse[frame.type](frame.body)

    def test_proof(self):
        full = next(golden for golden in GOLDEN["frames"] if golden["name"] == "hello with everything")
        said = json.loads(full["parts"][0]["rest"])
        ours = Hello(instance=said["instance"], secret=GOLDEN["secret"].encode()).body(0, GOLDEN["nonce"])
        self.assertEqual(json.loads(ours)["proof"], said["proof"])
        self.assertEqual(said["proof"], hmac.new(GOLDEN["secret"].encode(), (GOLDEN["nonce"] + "\n" + said["instance"]).encode(),
                                                 hashlib.sha256).hexdigest())


class OwnJson:
    """A json module of an application, as python-socketio accepts it."""
    @staticmethod
    def dumps(value, **kw):
        return json.dumps(value, default=str, **kw)

    loads = staticmethod(json.loads)


class Values(unittest.TestCase):
    def test_there_and_back(self):
        values = ["x", 1, None, {"deep": [b"\x00\x01", {"more": bytearray(b"ab")}]}, memoryview(b"cd"), "grüß", "\ud800"]
        for module in (json, OwnJson):
            codec = frames.Codec(module)
            body, binary = codec.encode(values)
            self.assertTrue(binary)
            self.assertEqual(codec.decode(body, binary), ["x", 1, None, {"deep": [b"\0\1", {"more": b"ab"}]}, b"cd", "grüß", "\ud800"])

    def test_without_the_flag_a_placeholder_is_data(self):
        codec = frames.Codec()
        body, binary = codec.encode(["x", {"_placeholder": True, "num": 0}])
        self.assertFalse(binary)
        self.assertEqual(codec.decode(body, False), ["x", {"_placeholder": True, "num": 0}])

    def test_values_that_json_cannot_carry(self):
        codec = frames.Codec()
        for value in (float("nan"), float("inf"), object(), {1, 2}):
            with self.assertRaises((ValueError, TypeError)):
                codec.encode(["x", value])
        self.assertEqual(frames.Codec(OwnJson).encode([{1}]), (b'["{1}"]', False))

    def test_hostile_args(self):
        codec = frames.Codec()
        for body, binary in ((b"", False), (b"{}", False), (b"[", False), (b"\xff", False), (b"[" * 100000, False),
                             (frames.put_text('[{"_placeholder":true,"num":5}]') + frames.put_u32(0), True),
                             (frames.put_text('[{"_placeholder":true,"num":"0"}]') + frames.put_u32(0), True)):
            with self.assertRaises(frames.FrameError):
                codec.decode(body, binary)

    def test_limits_of_rooms(self):
        with self.assertRaises(ValueError):
            frames.put_rooms(["x"] * 4097)
        with self.assertRaises(ValueError):
            frames.put_rooms(["x" * 65536])


if __name__ == "__main__":
    unittest.main()
