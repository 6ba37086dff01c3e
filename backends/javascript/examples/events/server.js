const express = require("express");
const socketio = require("socket.io");

const app = express();
app.use(express.static(__dirname + "/public"));

const httpServer = app.listen(process.env.PORT || 3000);
const io = socketio(httpServer);

io.on("connect", (socket) => {
  socket.emit("messageFromServer", { data: "Welcome to the socket server!" });
  socket.on("messageToServer", (dataFromClient) => {
    console.log(dataFromClient);
    io.emit("messageToClients", { text: dataFromClient.text });
  });
});
