"""A service manager with a socket unit: opens sockets, and starts the server with them as systemd does.

    activate.py UNIX-SOCKET SERVER ARGUMENT...

Writes the ports to stderr in the form of a log line: event=sockets clients=PORT admin=PORT. Each line on stdin is "start" or
"stop". When a server has stopped, another line follows: event=ended code=CODE.
"""
import os
import signal
import socket
import sys

NAMES = ["sockeye.socket", "admin", "backend"]


def listen(family, address):
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.bind(address)
    listening.listen()
    return listening


def start(sockets, command):
    pid = os.fork()
    if pid > 0:
        return pid
    high = [os.dup2(listening.fileno(), 100 + i) for i, listening in enumerate(sockets)]
    for place, fd in enumerate(high):
        os.dup2(fd, 3 + place)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(NAMES))
    os.execv(command[0], command)


path, *command = sys.argv[1:]
sockets = [listen(socket.AF_INET, ("127.0.0.1", 0)) for _ in range(2)] + [listen(socket.AF_UNIX, path)]
print("event=sockets clients=%d admin=%d" % tuple(one.getsockname()[1] for one in sockets[:2]), file=sys.stderr, flush=True)
server = 0
for line in sys.stdin:
    if line.strip() == "start":
        server = start(sockets, command)
    else:
        os.kill(server, signal.SIGTERM)
        code = os.waitstatus_to_exitcode(os.waitpid(server, 0)[1])
        print("event=ended code=%d" % code, file=sys.stderr, flush=True)
        server = 0
if server:
    os.kill(server, signal.SIGKILL)
