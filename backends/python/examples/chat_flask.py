"""The chat with Flask-SocketIO. Alone: python3 chat_flask.py; behind the edge, unchanged: python3 -m sockeye chat_flask.py"""
import os
import pathlib

from flask import Flask, request, send_file
from flask_socketio import ConnectionRefusedError, SocketIO, emit

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY", "for this example only")
socketio = SocketIO(app, async_mode="threading")


@app.route("/")
def index():
    return send_file(pathlib.Path(__file__).with_name("index.html").resolve())


@socketio.on("connect")
def connect(auth=None):
    if not auth or auth.get("token") != "secret":
        raise ConnectionRefusedError("Unauthorized")
    if not request.environ.get("sockeye.recovered"):  # a client that was here before a restart needs no greeting
        emit("user joined", request.sid, broadcast=True, include_self=False)


@socketio.on("chat message")
def chat_message(text):
    emit("chat message", text, broadcast=True)
    return "ok"


@socketio.on("disconnect")
def disconnect(*reason):
    emit("user left", request.sid, broadcast=True)

if __name__ == "__main__":
    socketio.run(app, port=int(os.environ.get("PORT", 3000)), allow_unsafe_werkzeug=True)
