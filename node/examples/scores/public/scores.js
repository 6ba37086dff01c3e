// The page of the live scores. The names of teams are inserted as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const socket = io({ auth: (answer) => answer({ key: $("key").value }) });
const scores = new Map(); // points by team

const show = (changed) => {
	const rows = [...scores].sort(([a, more], [b, less]) => less - more || a.localeCompare(b));
	$("table").replaceChildren(...rows.map(([team, points]) => {
		const row = document.createElement("tr");
		for (const text of [team, points]) row.insertCell().textContent = text;
		row.classList.toggle("changed", team === changed);
		return row;
	}));
	$("empty").hidden = rows.length > 0;
};

socket.on("connect", () => ($("state").textContent = "Connected"));
socket.on("disconnect", (reason) => ($("state").textContent = `Not connected: ${reason}`));
socket.on("scores", (list) => {
	scores.clear();
	for (const { team, points } of list) scores.set(team, points);
	show();
});
socket.on("score", ({ team, points }) => {
	scores.set(team, points);
	show(team);
});

// The key is part of the handshake, so a new key needs a new connection.
$("key").addEventListener("change", () => socket.disconnect().connect());
$("set").addEventListener("submit", (event) => {
	event.preventDefault();
	socket.timeout(5000).emit("set", $("team").value, Number($("points").value), (late, answer) => {
		$("state").textContent = late ? "No answer" : answer.error ?? "Written";
	});
});
