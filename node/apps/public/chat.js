// The chat page. Everything that other clients send is inserted as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const MESSAGES_MAX = 500;
const EVENTS_MAX = 200;
const ROOMS = ["lobby", "music", "tech"];
const ROOM_PREFIX = "# ";

// ?transports=polling selects the transport; ?attempts=3 limits the attempts to reconnect.
const params = new URLSearchParams(location.search);
const transports = params.get("transports")?.split(",") ?? ["polling", "websocket"];
const attempts = Number(params.get("attempts")) || 50;

const socket = io({ transports, reconnectionAttempts: attempts, reconnectionDelayMax: 3000 });
const manager = socket.io;

// ------------------------------------------------------------------ elements

const make = (tag, className, text) => {
	const element = document.createElement(tag);
	if (className) element.className = className;
	if (text !== undefined) element.textContent = text;
	return element;
};

const textOf = (value) => {
	if (typeof value === "string") return value;
	return value === undefined ? "" : JSON.stringify(value);
};

const clock = (seconds) =>
	new Date().toLocaleTimeString([], {
		hour: "2-digit",
		minute: "2-digit",
		second: seconds ? "2-digit" : undefined,
		hourCycle: "h23",
	});

const hueOf = (name) => [...name].reduce((hue, letter) => (hue * 31 + letter.codePointAt(0)) % 360, 7);

// --------------------------------------------------------------- conversation

const scroll = $("scroll");
const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;

const toEnd = () => {
	scroll.scrollTop = scroll.scrollHeight;
	$("newer").hidden = true;
};

const addLine = (element, follow = atEnd()) => {
	$("messages").append(element);
	while ($("messages").childElementCount > MESSAGES_MAX) $("messages").firstElementChild.remove();
	if (follow) toEnd();
	else $("newer").hidden = false;
	return element;
};

const addNotice = (text, loud = false) => addLine(make("li", loud ? "notice loud" : "notice", text));

const addMessage = ({ user, message, room, own }) => {
	const name = textOf(user) || "Anonymous";
	const item = make("li", own ? "message own" : "message");
	const avatar = make("span", "avatar", [...name][0]);
	const meta = make("p", "meta");

	avatar.setAttribute("aria-hidden", "true");
	avatar.style.setProperty("--hue", hueOf(name));
	meta.append(make("b", "", own ? "You" : name), make("time", "", clock()));
	if (room) meta.append(make("span", "tag", ROOM_PREFIX + room));
	item.append(avatar, meta, make("p", "bubble", textOf(message)));
	return addLine(item, own || atEnd());
};

// Messages that were sent and have not come back yet. A match marks a received message as the user's own.
const pending = [];

const takePending = (room, data) => {
	const user = data?.user ?? "Anonymous";
	const index = pending.findIndex((p) => p.room === room && p.user === user && p.message === data?.message);
	return index < 0 ? undefined : pending.splice(index, 1)[0];
};

const receive = (room, data) => {
	const mine = takePending(room, data);
	const item = addMessage({ user: data?.user, message: data?.message, room, own: mine !== undefined });

	if (mine) mine.item = item;
};

const acknowledged = (mine, error) => {
	if (error || !mine.item) return;
	const took = Math.max(1, Math.round(performance.now() - mine.sent));
	mine.item.querySelector(".meta").append(make("span", "tick", `✓ ${took} ms`));
};

const send = (room, message) => {
	const user = $("name").value.trim();
	const mine = { room, user: user || "Anonymous", message, sent: performance.now() };
	const data = user ? { user, message } : { message };

	pending.push(mine);
	if (pending.length > MESSAGES_MAX) pending.shift();
	if (room) socket.timeout(10000).emit("room message", { room, ...data }, (error) => acknowledged(mine, error));
	else socket.timeout(10000).emit("chatMessage", data, (error) => acknowledged(mine, error));
};

// ----------------------------------------------------------------- the events

const logEvent = (name, detail = "", mood = "") => {
	const item = make("li", mood);
	item.append(make("time", "", clock(true)), " ", make("b", "", name), detail ? " " + textOf(detail) : "");
	const events = $("events");
	events.append(item);
	while (events.childElementCount > EVENTS_MAX) events.firstElementChild.remove();
	events.scrollTop = events.scrollHeight;
};

const toast = (text) => {
	const item = make("div", "toast", text);
	$("toasts").append(item);
	while ($("toasts").childElementCount > 4) $("toasts").firstElementChild.remove();
	setTimeout(() => item.remove(), 6000);
};

const isOff = (state) => state === "disconnected" || state === "failed";

const setState = (state, text) => {
	$("state").dataset.state = state;
	$("state-text").textContent = text;
	$("transport").textContent = state === "connected" ? manager.engine.transport.name : "";
	$("socket-id").textContent = socket.id ?? "none";
	$("link").textContent = isOff(state) ? "Connect" : "Disconnect";
	for (const box of $("rooms").querySelectorAll("input")) box.disabled = state !== "connected";
};

const setUsers = (count) => {
	if (Number.isInteger(count)) $("users").textContent = count === 1 ? "1 client" : `${count} clients`;
};

manager.on("open", () => {
	manager.engine.on("upgrade", (transport) => {
		logEvent("upgrade", transport.name, "good");
		if (socket.connected) setState("connected", "Connected");
	});
});
manager.on("reconnect_attempt", (attempt) => {
	logEvent("reconnect_attempt", attempt, "warn");
	setState("reconnecting", `Reconnecting (${attempt})`);
});
manager.on("reconnect", (attempt) => logEvent("reconnect", `after ${attempt}`, "good"));
manager.on("reconnect_error", (error) => logEvent("reconnect_error", error.message, "bad"));
manager.on("reconnect_failed", () => {
	logEvent("reconnect_failed", "", "bad");
	setState("failed", "No connection");
});

