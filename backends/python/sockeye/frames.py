"""The codec of the backend protocol (backends/PROTOCOL.md): from bytes to frames and back, without a socket or a clock."""
from __future__ import annotations

import json
import struct
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

(CHALLENGE, HELLO, WELCOME, NSP, NSPASK, NSPANSWER, SESSION, OPEN, ACCEPT, REFUSE, EVENT, ACK, EMIT, ACKED, CAST, CASTED,
 JOIN, LEAVE, DISC, CLOSED, DATA, TRANSPORT, PEER, PEERS, REQUEST, RESPONSE, CONNERR, PING, PONG, WINDOW, DRAIN, HANDOFF,
 BYE, ENDED, CATCHUP, HISTORY, FORGET, PAST, PRESENCE, USER, WHO, PRESENT, CHANGE) = range(43)
LAST_TYPE = CHANGE

F_ACK = 0x01
F_REATTACH = 0x02  # in OPEN
F_WIDE = 0x02  # in EVENT, ACK
F_RECOVERED = 0x04  # in OPEN
F_VOLATILE = 0x04
F_BIN = 0x08
F_NO_COMPRESS = 0x10
F_CLOSE = 0x20
F_TIMED = 0x40  # in EMIT, CAST
F_LAST = 0x40  # in CASTED, PAST, PRESENT
F_OPTIONAL = 0x80

HEAD = 16
MAX_FIRST_FRAME = 32768  # the limit until WELCOME sets another one
MAX_ROOMS = 4096
_head = struct.Struct("<IBBHII")
_u32 = struct.Struct("<I")
_u16 = struct.Struct("<H")


class FrameError(ValueError):
    """The peer sent malformed bytes. The link is closed with the reason `protocol`."""


class Frame(NamedTuple):
    type: int
    flags: int
    nsp: int
    handle: int
    id: int
    body: bytes

    @property
    def size(self) -> int:
        """The bytes of the frame that count in a window."""
        return HEAD + len(self.body)


def pack(type: int, body: bytes = b"", flags: int = 0, nsp: int = 0, handle: int = 0, id: int = 0) -> bytes:
    return _head.pack(len(body), type, flags, nsp, handle, id) + body


