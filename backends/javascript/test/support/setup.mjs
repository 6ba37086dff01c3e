/* A Server behind a fake edge; both are closed after the test. */
import { Server } from "./packages.mjs";
import { FakeEdge } from "./fake-edge.mjs";
import backend from "../../lib/index.js";

export async function behind(t, { edge: edgeOptions, server = {}, prepare, ...options } = {}) {
	const edge = await new FakeEdge(edgeOptions).listen();
	const io = new Server(server);
	prepare?.(io);
	t.after(async () => {
		io.close();
		await edge.close();
	});
	const [attachment, link] = await Promise.all([backend.attach(io, edge.address, { drainOnSigterm: false, ...options }), edge.link()]);
	return { edge, io, attachment, link };
}

/* Connects a client. Resolves to the application's socket. */
export async function join(io, link, options = {}, nsp = "/") {
	const connected = new Promise((resolve) => io.of(nsp).once("connection", resolve));
	await link.client(options);
	const socket = await connected;
	await link.next("ACCEPT");
	return socket;
}

export const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
