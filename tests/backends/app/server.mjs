/*
 * The application of the tests, an ordinary socket.io program. $SOCKEYE_BACKEND: the addresses of the edges, separated by commas; $OPTIONS: JSON for
 * attach(). The program writes a line for each connection, each disconnect and each change of an edge, and "attached" when all workers of all its
 * edges have a link to it.
 */
import { Server } from "socket.io";
import { attach } from "@sockeye/backend";

const io = new Server(JSON.parse(process.env.SERVER_OPTIONS || "{}"));
const name = process.env.NAME || "backend";
const held = [];

io.use((socket, next) => {
  const { query, auth } = socket.handshake;
  const { refuse, delay } = { ...query, ...auth }; // in "/" a client of Socket.IO 2 has a query, but no auth
  if (auth.early) socket.join(auth.early, { history: true });
  const error = refuse ? Object.assign(new Error(refuse), { data: { code: 7 } }) : undefined;
  if (delay) setTimeout(next, delay, error);
  else next(error);
});
io.of("/fixed");
io.of(/^\/pattern-\d+$/);
io.of((nsp, auth, next) => next(null, nsp.startsWith("/by-function") && auth.key === "k"));

/** Answers with the value, or with the error. */
function tell(promise, answer) {
  promise.then((value) => answer({ value }), ({ code, message }) => answer({ code, message }));
}

function onConnection(socket) {
  console.log(`connection ${socket.id} recovered=${socket.recovered} rooms=${[...socket.rooms].join()} data=${JSON.stringify(socket.data)}`);
  socket.on("disconnect", (reason) => console.log(`disconnect ${socket.id} ${reason}`));
  if (!socket.recovered) socket.emit("welcome", { name, nsp: socket.nsp.name, auth: socket.handshake.auth });
  if (socket.handshake.auth.greet) socket.emit("n", socket.handshake.auth.greet);

  socket.on("who", (answer) => answer({ name, id: socket.id, recovered: socket.recovered, rooms: [...socket.rooms], data: socket.data }));
  socket.on("echo", (...args) => {
    const answer = typeof args.at(-1) === "function" ? args.pop() : null;
    socket.emit("echo", ...args);
    answer?.(...args);
  });
  socket.on("join", (room, answer) => (socket.join(room), answer?.()));
  socket.on("join_history", (room, history, answer) => tell(socket.join(room, { history }), answer));
  socket.on("history", (room, options, answer) => tell(socket.nsp.history(room, options), answer));
  socket.on("history_remove", (room, id, answer) => tell(socket.nsp.historyRemove(room, id), answer));
  socket.on("history_clear", (room, answer) => tell(socket.nsp.historyClear(room), answer));
  socket.on("present", (user, data, answer) => (socket.setPresent(user, data), answer?.()));
  socket.on("presence", (room, options, answer) => tell(socket.nsp.presence(room, options), answer));
  socket.on("leave", (room, answer) => (socket.leave(room), answer?.()));
  socket.on("to", (room, ...args) => io.of(socket.nsp.name).to(room).emit(...args));
  socket.on("broadcast", (...args) => socket.broadcast.emit(...args));
  socket.on("all", (...args) => socket.nsp.emit(...args));
  socket.on("local", (...args) => socket.nsp.local.emit(...args));
  socket.on("back", (...args) => socket.emit(...args));
  socket.on("set", (key, value, answer) => ((socket.data[key] = value), answer?.()));
  socket.on("slow", (ms, answer) => setTimeout(answer, ms, name));
  socket.on("block", (ms) => {
    const until = Date.now() + ms;
    while (Date.now() < until);
  });
  socket.on("exception", () => {
    throw new Error("asked for");
  });
  socket.on("close", (all) => socket.disconnect(all));
  socket.on("close conn", () => socket.conn.close());
  socket.on("ask me", (ms, ...args) => {
    const answered = args.pop();
    socket.timeout(ms).emit("question", ...args, (error, ...answers) => answered(error ? error.message : null, ...answers));
  });
  socket.on("ask all", async (ms, answered) => {
    try {
      answered(null, await socket.nsp.timeout(ms).emitWithAck("question", 1));
    } catch (error) {
      answered(error.message, error.responses);
    }
  });
  socket.on("hold", () => held.push(socket));
  socket.on("fetch", async (answer) => answer((await socket.nsp.fetchSockets()).map(({ id, rooms, data }) => ({ id, rooms: [...rooms], data }))));
  socket.on("fetch local", async (answer) => answer((await socket.nsp.local.fetchSockets()).map(({ id }) => id)));
  socket.on("in", (room, method, ...args) => socket.nsp.in(room)[method](...args));
  socket.on("ask servers", async (question, answer) => answer(await socket.nsp.serverSideEmitWithAck("name", question)));
  socket.on("servers", async (answer) => answer(await socket.nsp.adapter.serverCount()));
  socket.on("handshake", (answer) => {
    const { headers, query, address, secure, url, auth, time, issued } = socket.handshake;
    const { request, conn } = socket;
    answer({
      handshake: { headers, query, address, secure, url, auth, time, issued },
      request: { method: request.method, url: request.url, remoteAddress: request.connection.remoteAddress },
      conn: { id: conn.id, transport: conn.transport.name, protocol: conn.protocol, readyState: conn.readyState },
    });
  });
  socket.conn.once("upgrade", (transport) => socket.emit("upgraded", transport.name));
}
io.on("connection", onConnection);
io.of("/fixed").on("connection", onConnection);
io.on("new_namespace", (nsp) => nsp.on("connection", onConnection));
io.on("session_ended", ({ nsp, id, data, reason }) => console.log(`ended ${nsp} ${id} ${reason} ${JSON.stringify(data)}`));
io.on("name", (question, answer) => answer(`${name} ${question}`));

const options = JSON.parse(process.env.OPTIONS || "{}");
for (const [nsp, settings] of Object.entries(options.presence ?? {}))
  settings.onChange = ({ change, room, user, data }) => console.log(`${change} ${nsp} ${room} ${user} ${JSON.stringify(data)}`);
const link = await attach(io, process.env.SOCKEYE_BACKEND.split(","), options);
const report = () => {
  const { edges } = link;
  if (edges.every(({ state }) => state === "ready")) console.log(`attached ${edges.length}`);
};
link.on("session_ended", ({ id }) => console.log(`link ended ${id}`));
link.on("edge", ({ id, worker, state, reason }) => {
  console.log(`edge ${id} ${worker} ${state} ${reason ?? ""}`);
  report();
});
report();
