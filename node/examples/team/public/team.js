// The page of the team chat. What others send is inserted as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const socket = io({ autoConnect: false, auth: (answer) => answer({ token: $("token").value }) });
let me, typing, typed = 0;

const show = (text, className = "") => {
	const item = document.createElement("li");
	item.textContent = text;
	item.className = className;
	$("messages").append(item);
};
const showMessage = ({ from, text }) => show(`${from}: ${text}`);

const showPeople = (sockets) => {
	const self = sockets.find(({ id }) => id === socket.id)?.data;
	const names = [...new Set(sockets.map(({ data }) => data.name))].sort();
	me = self?.name;
	$("people").replaceChildren(...names.map((name) => {
		const item = document.createElement("li");
		item.textContent = name;
		if (self?.admin && name !== me) {
			const kick = document.createElement("button");
			kick.textContent = `Kick ${name}`;
			kick.addEventListener("click", () => socket.emit("kick", name, () => {}));
			item.append(" ", kick);
		}
		return item;
	}));
	const chosen = $("to").value;
	$("to").replaceChildren(new Option("Everyone", ""), ...names.filter((name) => name !== me).map((name) => new Option(name, name)));
	$("to").value = names.includes(chosen) ? chosen : "";
};
const askWho = () => socket.emit("who", showPeople);

socket.on("connect", () => {
	$("state").textContent = "Connected";
	$("chat").hidden = false;
	askWho();
});
socket.on("connect_error", (error) => ($("state").textContent = error.message));
socket.on("disconnect", (reason) => ($("state").textContent = reason));
socket.on("history", (messages) => {
	$("messages").replaceChildren();
	messages.forEach(showMessage);
});
socket.on("message", showMessage);
socket.on("private", ({ from, text }, received) => {
	show(`${from} to you: ${text}`, "private");
	received();
});
socket.on("joined", (name) => (show(`${name} joined`), askWho()));
socket.on("left", (name) => (show(`${name} left`), askWho()));
socket.on("kicked", (by) => show(`${by} has removed you`));
socket.on("typing", (name) => {
	clearTimeout(typing);
	$("typing").textContent = `${name} is typing …`;
	typing = setTimeout(() => ($("typing").textContent = ""), 3000);
});

$("login").addEventListener("submit", (event) => {
	event.preventDefault();
	socket.disconnect().connect();
});
$("text").addEventListener("input", () => {
	if (Date.now() - typed < 3000) return; // the server limits the rate of all events
	typed = Date.now();
	socket.volatile.emit("typing");
});
$("composer").addEventListener("submit", (event) => {
	const text = $("text").value;
	const to = $("to").value;
	event.preventDefault();
	$("text").value = "";
	if (to) socket.emit("private", to, text, (answer) => show(`you to ${to}: ${text} (${answer.error ?? (answer.length ? "delivered" : "not connected")})`, "private"));
	else socket.emit("message", text, ({ error }) => error && show(`Not sent: ${error}`));
});
