#include "common/io/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/date.h"
#include "common/base/utf8.h"

#define LINE_MAX_BYTES 4096  /* a write() of this size to a pipe is not split */
#define VALUE_MAX_BYTES 1024 /* maximum escaped bytes of a value, so that a long value leaves room for others */
#define STALL_MS 1000	     /* maximum wait of a line for a reader that has stopped */
#define PATIENCE_MS 60000    /* after such a wait, no line waits during this time */

enum log_level log_max_level = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;
static void (*log_sink)(void *arg, enum log_level level, const char *line, size_t n);
static void *log_sink_arg;
static const char *log_origin_key;
static int64_t log_origin_number;

/* Lines that log_allow() suppressed, to be reported by this thread's next line. */
static _Thread_local uint32_t log_unreported;

/*
 * Lines of this thread that were not written completely; the next complete line reports them. log_impatient_until is
 * the time until which no line waits.
 */
static _Thread_local uint32_t log_lost;
static _Thread_local int64_t log_impatient_until;
static _Thread_local bool log_torn; /* the last line was written in part: a full disk */

struct line {
	char at[LINE_MAX_BYTES];
	size_t n;
};

void
log_set_level(enum log_level level)
{
	log_max_level = level;
}

void
log_set_format(enum log_format format)
{
	log_format = format;
}

bool
log_enabled(enum log_level level)
{
	return level <= log_max_level;
}

void
log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line, size_t n), void *arg)
{
	log_sink = sink;
	log_sink_arg = arg;
}

static bool
is_plain_char(unsigned char ch)
{
	return ch > ' ' && ch < 0x7f && ch != '"' && ch != '\\' && ch != '=';
}

/* The escaped form of the character at the start of a value, and how many bytes of the value it takes. */
struct piece {
	char at[8];
	size_t n, taken;
};

/* Returns the letter of a short escape such as \n, or 0. Both formats have these. */
static char
escape_letter(unsigned char ch)
{
	return ch == '\n' ? 'n' : ch == '\r' ? 'r' : ch == '\t' ? 't' : ch == '"' || ch == '\\' ? (char)ch : 0;
}

/* In JSON, UTF-8 stands for itself, and bytes that are not UTF-8 become the replacement character. */
static void
log_escape_json(const char *value, size_t n, struct piece *out)
{
	unsigned char ch = (unsigned char)value[0];
	size_t length = ch < 0xe0 ? 2 : ch < 0xf0 ? 3 : 4;

	if (ch < 0x80) {
		memcpy(out->at, "\\u00", 4);
		out->at[4] = ascii_hex_digits[ch >> 4];
		out->at[5] = ascii_hex_digits[ch & 15];
		out->n = 6;
	} else if (length <= n && utf8_valid(value, length)) {
		memcpy(out->at, value, length);
		out->n = out->taken = length;
	} else {
		memcpy(out->at, "\\ufffd", 6);
		out->n = 6;
	}
}

/* Escapes the first character of a value of `n` bytes, n > 0, for use inside quotes. */
static void
log_escape(const char *value, size_t n, struct piece *out)
{
	unsigned char ch = (unsigned char)value[0];
	char letter = escape_letter(ch);

	out->taken = 1;
	if (letter != 0) {
		out->at[0] = '\\';
		out->at[1] = letter;
		out->n = 2;
	} else if (ch >= ' ' && ch < 0x7f) {
		out->at[0] = (char)ch;
		out->n = 1;
	} else if (log_format == LOG_JSON) {
		log_escape_json(value, n, out);
	} else {
		out->at[0] = '\\';
		out->at[1] = 'x';
		out->at[2] = ascii_hex_digits[ch >> 4];
		out->at[3] = ascii_hex_digits[ch & 15];
		out->n = 4;
	}
}

static void
line_add(struct line *line, const char *bytes, size_t n)
{
	memcpy(line->at + line->n, bytes, n);
	line->n += n;
}

