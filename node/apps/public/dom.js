// Small helpers of the chat page. Everything that other clients send is inserted as text, never as markup.
export const $ = (id) => document.getElementById(id);

export const make = (tag, className, text) => {
	const element = document.createElement(tag);
	if (className) element.className = className;
	if (text !== undefined) element.textContent = text;
	return element;
};

export const textOf = (value) => {
	if (typeof value === "string") return value;
	return value === undefined || value === null ? "" : JSON.stringify(value);
};

export const clock = (seconds) =>
	new Date().toLocaleTimeString([], {
		hour: "2-digit",
		minute: "2-digit",
		second: seconds ? "2-digit" : undefined,
		hourCycle: "h23",
	});

// The time of a message, with the day if it is another one. A message without a time is from now.
export const timeOf = (ms) => {
	const time = new Date(Number.isFinite(ms) ? ms : Date.now());
	const today = time.toDateString() === new Date().toDateString();
	const day = today ? {} : { day: "numeric", month: "short" };

	return time.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
};

const hueOf = (name) => [...name].reduce((hue, letter) => (hue * 31 + letter.codePointAt(0)) % 360, 7);

export const avatarOf = (name) => {
	const avatar = make("span", "avatar", [...name][0]);
	avatar.setAttribute("aria-hidden", "true");
	avatar.style.setProperty("--hue", hueOf(name));
	return avatar;
};
