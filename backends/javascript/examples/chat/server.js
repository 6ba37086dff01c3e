const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const { Server } = require("socket.io");

const httpServer = createServer((req, res) => {
  res.setHeader("Content-Type", "text/html");
  res.end(readFileSync(__dirname + "/index.html"));
});

const io = new Server(httpServer);

io.use((socket, next) => {
  if (socket.handshake.auth.token === "secret") {
    next();
  } else {
    next(new Error("Unauthorized"));
  }
});

io.on("connection", (socket) => {
  console.log("a user connected: " + socket.id);
  if (!socket.recovered) socket.broadcast.emit("user joined", socket.id);

  socket.on("chat message", (msg) => {
    io.emit("chat message", msg);
  });

  socket.on("disconnect", () => {
    console.log("a user disconnected: " + socket.id);
    io.emit("user left", socket.id);
  });
});

httpServer.listen(process.env.PORT || 3000, () => {
  console.log("listening on *:" + httpServer.address().port);
});
