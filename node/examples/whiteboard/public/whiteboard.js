// The page of the whiteboard. A line is [x, y, x, y, color] with coordinates from 0 to SIDE.
"use strict";

const SIDE = 10000;
const COLORS = [["black", "Black"], ["crimson", "Red"], ["royalblue", "Blue"], ["seagreen", "Green"], ["darkorange", "Orange"], ["purple", "Purple"]];
const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), context = canvas.getContext("2d");
const socket = io();
let lines = [], color = 0, from;

const draw = ([x0, y0, x1, y1, of]) => {
	context.strokeStyle = COLORS[of][0];
	context.lineWidth = 3;
	context.lineCap = "round";
	context.beginPath();
	context.moveTo((x0 / SIDE) * canvas.width, (y0 / SIDE) * canvas.height);
	context.lineTo((x1 / SIDE) * canvas.width, (y1 / SIDE) * canvas.height);
	context.stroke();
};
const drawAll = () => {
	canvas.width = canvas.clientWidth;
	canvas.height = canvas.clientHeight;
	lines.forEach(draw);
};
const add = (line) => (lines.push(line), draw(line));

const choose = (chosen) => {
	color = chosen;
	[...$("colors").children].forEach((button, i) => button.setAttribute("aria-checked", i === chosen));
};
COLORS.forEach(([css, name], i) => {
	const button = document.createElement("button");
	button.style.background = css;
	button.setAttribute("role", "radio");
	button.setAttribute("aria-label", name);
	button.addEventListener("click", () => choose(i));
	$("colors").append(button);
});
choose(0);

const at = (event) => {
	const box = canvas.getBoundingClientRect();
	const scale = (part, whole) => Math.round(Math.min(Math.max(part / whole, 0), 1) * SIDE);
	return [scale(event.clientX - box.left, box.width), scale(event.clientY - box.top, box.height)];
};
canvas.addEventListener("pointerdown", (event) => {
	canvas.setPointerCapture(event.pointerId);
	from = at(event);
});
canvas.addEventListener("pointermove", (event) => {
	if (!from) return;
	const to = at(event);
	add([...from, ...to, color]);
	socket.emit("line", lines.at(-1));
	from = to;
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (from = undefined));
$("clear").addEventListener("click", () => socket.emit("clear"));
addEventListener("resize", drawAll);
drawAll();

socket.on("connect", () => ($("state").textContent = "Connected"));
socket.on("disconnect", (reason) => ($("state").textContent = `Not connected: ${reason}`));
socket.on("line", add);
socket.on("board", (all) => {
	lines = all;
	drawAll();
});