/* Returns the free bytes of the line, not counting its end: a newline, and with JSON a brace. */
static size_t
line_room(const struct line *line)
{
	return sizeof(line->at) - 2 - line->n;
}

#define CUT_BYTES (sizeof("...\"") - 1) /* reserved for the end of a value that is cut */

/*
 * Adds a value, quoted if necessary and cut with "..." if it exceeds its limit. The caller has left room for 8 bytes.
 */
static void
line_add_value(struct line *line, const char *value, size_t n)
{
	size_t limit = line_room(line) < VALUE_MAX_BYTES ? line_room(line) : VALUE_MAX_BYTES;
	size_t start = line->n, tail = CUT_BYTES, i;
	bool quoted = n == 0 || log_format == LOG_JSON;
	struct piece piece;

	for (i = 0; i < n && i < limit && !quoted; i++)
		quoted = !is_plain_char((unsigned char)value[i]);
	if (quoted)
		line_add(line, "\"", 1);
	for (i = 0; i < n; i += piece.taken) {
		log_escape(value + i, n - i, &piece);
		if (line->n - start + piece.n + tail > limit)
			break;
		line_add(line, piece.at, piece.n);
	}
	if (i < n)
		line_add(line, "...", 3);
	if (quoted)
		line_add(line, "\"", 1);
}

size_t
log_value_fits(const char *value, size_t n)
{
	size_t used = 1 + CUT_BYTES; /* the opening quote */
	struct piece piece;

	for (size_t i = 0; i < n; i += piece.taken) {
		log_escape(value + i, n - i, &piece);
		used += piece.n;
		if (used > VALUE_MAX_BYTES)
			return i;
	}
	return n;
}

static void
line_add_text(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

/*
 * Adds " key=", or ,"key": in JSON. Returns false if the line has no room for the pair. Unsafe characters
 * are replaced, because an application may choose the key.
 */
static bool
line_add_key(struct line *line, const char *key)
{
	size_t n = strlen(key);

	if (n + 4 + 24 > line_room(line))
		return false;
	line_add_text(line, log_format == LOG_JSON ? ",\"" : " ");
	for (size_t i = 0; i < n; i++)
		line_add(line, is_plain_char((unsigned char)key[i]) ? &key[i] : "_", 1);
	line_add_text(line, log_format == LOG_JSON ? "\":" : "=");
	return true;
}

static void
line_add_number(struct line *line, int64_t number)
{
	char digits[24], *at = digits + sizeof digits;
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (number < 0)
		*--at = '-';
	line_add(line, at, (size_t)(digits + sizeof digits - at));
}

static void
line_add_digits(struct line *line, unsigned width, unsigned number, const char *end)
{
	char digits[8];

	for (unsigned i = width; i > 0; number /= 10)
		digits[--i] = (char)('0' + number % 10);
	line_add(line, digits, width);
	line_add_text(line, end);
}

/*
 * Adds the time, the level and the event. It computes the date itself, because gmtime_r() takes a lock that a signal
 * handler may find taken.
 */
static void
line_add_start(struct line *line, enum log_level level, const char *event)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	bool json = log_format == LOG_JSON;
	struct timespec now;
	struct date date;
	unsigned second;

	clock_gettime(CLOCK_REALTIME, &now);
	date = date_of_day(now.tv_sec / DAY_SECONDS);
	second = (unsigned)(now.tv_sec % DAY_SECONDS);
	line_add_text(line, json ? "{\"time\":\"" : "time=");
	line_add_digits(line, 4, (unsigned)date.year, "-");
	line_add_digits(line, 2, date.month, "-");
	line_add_digits(line, 2, date.day, "T");
	line_add_digits(line, 2, second / 3600, ":");
	line_add_digits(line, 2, second / 60 % 60, ":");
	line_add_digits(line, 2, second % 60, ".");
	line_add_digits(line, 3, (unsigned)(now.tv_nsec / 1000000), json ? "Z\",\"level\":\"" : "Z level=");
	line_add_text(line, names[level]);
	line_add_text(line, json ? "\",\"event\":" : " event=");
	line_add_value(line, event, strlen(event));
}

