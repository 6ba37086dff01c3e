// The chat page: the connection, the conversation and the controls.
import { $, avatarOf, clock, make, textOf, timeOf } from "./dom.js";
import { arrived, countMissed, expect, isKnown, isPast, lose, recovered } from "./past.js";
import { addPerson, askPeople, forgetPeople, guestName, knownName, nameOf, removePerson, startTyping, stopTypingOf } from "./people.js";

const MESSAGES_MAX = 500;
const EVENTS_MAX = 200;
const TOASTS_MAX = 3;
const TOAST_MS = 6000;
const ACK_MS = 10000;
const TYPING_EVERY_MS = 2000;
const ROOMS = ["lobby", "music", "tech"];
const ROOM_PREFIX = "# ";

// ?transports=polling selects the transport; ?attempts=3 limits the attempts to reconnect; ?delay=100 is the time before
// the first of them, in milliseconds.
const params = new URLSearchParams(location.search);
const transports = params.get("transports")?.split(",") ?? ["polling", "websocket"];
const attempts = Number(params.get("attempts")) || 50;
const delay = Number(params.get("delay")) || 1000;

// The name goes with each connection, so the others see it from the beginning.
const socket = io({
	transports,
	reconnectionAttempts: attempts,
	reconnectionDelay: delay,
	reconnectionDelayMax: 3 * delay,
	autoConnect: false,
	auth: (answer) => answer({ name: ownName() }),
});
const manager = socket.io;

const ownName = () => $("name").value.trim();
const shownName = () => ownName() || guestName(socket.id);

// --------------------------------------------------------------- conversation

const scroll = $("scroll");
const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;

const toEnd = () => {
	scroll.scrollTop = scroll.scrollHeight;
	$("newer").hidden = true;
};

// Messages that the page has missed are shown above those that the user has typed since.
const firstUnsent = () => outbox.find((mine) => mine.state === "waiting" || mine.state === "sending")?.item;

const addLine = (element, follow = atEnd(), before = undefined) => {
	$("messages").insertBefore(element, before?.isConnected ? before : null);
	while ($("messages").childElementCount > MESSAGES_MAX) $("messages").firstElementChild.remove();
	if (follow) toEnd();
	else $("newer").hidden = false;
	return element;
};

const addNotice = (text, loud = false) => addLine(make("li", loud ? "notice loud" : "notice", text));

const addMessage = ({ user, message, room, time, own }) => {
	const name = textOf(user) || "Anonymous";
	const item = make("li", own ? "message own" : "message");
	const meta = make("p", "meta");

	meta.append(make("b", "", own ? "You" : name), make("time", "", timeOf(time)));
	if (room) meta.append(make("span", "tag", ROOM_PREFIX + room));
	item.append(avatarOf(name), meta, make("p", "bubble", textOf(message)));
	$("empty").hidden = true;
	return addLine(item, own || atEnd(), !own && isPast() ? firstUnsent() : undefined);
};

/*
 * The user's own messages, until they come back. Each shows its state from the moment it is typed:
 *
 *   waiting  there is no connection; it is sent when there is one, in the order of typing
 *   sending  it is on its way
 *   sent     the server acknowledged it, or sent it to everyone, this client included
 *   failed   it was not sent, or nobody knows whether it was; the user can send it again
 */
const outbox = [];

const setMessage = (mine, state, text, className = "status") => {
	const meta = mine.item.querySelector(".meta");

	mine.state = state;
	mine.item.dataset.state = state;
	for (const old of meta.querySelectorAll(".status, .again")) old.remove();
	meta.append(make("span", className, text));
	if (state !== "failed") return;
	const again = make("button", "again", "Send again");
	again.type = "button";
	again.addEventListener("click", () => sendAgain(mine));
	meta.append(again);
};

const settle = (mine) => {
	const took = Math.max(1, Math.round(performance.now() - mine.sent));

	if (mine.state !== "sent") setMessage(mine, "sent", `✓ ${took} ms`, "status tick");
};

const onAnswer = (mine, attempt, error, answer) => {
	if (mine.state !== "sending" || mine.attempt !== attempt) return;
	if (error) setMessage(mine, "failed", "Not confirmed");
	else if (mine.room && !answer?.ok) setMessage(mine, "failed", `Not sent: you are not in ${ROOM_PREFIX}${mine.room}`);
	else settle(mine);
};

const transmit = (mine) => {
	const { room, message, id } = mine;
	const attempt = (mine.attempt = (mine.attempt ?? 0) + 1);
	const answer = (error, data) => onAnswer(mine, attempt, error, data);

	mine.user = shownName();
	mine.sent = performance.now();
	setMessage(mine, "sending", "Sending");
	if (room) socket.timeout(ACK_MS).emit("room message", { room, user: mine.user, message, id }, answer);
	else socket.timeout(ACK_MS).emit("chatMessage", { user: mine.user, message, id }, answer);
};

const offer = (mine) => {
	if (socket.connected) transmit(mine);
	else if (isOff($("state").dataset.state)) setMessage(mine, "failed", "Not sent: there is no connection");
	else setMessage(mine, "waiting", "Waiting for the connection");
};