socket.on("connect", () => {
	logEvent("connect", `${socket.id} ${manager.engine.transport.name}`, "good");
	setState("connected", "Connected");
	for (const room of joinedRooms()) socket.emit("join", room, () => {}); // rooms belong to the old socket
});
socket.on("disconnect", (reason) => {
	logEvent("disconnect", reason, "bad");
	$("users").textContent = "";
	setState(socket.active ? "reconnecting" : "disconnected", socket.active ? "Reconnecting" : "Disconnected");
});
socket.on("connect_error", (error) => {
	logEvent("connect_error", error.message, "bad");
	if (!socket.active) setState("disconnected", error.message);
});

socket.on("welcome", (text) => addNotice(textOf(text)));
socket.on("user joined", (data) => addNotice(`${textOf(data?.id)} joined`));
socket.on("user left", (data) => addNotice(`${textOf(data?.id)} left`));
socket.on("users", setUsers);
socket.on("chatMessage", (data) => receive("", data));
socket.on("room message", (data) => receive(textOf(data?.room), data));
socket.on("chat message", (text) => addMessage({ message: text }));
socket.on("reply", (data) => logEvent("reply", data?.message));
socket.on("notification", (text) => {
	toast(textOf(text));
	addNotice(textOf(text), true);
});

// ---------------------------------------------------------------------- rooms

const joinedRooms = () => [...$("rooms").querySelectorAll("input:checked")].map((box) => box.value);

const listRooms = () => {
	const chosen = $("room").value;
	const option = (value, text) => {
		const element = make("option", "", text);
		element.value = value;
		return element;
	};
	$("room").replaceChildren(option("", "Everyone"), ...joinedRooms().map((room) => option(room, ROOM_PREFIX + room)));
	$("room").value = joinedRooms().includes(chosen) ? chosen : "";
	showTarget();
};

const showTarget = () => {
	const room = $("room").value;
	$("message").placeholder = room ? `Message ${ROOM_PREFIX}${room}` : "Message everyone";
};

const changeRoom = (box) => {
	const action = box.checked ? "join" : "leave";
	socket.timeout(10000).emit(action, box.value, (error, answer) => {
		if (error || !answer?.ok) box.checked = !box.checked;
		else addNotice(`You ${action === "join" ? "joined" : "left"} ${ROOM_PREFIX}${box.value}`);
		listRooms();
	});
};

for (const room of ROOMS) {
	const label = make("label");
	const box = make("input");
	box.type = "checkbox";
	box.value = room;
	box.disabled = true;
	box.addEventListener("change", () => changeRoom(box));
	label.append(box, make("span", "", ROOM_PREFIX + room));
	$("rooms").append(label);
}

// ---------------------------------------------------------------------- admin

let admin, token;

const setAdmin = (state, text) => {
	$("admin-state").dataset.state = state;
	$("admin-state").textContent = text;
	$("announce").hidden = state !== "connected";
	$("admin").hidden = state === "connected";
};

// A namespace has one socket per connection. The function provides the current token for each attempt to connect.
const makeAdmin = () => {
	const made = manager.socket("/admin", { auth: (answer) => answer({ token }) });

	made.on("connect", () => {
		logEvent("connect", "/admin", "good");
		setAdmin("connected", "connected");
		if (document.activeElement === document.body || $("panel").contains(document.activeElement)) $("announcement").focus();
	});
	made.on("connect_error", (error) => {
		logEvent("connect_error", `/admin ${error.message}`, "bad");
		setAdmin("refused", error.message);
	});
	made.on("disconnect", (reason) => {
		logEvent("disconnect", `/admin ${reason}`, "bad");
		setAdmin("", "not connected");
	});
	return made;
};

const enterAdmin = (text) => {
	token = text;
	if (admin) admin.disconnect().connect();
	else admin = makeAdmin();
};

// ------------------------------------------------------------------- controls

// On submit, passes the field's text to `fn`, clears the field and keeps the focus there.
const onSubmit = (form, field, fn) => {
	$(form).addEventListener("submit", (event) => {
		const text = $(field).value.trim();
		event.preventDefault();
		if (text === "") return;
		$(field).value = "";
		$(field).focus();
		fn(text);
	});
};

onSubmit("composer", "message", (text) => send($("room").value, text));
onSubmit("notify", "notification", (text) => socket.emit("sendNotification", text));
onSubmit("admin", "token", enterAdmin);
onSubmit("announce", "announcement", (text) => admin.emit("announce", text, () => {}));

$("room").addEventListener("change", () => {
	showTarget();
	$("message").focus();
});
$("newer").addEventListener("click", () => {
	toEnd();
	$("message").focus();
});
scroll.addEventListener("scroll", () => atEnd() && ($("newer").hidden = true));
$("link").addEventListener("click", () => {
	if (isOff($("state").dataset.state)) {
		socket.connect();
		setState("connecting", "Connecting");
	} else {
		socket.disconnect();
		setState("disconnected", "Disconnected");
	}
});

const openPanel = (open) => {
	$("panel").classList.toggle("open", open);
	$("menu").setAttribute("aria-expanded", String(open));
	if (open) $("name").focus();
	else $("menu").focus();
};
$("menu").addEventListener("click", () => openPanel(!$("panel").classList.contains("open")));
document.addEventListener("keydown", (event) => {
	if (event.key === "Escape" && $("panel").classList.contains("open")) openPanel(false);
});

// In a private window localStorage may throw; the name is then not remembered.
try {
	$("name").value = localStorage.getItem("name") ?? "";
	$("name").addEventListener("change", () => localStorage.setItem("name", $("name").value.trim()));
} catch {
	$("name").value = "";
}
if (matchMedia("(pointer: fine)").matches) $("message").focus();
