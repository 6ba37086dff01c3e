"""The supervisor's end of the sd_notify protocol: notify.py SOCKET. Prints each datagram as one line of JSON: the process that
sent it and its variables. The line "ready" comes first. Ends with its standard input."""
import json
import select
import socket
import struct
import sys

inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
inbox.bind(sys.argv[1])
inbox.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
print("ready", flush=True)
while True:
    readable, _, _ = select.select([inbox, sys.stdin], [], [])
    if sys.stdin in readable:
        break
    data, ancillary, _, _ = inbox.recvmsg(4096, socket.CMSG_SPACE(12))
    pid = struct.unpack("iii", ancillary[0][2])[0]
    fields = dict(line.split("=", 1) for line in data.decode().split("\n"))
    print(json.dumps({"pid": pid, **fields}), flush=True)
