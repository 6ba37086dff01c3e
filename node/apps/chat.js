// The chat in JavaScript. It does the same as chat.c.
//
//     const { Server } = require("socket.io");
//     require("./chat.js")(new Server(3000));

const anonymous = (user) => (typeof user === "string" && user !== "" ? user : "Anonymous");
const roomName = (name) => (typeof name === "string" && name !== "" && name.length < 59 ? "room:" + name : undefined);
const noop = () => {};

const EVERYONE = "everyone"; // everybody's room; clients cannot name it
const PAST_MAX = 50; // earlier messages that a new user gets
const ID_MAX_BYTES = 64;
const NAME_MAX_BYTES = 120;
const WHO_MAX = 200;

// The name is part of the socket's data, so every server of the cluster can list it. An empty name removes it.
const setName = (socket, name) => {
	if (typeof name !== "string" || Buffer.byteLength(name) > NAME_MAX_BYTES) return false;
	socket.data.name = name || undefined;
	return true;
};

// A client may give its message an id. Then everyone gets the message with the id and the time.
const hasId = (data) => typeof data?.id === "string" && Buffer.byteLength(data.id) <= ID_MAX_BYTES;
const withTime = ({ id }) => ({ id, time: Date.now() });

// Behind Sockeye with --history, the client gets the last messages of the room. Node.js alone keeps none and ignores the option.
// Resolves with false if the messages cannot be read; the client is in the room nevertheless.
const joinWithPast = async (socket, room) => {
	try {
		await socket.join(room, { history: PAST_MAX });
		return true;
	} catch {
		return false;
	}
};

module.exports = (io) => {
	const chat = io.of("/");

	// Answers another server that asks for the number of clients here.
	io.on("count", (answer) => answer(chat.sockets.size));

	// Counts the clients of the whole cluster. A server that does not answer in time counts as having no clients.
	const count = async () => {
		let counts = [];
		try {
			if ((await chat.adapter.serverCount()) > 1) counts = await io.serverSideEmitWithAck("count");
		} catch (error) {
			counts = error.responses ?? [];
		}
		return counts.reduce((sum, users) => sum + users, chat.sockets.size);
	};
	const countUsers = async () => io.emit("users", await count());

	// Questions that come while the servers are being asked wait for the next round, and share it.
	let underway, waiting;
	const fetchSockets = () => {
		if (underway) return (waiting ??= underway.catch(noop).then(() => ((waiting = undefined), fetchSockets())));
		return (underway = io.fetchSockets().finally(() => (underway = undefined)));
	};

	io.on("connection", (socket) => {
		console.log("connection", socket.id);
		if (!socket.recovered) {
			socket.emit("welcome", "Hello! Welcome to the server.");
			joinWithPast(socket, EVERYONE).then((ok) => socket.emit("caught up", { ok }));
		}
		setName(socket, socket.handshake.auth.name);
		socket.broadcast.emit("user joined", { id: socket.id, name: socket.data.name });
		countUsers();

		socket.on("disconnect", (reason) => {
			console.log("disconnect", socket.id, reason);
			io.emit("user left", { id: socket.id, name: socket.data.name });
			countUsers();
		});

		socket.on("chat message", (...args) => {
			io.emit("chat message", ...args);
		});

		socket.on("chatMessage", (data, ack = noop) => {
			const user = anonymous(data?.user);
			io.to(EVERYONE).emit("chatMessage", { user, message: data?.message, ...(hasId(data) && withTime(data)) });
			io.emit("reply", { user, message: data?.message });
			ack("received");
		});

		socket.on("sendNotification", (...args) => {
			io.emit("notification", ...args);
		});

		// A client that is in the room already has its messages.
		socket.on("join", async (name, ack = noop) => {
			const room = roomName(name);
			if (room && !socket.rooms.has(room)) await joinWithPast(socket, room);
			ack({ ok: room !== undefined });
		});

		socket.on("leave", (name, ack = noop) => {
			const room = roomName(name);
			if (room) socket.leave(room);
			ack({ ok: room !== undefined });
		});

		socket.on("room message", (data, ack = noop) => {
			const room = roomName(data?.room);
			const ok = room !== undefined && socket.rooms.has(room);
			const sent = hasId(data) ? { room: data.room, user: data.user, message: data.message, ...withTime(data) } : data;
			if (ok) io.to(room).emit("room message", sent);
			ack({ ok });
		});

		socket.on("name", (name, ack = noop) => {
			const ok = setName(socket, name);
			if (ok) io.emit("user renamed", { id: socket.id, name: socket.data.name });
			ack({ ok });
		});

		// Somebody types, for everyone or for a room. Clients that cannot receive it at once do not need it later.
		socket.on("typing", (...args) => {
			const room = roomName(args[0]);
			if (args.length > 0 && !socket.rooms.has(room)) return;
			const target = room ? socket.volatile.to(room) : socket.volatile.broadcast;
			target.emit("typing", { id: socket.id, name: socket.data.name, room: args[0] });
		});

		// Lists who is here: the sockets of all servers, with their data.
		socket.on("who", async (ack = noop) => {
			const sockets = await fetchSockets();
			ack(sockets.slice(0, WHO_MAX).map(({ id, rooms, data }) => ({ id, rooms: [...rooms], data })));
		});
	});

	const admin = io.of("/admin");

	admin.use((socket, next) => {
		if (socket.handshake.auth.token === (process.env.CHAT_TOKEN ?? "sesame")) next();
		else next(new Error("Unauthorized"));
	});

	admin.on("connection", (socket) => {
		socket.on("announce", async (text, ack = noop) => {
			io.emit("notification", text);
			ack({ users: await count() });
		});
	});
};
