"""A small edge for the tests. It uses threads and blocking sockets, so it serves the tests of both flavours. It speaks
the protocol but has no clients: a test says what the edge sends, and examines what the backend sends."""
import json
import os
import queue
import socket
import tempfile
import threading

from sockeye import frames

WAIT = 40  # seconds until a test fails


class FakeLink:
    """A ready link, as the edge sees it."""

    def __init__(self, edge, sock, hello):
        self.edge, self.sock, self.hello = edge, sock, hello
        self.worker = hello.get("worker", 0)
        self.came = queue.Queue()
        self.seen = []  # all frames, in order
        self.names = {0: "/"}  # namespaces by the backend's numbers
        self._handles = 0
        self._said = {"/": 0}
        self.pongs = edge.pongs
        self.pings = 0
        self.credits = True

    def read(self, reader):
        try:
            while True:
                data = self.sock.recv(65536)
                if not data:
                    break
                for frame in reader.feed(data):
                    self.got(frame)
        except OSError:
            pass
        self.came.put(None)
        self.sock.close()

    def got(self, frame):
        if frame.type == frames.PING:
            self.pings += 1
            if self.pongs:
                self.send(frames.PONG, id=frame.id)
            return
        if frame.type == frames.WINDOW:
            self.edge.windows.append(frame.id)
            return
        if frame.type == frames.NSP:
            self.names[frame.nsp] = frame.body.decode()
        elif frame.type == frames.DRAIN:
            self.send(frames.DRAIN, b"", frames.F_ACK)
        if self.credits and frame.type not in (frames.PONG, frames.BYE):
            self.send(frames.WINDOW, id=frame.size)
        self.seen.append(frame)
        self.came.put(frame)
        if frame.type == frames.BYE:
            self.cut()

    def send(self, type, body=b"", flags=0, nsp=0, handle=0, id=0):
        self.sock.sendall(frames.pack(type, body, flags, nsp, handle, id))

    def expect(self, type, wait=WAIT):
        """The next frame of this type. Other frames before it are skipped; they stay in `seen`."""
        while True:
            frame = self.came.get(timeout=wait)
            if frame is None:
                raise AssertionError("the backend has closed the link")
            if frame.type == type:
                return frame

    def ended(self):
        while self.came.get(timeout=WAIT) is not None:
            pass

    def handle(self):
        self._handles += 1
        return self._handles

    def nsp(self, name):
        if name not in self._said:
            self._said[name] = len(self._said)
            self.send(frames.NSP, name.encode(), nsp=self._said[name])
        return self._said[name]

    def session(self, id="E" * 20, **more):
        handle = self.handle()
        info = {"id": id, "transport": "websocket", "address": "10.0.0.9", "secure": False, "time": 1700000000000,
                "method": "GET", "url": "/socket.io/?EIO=4&transport=websocket",
                "headers": ["Host", "example.org:3000", "Cookie", "a=1", "X-Two", "1", "X-Two", "2"], **more}
        self.send(frames.SESSION, frames.dumps(info), handle=handle)
        return handle

    def open(self, session, sid="S" * 20, namespace="/", auth=None, rooms=None, data=None):
        """Opens a socket: a new client, or with `rooms` one that comes back."""
        handle = self.handle()
        body = frames.put_text(sid) + frames.put_text(json.dumps({} if auth is None else auth))
        flags = 0
        if rooms is not None:
            flags = frames.F_REATTACH
            body += frames.put_rooms(rooms) + frames.put_text("" if data is None else json.dumps(data))
        self.send(frames.OPEN, body, flags, self.nsp(namespace), handle, session)
        return handle

    def client(self, id="E" * 20, sid="S" * 20, **more):
        """Opens a client and its socket, and returns their handles."""
        session = self.session(id)
        socket = self.open(session, sid, **more)
        accept = self.expect(frames.ACCEPT)
        assert accept.handle == socket, accept
        return session, socket

    def event(self, handle, *values, ack=None):
        body, binary = frames.Codec().encode(values)
        flags = frames.F_BIN if binary else 0
        if ack is not None:
            flags |= frames.F_ACK
            if ack > 0xFFFFFFFF:
                flags |= frames.F_WIDE
                body = frames.put_u32(ack >> 32) + body
        self.send(frames.EVENT, body, flags, 0, handle, (ack or 0) & 0xFFFFFFFF)

    def closed(self, handle, reason="transport close"):
        self.send(frames.CLOSED, reason.encode(), handle=handle)

    def cut(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def args(frame):
    """The values of a frame with args. Skips the parts before them."""
    at = 4 if frame.flags & frames.F_TIMED and frame.type != frames.CASTED else 0
    if frame.type == frames.ACK and frame.flags & frames.F_WIDE:
        at = 4
    if frame.type == frames.CAST:
        at = frames.take_rooms(frame.body, frames.take_rooms(frame.body, at)[1])[1]
    return frames.Codec().decode(frame.body, bool(frame.flags & frames.F_BIN), at)


def targets(frame):
    """The rooms of a CAST, and the excepted rooms."""
    rooms, at = frames.take_rooms(frame.body, 4 if frame.flags & frames.F_TIMED else 0)
    return rooms, frames.take_rooms(frame.body, at)[0]


class FakeEdge:
    def __init__(self, workers=1, window=1 << 22, ping=5000, options=None, name="e1", bye=None, pongs=True,
                 up=3600000, host=None, port=0):
        """up: milliseconds for which its workers have run; host, port: where it listens instead of a unix socket."""
        self.up, self.host, self.port = up, host, port
        self.max_frame = 1 << 24
        self.workers, self.window, self.ping, self.name, self.bye, self.pongs = workers, window, ping, name, bye, pongs
        self.options = options or {"pingInterval": 25000, "pingTimeout": 20000, "maxHttpBufferSize": 1000000, "fanout": "direct"}
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "edge.sock")
        self.url = "unix://" + self.path
        self.hellos, self.windows = [], []
        self.mute = set()  # workers that send no WELCOME
        self._unmuted = threading.Event()
        self._links = queue.Queue()
        self._all = []
        self.peers = []
        self.listener = None
        self.listen()

    def listen(self):
        if self.host:
            self.listener = socket.create_server((self.host, self.port))
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.sendall(frames.pack(frames.CHALLENGE, json.dumps({"v": [1], "edge": self.name, "nonce": "00" * 32}).encode()))
        reader = frames.Reader()
        hello = None
        while hello is None:
            data = sock.recv(65536)
            if not data:
                return
            for frame in reader.feed(data):
                hello = json.loads(frame.body)
        self.hellos.append(hello)
        if hello.get("worker", 0) in self.mute:
            self._unmuted.wait()
        if self.bye:
            sock.sendall(frames.pack(frames.BYE, self.bye.encode()))
            sock.close()
            return
        welcome = {"v": 1, "edge": self.name, "worker": hello.get("worker", 0), "workers": self.workers, "up": self.up,
                   "window": self.window, "maxFrame": self.max_frame, "ping": self.ping, "options": self.options}
        reader.max_frame = 1 << 24
        link = FakeLink(self, sock, hello)
        self._all.append(link)
        try:
            link.send(frames.WELCOME, json.dumps(welcome).encode())
            link.send(frames.PEERS, json.dumps([hello["instance"], *self.peers]).encode())
        except OSError:
            return  # the backend has closed the link meanwhile
        self._links.put(link)
        link.read(reader)

    def welcome_muted(self):
        """Sends WELCOME to the muted workers' links."""
        self.mute.clear()
        self._unmuted.set()

    def link(self, wait=WAIT):
        """The next link that becomes ready."""
        return self._links.get(timeout=wait)

    def stop_listening(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def stop(self):
        """Ends the edge. listen() starts it again."""
        self.stop_listening()
        for link in self._all:
            link.cut()

    def close(self):
        self.stop_listening()
        for link in self._all:
            link.cut()
            link.sock.close()
        self.folder.cleanup()
