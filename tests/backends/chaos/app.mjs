/*
 * The application of the chaos test, an ordinary socket.io program. It marks each message with the program's name, a serial number and the time. It writes
 * its half of the history to a file, which remains when the process is killed. The clients' half of the history is in person.mjs.
 *
 * $NAME: a name that is unique to this process; $HISTORY: the file, with one JSON line per entry; $SOCKEYE_BACKEND: the addresses of the edges;
 * $LINKS: the number of links that will be made.
 */
import { openSync, writeSync } from "node:fs";
import { Server } from "socket.io";
import { attach } from "@sockeye/backend";

const { NAME: by, HISTORY, SOCKEYE_BACKEND, LINKS } = process.env;
const ASK_EVERY = 1000;
const ASK_TIMEOUT = 15000;

const file = openSync(HISTORY, "a");
const write = (entry) => writeSync(file, `${JSON.stringify({ by, ...entry })}\n`);
let serial = 0;
const stamp = () => ({ by, serial: ++serial, at: Date.now() });

const io = new Server();
const numbers = new Map();

/** Emits a broadcast to a room. Each room counts its own broadcasts. */
function cast(room, n) {
  const number = (numbers.get(room) ?? 0) + 1;
  numbers.set(room, number);
  const mark = stamp();
  write({ event: "cast", room, number, at: mark.at });
  (room === "*" ? io : io.to(room)).emit("cast", mark, room, number, n);
}

io.on("connection", (socket) => {
  const who = socket.handshake.auth.name;
  if (!socket.recovered) socket.data.name = who;
  else if (socket.data.name !== who && !socket.handshake.auth.isNew) write({ event: "wrong", text: `${who} came back with data ${JSON.stringify(socket.data)}` });
  socket.on("say", (n, answer) => {
    write({ event: "said", who, n });
    socket.emit("echo", stamp(), n);
    answer(stamp());
  });
  socket.on("slow", (n, ms, answer) => {
    write({ event: "said", who, n });
    setTimeout(() => answer(stamp()), ms);
  });
  socket.on("cast", (n, room, answer) => {
    write({ event: "said", who, n });
    cast(room, n);
    answer(stamp());
  });
  for (const method of ["join", "leave"])
    socket.on(method, (n, room, answer) => {
      write({ event: "said", who, n });
      socket[method](room);
      answer(stamp());
    });
  socket.on("who", (n, answer) => {
    write({ event: "said", who, n });
    answer(stamp(), { id: socket.id, recovered: socket.recovered, rooms: [...socket.rooms] });
  });
});

setInterval(() => {
  for (const socket of io.sockets.sockets.values()) {
    const question = stamp();
    socket.timeout(ASK_TIMEOUT).emit("ask", question, (error, answer) => {
      const entry = { who: socket.handshake.auth.name, at: question.at, connected: socket.connected };
      if (error) write({ event: "unanswered", ...entry });
      else if (answer !== `${by} ${question.serial}`) write({ event: "wrong", text: `asked ${by} ${question.serial}, was answered ${answer}` });
    });
  }
}, ASK_EVERY);

const link = await attach(io, SOCKEYE_BACKEND.split(","), { mirrorData: true });
const report = () => {
  if (link.edges.filter(({ state }) => state === "ready").length === Number(LINKS)) console.log(`attached ${LINKS}`);
};
link.on("edge", report);
report();
