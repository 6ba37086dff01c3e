// Who is here, in the whole cluster, and who is typing.
import { $, avatarOf, make, textOf } from "./dom.js";

const SHOWN_MAX = 100;
const TYPING_MS = 5000; // a client that goes on typing says so every two seconds
const TYPING_SHOWN_MAX = 2;

const people = new Map(); // name by socket id
const typing = new Map(); // { name, room, timer } by socket id

export const guestName = (id) => `Guest ${textOf(id).slice(0, 4)}`;
export const nameOf = (person) => textOf(person?.name) || guestName(person?.id);

const show = (socket) => {
	const names = [...people].map(([id, name]) => (id === socket.id ? `${name} (you)` : name)).sort((a, b) => a.localeCompare(b));
	const items = names.slice(0, SHOWN_MAX).map((name) => {
		const item = make("li");
		item.append(avatarOf(name), make("span", "", name));
		return item;
	});
	if (names.length > SHOWN_MAX) items.push(make("li", "quiet", `and ${names.length - SHOWN_MAX} more`));
	$("people").replaceChildren(...items);
};

export const addPerson = (socket, person) => {
	people.set(textOf(person?.id), nameOf(person));
	show(socket);
};

export const knownName = (person) => people.get(textOf(person?.id)) ?? guestName(person?.id);

export const removePerson = (socket, person) => {
	people.delete(textOf(person?.id));
	stopTyping(person);
	show(socket);
};

// Asks the server who is here; the server asks the others. Without an answer, the list has only people who join later.
export const askPeople = (socket, self) => {
	people.clear();
	addPerson(socket, self);
	socket.timeout(10000).emit("who", (error, found) => {
		if (error || !Array.isArray(found)) return;
		for (const one of found) people.set(textOf(one?.id), nameOf({ id: one?.id, name: one?.data?.name }));
		show(socket);
	});
};

export const forgetPeople = (socket) => {
	people.clear();
	for (const id of [...typing.keys()]) stopTyping({ id });
	show(socket);
};

const showTyping = () => {
	const who = [...typing.values()].map(({ name, room }) => (room ? `${name} (in # ${room})` : name));
	let text = "";

	if (who.length === 1) text = `${who[0]} is typing …`;
	else if (who.length === TYPING_SHOWN_MAX) text = `${who.join(" and ")} are typing …`;
	else if (who.length > TYPING_SHOWN_MAX) text = `${who.length} people are typing …`;
	$("typing").textContent = text;
};

export const startTyping = (person) => {
	const id = textOf(person?.id);

	clearTimeout(typing.get(id)?.timer);
	typing.set(id, { name: nameOf(person), room: textOf(person?.room), timer: setTimeout(stopTyping, TYPING_MS, person) });
	showTyping();
};

export const stopTyping = (person) => {
	const id = textOf(person?.id);

	clearTimeout(typing.get(id)?.timer);
	typing.delete(id);
	showTyping();
};

// A message has the name of its author, but not the author's socket id.
export const stopTypingOf = (name) => {
	for (const [id, person] of typing) if (person.name === name) stopTyping({ id });
};
