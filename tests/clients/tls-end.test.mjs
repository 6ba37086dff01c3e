// The end of a TLS connection: the server answers a client's close_notify with its own (RFC 8446 section 6.1),
// whatever the connection was used for. Node.js' client does not report whether the answer came. Python's does:
// unwrap() fails without it.
import { execFile } from "node:child_process";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";

const certificate = makeCertificate();
after(() => certificate.remove());

const PATH = "/socket.io/?EIO=4&transport=";
const OPENING = `GET ${PATH}websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/**
 * Sends `text`, waits until `answer` has arrived, and closes the client's direction. Fails unless the server closes the other one.
 */
async function endAfter(server, text, answer) {
  const program = `
import socket, ssl, sys
port, text, answer = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
context = ssl.create_default_context(cafile=sys.argv[4])
s = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="localhost")
s.sendall(text)
got = b""
while answer not in got:
    piece = s.recv(65536)
    assert piece, got
    got += piece
rest = s.unwrap()
assert rest.recv(1) == b""
`;
  await promisify(execFile)("python3", ["-c", program, String(server.port), text, answer, certificate.cert], { timeout: 30000 });
}

test("close_notify is answered by close_notify", async (t) => {
  const server = await startSockeye("protocol", certificate.args);
  await t.test("after a handshake by polling", () =>
    endAfter(server, `GET ${PATH}polling HTTP/1.1\r\nHost: localhost\r\n\r\n`, '"sid"'));
  await t.test("without a request", () => endAfter(server, "", ""));
  await t.test("on a WebSocket", () => endAfter(server, OPENING, '"sid"'));
  await t.test("in the middle of a request", () => endAfter(server, `POST ${PATH}polling HTTP/1.1\r\nHost: `, ""));
  await server.stop();
});
