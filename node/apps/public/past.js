/*
 * What was said before the page came, and while it was away. After a loss of the connection there are two cases:
 *
 *   recovered      The server sends the missed messages before "connect", each once. None is missing.
 *   not recovered  The server sends the last messages of everyone, then "caught up"; and those of each room before it
 *                  acknowledges "join". If the page knows one of them, none is missing between it and the newer ones.
 *                  Otherwise older ones may be missing.
 *
 * Messages have ids, so none is shown twice.
 */
const PAST_MAX = 50; // messages of each conversation that the server sends (chat.c)
const KNOWN_MAX = 2000;

const known = new Map(); // the conversation of each message, by its key

/*
 * The gap that is open: from the start of the page, or from a loss of the connection, until the past has arrived.
 *
 *   asked  number of conversations whose last messages have not arrived yet
 *   talks  all conversations of the gap by room; "" is the conversation of everyone:
 *            had    the page knew messages of it before the gap
 *            met    one of those messages has arrived again
 *            fresh  number of the other messages that have arrived
 */
const open = (newcomer, missed = 0, first = undefined) => ({ newcomer, missed, first, asked: 0, failed: false, talks: new Map() });

let gap = open(true);

export const isPast = () => gap !== undefined;

// Messages of clients that give no ids are compared by what they say, but only where the server may repeat them.
const keyOf = (room, data) => (data?.id ? `id ${data.id}` : `text ${JSON.stringify([room, data?.user, data?.message])}`);

/** Remembers the message. Returns true if the page has it already. */
export const isKnown = (room, data) => {
	const key = keyOf(room, data);
	const met = known.has(key) && Boolean(data?.id || gap?.asked);
	const talk = gap?.talks.get(room);

	known.delete(key);
	known.set(key, room); // now the newest
	if (known.size > KNOWN_MAX) known.delete(known.keys().next().value);
	if (talk && met) talk.met = true;
	else if (talk) talk.fresh++;
	return met;
};

/** Counts a message of another user. `item` is the element that shows it. */
export const countMissed = (item) => {
	if (!gap) return;
	gap.missed++;
	gap.first ??= item;
};

/** The connection is lost, perhaps before the past has come. */
export const lose = () => {
	gap = open(gap?.newcomer ?? false, gap?.missed, gap?.first);
};

const isComplete = ({ failed, talks }) => {
	const all = [...talks.values()];

	return !failed && all.some(({ met }) => met) && all.every(({ met, had, fresh }) => met || (!had && fresh < PAST_MAX));
};

/* Returns { text, before }: the text of a note and the message below it; undefined if there is nothing to say. */
const close = (complete) => {
	const { newcomer, missed, first } = gap;
	const count = missed === 1 ? "1 message while you were away" : `${missed} messages while you were away`;

	gap = undefined;
	if (newcomer || (complete && missed === 0)) return undefined;
	if (missed === 0) return { text: "Messages sent while you were away may be missing" };
	return { text: complete ? count : `${count}; older ones may be missing`, before: first };
};

/** The server has recovered the connection. Returns what close() returns. */
export const recovered = () => (gap ? close(true) : undefined);

/** The page waits for the last messages of a conversation. */
export const expect = (room) => {
	if (!gap) return;
	gap.asked++;
	gap.talks.set(room, { had: [...known.values()].includes(room), met: false, fresh: 0 });
};

/** The last messages of a conversation have arrived, or cannot be had. Returns what close() returns if all have. */
export const arrived = (ok) => {
	if (!gap?.asked) return undefined;
	gap.failed ||= !ok;
	return --gap.asked === 0 ? close(isComplete(gap)) : undefined;
};