class Reader:
    """Splits a stream into frames. `max_frame` is the largest body; WELCOME changes it."""

    def __init__(self, max_frame: int = MAX_FIRST_FRAME) -> None:
        self.max_frame = max_frame
        self._rest = b""

    def feed(self, data: bytes) -> Iterable[Frame]:
        """Yields the frames that `data` completes, including optional ones of unknown types. Raises FrameError if a
        body is too long, or if a type is unknown and not optional."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        self._rest = b""
        while end - at >= HEAD:
            length, type, flags, nsp, handle, id = _head.unpack_from(data, at)
            if length > self.max_frame:
                raise FrameError(f"a frame of {length} bytes; at most {self.max_frame} are allowed")
            if end - at - HEAD < length:
                break
            body = data[at + HEAD:at + HEAD + length]
            at += HEAD + length
            if type > LAST_TYPE and not flags & F_OPTIONAL:
                raise FrameError(f"a frame of unknown type {type}")
            yield Frame(type, flags, nsp, handle, id, body)
        self._rest = data[at:]


# The parts of a body. Each take_ function returns its part and the position of the next one.

def put_u32(n: int) -> bytes:
    return _u32.pack(n)


def take_u32(body: bytes, at: int = 0) -> Tuple[int, int]:
    if len(body) - at < 4:
        raise FrameError("the body ends inside a number")
    return _u32.unpack_from(body, at)[0], at + 4


def put_text(text: str) -> bytes:
    data = text.encode()
    return _u32.pack(len(data)) + data


def take_bytes(body: bytes, at: int = 0) -> Tuple[bytes, int]:
    n, at = take_u32(body, at)
    if len(body) - at < n:
        raise FrameError("a part is longer than the body")
    return body[at:at + n], at + n


def take_text(body: bytes, at: int = 0) -> Tuple[str, int]:
    data, at = take_bytes(body, at)
    return _text(data), at


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FrameError("a text is not UTF-8") from error


def put_rooms(rooms: Sequence[str]) -> bytes:
    """Raises ValueError for more rooms, or a longer name, than a frame can hold."""
    if len(rooms) > MAX_ROOMS:
        raise ValueError(f"{len(rooms)} rooms at once; at most {MAX_ROOMS} are allowed")
    parts = [_u16.pack(len(rooms))]
    for room in rooms:
        name = room.encode()
        if len(name) > 65535:
            raise ValueError("the name of a room is longer than 65,535 bytes")
        parts.append(_u16.pack(len(name)))
        parts.append(name)
    return b"".join(parts)


def take_rooms(body: bytes, at: int = 0) -> Tuple[List[str], int]:
    if len(body) - at < 2:
        raise FrameError("the body ends before the rooms")
    count = _u16.unpack_from(body, at)[0]
    at += 2
    rooms = []
    for _ in range(count):
        if len(body) - at < 2:
            raise FrameError("fewer rooms than counted")
        n = _u16.unpack_from(body, at)[0]
        at += 2
        if len(body) - at < n:
            raise FrameError("a room is longer than the body")
        rooms.append(_text(body[at:at + n]))
        at += n
    return rooms, at


# Args: a JSON array, with attachments if it contains binary values.

Args = Tuple[bytes, bool]  # the end of the body, and whether it needs flag BIN


def join_args(text: bytes, attachments: Sequence[bytes]) -> Args:
    if not attachments:
        return text, False
    parts = [_u32.pack(len(text)), text]
    for attachment in attachments:
        parts.append(_u32.pack(len(attachment)))
        parts.append(attachment)
    return b"".join(parts), True


def split_args(body: bytes, binary: bool, at: int = 0) -> Tuple[bytes, List[bytes]]:
    """The JSON text and the attachments, from `at` to the end of the body."""
    if not binary:
        return body[at:], []
    text, at = take_bytes(body, at)
    attachments = []
    while at < len(body):
        attachment, at = take_bytes(body, at)
        attachments.append(attachment)
    return text, attachments


class Codec:
    """Turns values into args and back, with the application's own json module if it has one."""

    def __init__(self, module: Any = json) -> None:
        self._module = module
        self._standard = getattr(module, "__name__", "") in ("json", "engineio.json")

    def encode(self, values: Sequence[Any]) -> Args:
        """Raises ValueError or TypeError for a value that JSON cannot hold (NaN, an object of a class)."""
        attachments: List[bytes] = []
        if self._standard:
            text = dumps(values, lambda value: _detach(value, attachments))
        else:
            text = self._module.dumps(_detach_all(list(values), attachments), separators=(",", ":"))
            text = text.encode() if isinstance(text, str) else bytes(text)
        return join_args(text, attachments)

    def decode(self, body: bytes, binary: bool, at: int = 0) -> List[Any]:
        text, attachments = split_args(body, binary, at)
        try:
            if not attachments:
                values = self._module.loads(text.decode())
            elif self._standard:
                values = json.loads(text, object_hook=lambda value: _reattach(value, attachments))
            else:
                values = _reattach_all(self._module.loads(text.decode()), attachments)
        except (ValueError, RecursionError) as error:
            raise FrameError("args are not JSON") from error
        if not isinstance(values, list):
            raise FrameError("args are not an array")
        return values


def dumps(value: Any, default: Optional[Callable[[Any], Any]] = None) -> bytes:
    """Returns JSON as it is sent: UTF-8, with lone surrogates escaped."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=default).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, default=default).encode()


def _detach(value: Any, attachments: List[bytes]) -> Dict[str, Any]:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"an object of type {type(value).__name__} cannot be sent: it is not JSON and not bytes")
    attachments.append(bytes(value))
    return {"_placeholder": True, "num": len(attachments) - 1}


def _detach_all(value: Any, attachments: List[bytes]) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _detach(value, attachments)
    if isinstance(value, (list, tuple)):
        return [_detach_all(item, attachments) for item in value]
    if isinstance(value, dict):
        return {key: _detach_all(item, attachments) for key, item in value.items()}
    return value


def _reattach(value: Dict[str, Any], attachments: List[bytes]) -> Any:
    if value.get("_placeholder") is True:
        n = value.get("num")
        if not isinstance(n, int) or not 0 <= n < len(attachments):
            raise FrameError("a placeholder without its attachment")
        return attachments[n]
    return value


def _reattach_all(value: Any, attachments: List[bytes]) -> Any:
    if isinstance(value, list):
        return [_reattach_all(item, attachments) for item in value]
    if isinstance(value, dict):
        found = _reattach(value, attachments)
        return {k: _reattach_all(v, attachments) for k, v in found.items()} if found is value else found
    return value