// crypto.randomUUID() exists on https pages only.
const newId = () => [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("-");

const send = (room, message) => {
	const mine = { room, message, id: newId(), item: addMessage({ user: shownName(), message, room, own: true }) };

	outbox.push(mine);
	if (outbox.length > MESSAGES_MAX) outbox.shift();
	offer(mine);
};

const sendAgain = (mine) => {
	if (isOff($("state").dataset.state)) connectAgain();
	offer(mine);
};

const sendWaiting = () => {
	for (const mine of [...outbox]) if (mine.state === "waiting") transmit(mine);
};

// No further attempt to connect will be made, unless the user asks for it.
const giveUpWaiting = () => {
	for (const mine of outbox) if (mine.state === "waiting") setMessage(mine, "failed", "Not sent: there is no connection");
};

// A message that comes back is one of the user's own if it was sent and has not come back yet.
const receive = (room, data) => {
	const mine = outbox.find((m) => m.sent && m.id === data?.id);
	const again = isKnown(room, data);

	if (mine) {
		outbox.splice(outbox.indexOf(mine), 1);
		settle(mine);
	} else if (!again) {
		stopTypingOf(textOf(data?.user));
		countMissed(addMessage({ user: data?.user, message: data?.message, time: data?.time, room }));
	}
};

const tellMissed = (notice) => notice && addLine(make("li", "notice loud", notice.text), atEnd(), notice.before);

// ----------------------------------------------------------------- the events

const logEvent = (name, detail = "", mood = "") => {
	const item = make("li", mood);
	item.append(make("time", "", clock(true)), " ", make("b", "", name), detail ? " " + textOf(detail) : "");
	const events = $("events");
	events.append(item);
	while (events.childElementCount > EVENTS_MAX) events.firstElementChild.remove();
	events.scrollTop = events.scrollHeight;
};

// A toast makes the conversation shorter. If its end was visible, it stays visible.
const changeToasts = (change) => {
	const follow = atEnd();
	change($("toasts"));
	if (follow) toEnd();
};

const toast = (text) => {
	const item = make("div", "toast", text);
	changeToasts((toasts) => {
		toasts.append(item);
		while (toasts.childElementCount > TOASTS_MAX) toasts.firstElementChild.remove();
	});
	setTimeout(() => changeToasts(() => item.remove()), TOAST_MS);
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
	if (Number.isInteger(count)) $("users").textContent = `${count} here`;
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
	giveUpWaiting();
});

// The socket is a new one. The server puts it into the room of everyone, and the page joins the other rooms again.
const catchUp = () => {
	expect("");
	for (const room of joinedRooms()) {
		expect(room);
		socket.timeout(ACK_MS).emit("join", room, (error, answer) => tellMissed(arrived(!error && answer?.ok === true)));
	}
};

socket.on("connect", () => {
	logEvent("connect", `${socket.id} ${manager.engine.transport.name}`, "good");
	setState("connected", "Connected");
	$("name").placeholder = guestName(socket.id);
	askPeople(socket, { id: socket.id, name: ownName() });
	if (socket.recovered) tellMissed(recovered());
	else catchUp();
	sendWaiting();
});
socket.on("caught up", (answer) => tellMissed(arrived(answer?.ok === true)));
socket.on("disconnect", (reason) => {
	lose();
	logEvent("disconnect", reason, "bad");
	$("users").textContent = "";
	forgetPeople(socket);
	setState(socket.active ? "reconnecting" : "disconnected", socket.active ? "Reconnecting" : "Disconnected");
	if (!socket.active) giveUpWaiting();
});
socket.on("connect_error", (error) => {
	logEvent("connect_error", error.message, "bad");
	if (socket.active) return;
	setState("disconnected", error.message);
	giveUpWaiting();
});

socket.on("welcome", (text) => addNotice(textOf(text)));
socket.on("user joined", (data) => {
	addPerson(socket, data);
	addNotice(`${nameOf(data)} joined`);
});
socket.on("user left", (data) => {
	if (data?.id === socket.id) return; // sent when this client was lost, before it was recovered
	removePerson(socket, data);
	addNotice(`${nameOf(data)} left`);
});
socket.on("user renamed", (data) => {
	if (data?.id !== socket.id) addNotice(`${knownName(data)} is now ${nameOf(data)}`);
	addPerson(socket, data);
});
socket.on("typing", startTyping);
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
	$("room").hidden = joinedRooms().length === 0;
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
		else if (action === "join") addNotice(`You joined ${ROOM_PREFIX}${box.value}. Select it next to the message field to write to it.`);
		else addNotice(`You left ${ROOM_PREFIX}${box.value}`);
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
	admin = admin ? admin.disconnect() : makeAdmin();
	admin.connect();
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

onSubmit("composer", "message", (text) => {
	typed = -TYPING_EVERY_MS;
	send($("room").value, text);
});
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

let typed = -TYPING_EVERY_MS;
$("message").addEventListener("input", () => {
	const now = performance.now();
	if (!socket.connected || $("message").value.trim() === "" || now - typed < TYPING_EVERY_MS) return;
	typed = now;
	socket.volatile.emit("typing", ...($("room").value ? [$("room").value] : []));
});

const connectAgain = () => {
	socket.connect();
	setState("connecting", "Connecting");
};
$("link").addEventListener("click", () => {
	if (isOff($("state").dataset.state)) {
		connectAgain();
	} else {
		socket.disconnect();
		setState("disconnected", "Disconnected");
		giveUpWaiting();
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
const remember = () => {
	try {
		localStorage.setItem("name", ownName());
	} catch {
		// asked again next time
	}
};
try {
	$("name").value = localStorage.getItem("name") ?? "";
} catch {
	$("name").value = "";
}
$("name").addEventListener("change", () => {
	remember();
	if (socket.connected) socket.emit("name", ownName(), () => {});
});

// On a phone the field for the name is out of sight, so the page asks for the name before it connects.
const ask = () => {
	$("ask").addEventListener("close", () => {
		$("name").value = $("ask").returnValue === "guest" ? "" : $("ask-name").value.trim();
		remember();
		socket.connect();
	});
	$("ask").showModal();
};

if (ownName() === "" && matchMedia("(max-width: 52rem)").matches) {
	ask();
} else {
	socket.connect();
	if (matchMedia("(pointer: fine)").matches) $("message").focus();
}
