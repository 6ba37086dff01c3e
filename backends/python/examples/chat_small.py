"""The chat without python-socketio: python3 chat_small.py, with SOCKEYE_BACKEND saying where the edge is."""
import sockeye

app = sockeye.Backend()


@app.middleware
async def auth(s):
    if s.auth.get("token") != "secret":
        raise sockeye.Refuse("Unauthorized")


@app.on("connect")
async def connect(s):
    if not s.recovered:  # a client that was here before a restart needs no greeting
        await s.others.emit("user joined", s.sid)


@app.on("chat message")
async def chat_message(s, text):
    await app.emit("chat message", text)
    return "ok"


@app.on("disconnect")
async def disconnect(s, reason):
    await app.emit("user left", s.sid)

if __name__ == "__main__":
    app.run()
