import express from "express";
import { Server } from "socket.io";

const app = express();
app.use(express.static(new URL("./public", import.meta.url).pathname));

const server = app.listen(process.env.PORT || 3000, () => {
  console.log("server is running");
});

const io = new Server(server, {
  cors: { origin: "*" },
});

io.on("connection", (socket) => {
  socket.on("chatMessage", (message) => {
    io.emit("reply", "You said: " + message);
  });
});