void
log_set_origin(const char *key, int64_t number)
{
	log_origin_key = key;
	log_origin_number = number;
	log_lost = 0; /* in a child of fork(), the parent reports its own lost lines */
}

static int64_t
log_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Waits until stderr is writable, or until the given time. Signals do not end the wait. Errors are left to the write.
 */
static bool
stderr_is_writable(int64_t until)
{
	struct pollfd to = {STDERR_FILENO, POLLOUT, 0};
	int ready;

	do {
		int64_t left = until - log_monotonic_ms();

		ready = poll(&to, 1, left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR);
	return ready != 0;
}

/*
 * Returns true if a write will not block: a writable pipe accepts PIPE_BUF bytes, which is a whole line. Without this
 * check, a log collector that hangs would stop all clients.
 */
static bool
log_reader_takes(void)
{
	int64_t now = log_monotonic_ms();

	if (stderr_is_writable(now))
		return true;
	if (now < log_impatient_until)
		return false;
	if (stderr_is_writable(now + STALL_MS))
		return true;
	log_impatient_until = log_monotonic_ms() + PATIENCE_MS;
	return false;
}

static void
log_emit(enum log_level level, const struct line *line)
{
	size_t done = 0;

	if (log_sink != NULL) {
		log_sink(log_sink_arg, level, line->at, line->n);
		return;
	}
	if (log_reader_takes()) {
		while (done < line->n) {
			ssize_t n = write(STDERR_FILENO, line->at + done, line->n - done);

			if (n > 0)
				done += (size_t)n;
			else if (n == 0 || errno != EINTR)
				break;
		}
	}
	log_lost = done < line->n ? log_lost + 1 : 0;
	if (done > 0)
		log_torn = line->at[done - 1] != '\n';
}

/*
 * Adds the key of a pair. A key that the log itself uses gets a final "_", because a JSON object must not have a key
 * twice.
 */
static bool
line_add_pair_key(struct line *line, const char *key)
{
	static const char *const taken[] = {"time", "level", "event", "suppressed", "lost"};
	char other[32]; /* longer than all of these */
	bool same = log_origin_key != NULL && strcmp(key, log_origin_key) == 0;

	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
		same |= strcmp(key, taken[i]) == 0;
	if (!same)
		return line_add_key(line, key);
	snprintf(other, sizeof other, "%s_", key);
	return line_add_key(line, other);
}

void
log_event(enum log_level level, const char *event, ...)
{
	struct line line;
	uint32_t suppressed = log_unreported;
	const char *key;
	va_list pairs;

	log_unreported = 0;
	if (!log_enabled(level))
		return;
	line.n = 0;
	if (log_torn && log_sink == NULL)
		line_add(&line, "\n", 1);
	line_add_start(&line, level, event);
	if (log_origin_key != NULL && line_add_key(&line, log_origin_key))
		line_add_number(&line, log_origin_number);
	if (suppressed > 0 && line_add_key(&line, "suppressed"))
		line_add_number(&line, suppressed);
	if (log_lost > 0 && log_sink == NULL && line_add_key(&line, "lost"))
		line_add_number(&line, log_lost);
	va_start(pairs, event);
	while ((key = va_arg(pairs, const char *)) != NULL) {
		const struct log_value *value = va_arg(pairs, const struct log_value *);

		if (!line_add_pair_key(&line, key))
			break;
		if (value->is_number)
			line_add_number(&line, value->number);
		else
			line_add_value(&line, value->str, value->n);
	}
	va_end(pairs);
	line_add_text(&line, log_format == LOG_JSON ? "}\n" : "\n");
	log_emit(level, &line);
}

bool
log_allow(struct log_limit *limit, uint32_t per_second, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000;

	if (second != limit->second) {
		limit->second = second;
		limit->used = 0;
	}
	if (limit->used >= per_second) {
		limit->suppressed++;
		return false;
	}
	limit->used++;
	log_unreported = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
