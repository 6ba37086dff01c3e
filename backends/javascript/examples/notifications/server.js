const express = require("express");
const http = require("http");
const socketIo = require("socket.io");

const app = express();
const server = http.createServer(app);
const io = socketIo(server);

app.get("/", (req, res) => {
  res.send("Notification server");
});

io.on("connection", (socket) => {
  socket.on("message", (data) => {
    io.emit("message", {
      user: data.user || "Anonymous",
      message: data.message,
    });
  });

  socket.on("sendNotification", (data) => {
    io.emit("notification", data);
  });
});

const PORT = process.env.PORT || 3000;
server.listen(PORT, () => console.log(`Server running on port ${PORT}`));
