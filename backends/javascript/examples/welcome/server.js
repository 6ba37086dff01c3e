const io = require("socket.io")(process.env.PORT || 3000);

io.on("connection", (socket) => {
  socket.emit("welcome", "Welcome to the server!");
});
