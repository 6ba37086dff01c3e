#include "common/io/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/date.h"

#define LINE_MAX_BYTES 4096  /* one write() of so much stays in one piece in a pipe */
#define VALUE_MAX_BYTES 1024 /* escaped; so that one long value leaves room for the others */
#define STALL_MS 1000	     /* a line waits no longer for a reader of the log that stands still, */
#define PATIENCE_MS 60000    /* and within so long after that none waits at all */

enum log_level log_max_level = LOG_INFO;
static void (*line_sink)(void *arg, enum log_level level, const char *line, size_t n);
static void *sink_arg;
static const char *origin_key;
static int64_t origin_number;

/* What log_allow() held back and the next line of this thread reports. */
static _Thread_local uint32_t unreported;

/* Lines of this thread that did not get out whole, told by the first that does, and until when none waits. */
static _Thread_local uint32_t lost;
static _Thread_local int64_t impatient_until;
static _Thread_local bool torn; /* the last one ended in its middle: a full disk */

struct line {
	char at[LINE_MAX_BYTES];
	size_t n;
};

void
log_set_level(enum log_level level)
{
	log_max_level = level;
}

bool
log_enabled(enum log_level level)
{
	return level <= log_max_level;
}

void
log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line, size_t n), void *arg)
{
	line_sink = sink;
	sink_arg = arg;
}

static bool
is_plain(unsigned char ch)
{
	return ch > ' ' && ch < 0x7f && ch != '"' && ch != '\\' && ch != '=';
}

/* How `ch` looks inside quotes; returns the length. */
static size_t
escape(unsigned char ch, char out[4])
{
	char named = ch == '\n' ? 'n' : ch == '\r' ? 'r' : ch == '\t' ? 't' : ch == '"' || ch == '\\' ? (char)ch : 0;

	if (named != 0) {
		out[0] = '\\';
		out[1] = named;
		return 2;
	}
	if (ch >= ' ' && ch < 0x7f) {
		out[0] = (char)ch;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = ascii_hex_digits[ch >> 4];
	out[3] = ascii_hex_digits[ch & 15];
	return 4;
}

static void
add(struct line *line, const char *bytes, size_t n)
{
	memcpy(line->at + line->n, bytes, n);
	line->n += n;
}

/* Bytes that may still go into the line, the final newline left out. */
static size_t
room(const struct line *line)
{
	return sizeof(line->at) - 1 - line->n;
}

#define CUT_BYTES (sizeof("...\"") - 1) /* kept back for the end of a value that is cut */

/* A value, quoted where needed, cut with "..." when it is over its limit. The caller has left room for 8 bytes. */
static void
add_value(struct line *line, const char *value, size_t n)
{
	size_t limit = room(line) < VALUE_MAX_BYTES ? room(line) : VALUE_MAX_BYTES;
	size_t start = line->n, tail = CUT_BYTES, i;
	bool quoted = n == 0;
	char piece[4];

	for (i = 0; i < n && i < limit && !quoted; i++)
		quoted = !is_plain((unsigned char)value[i]);
	if (quoted)
		add(line, "\"", 1);
	for (i = 0; i < n; i++) {
		size_t len = escape((unsigned char)value[i], piece);

		if (line->n - start + len + tail > limit)
			break;
		add(line, piece, len);
	}
	if (i < n)
		add(line, "...", 3);
	if (quoted)
		add(line, "\"", 1);
}

size_t
log_value_fits(const char *value, size_t n)
{
	size_t used = 1 + CUT_BYTES; /* the first quote */
	char piece[4];

	for (size_t i = 0; i < n; i++) {
		used += escape((unsigned char)value[i], piece);
		if (used > VALUE_MAX_BYTES)
			return i;
	}
	return n;
}

/* " key=", or false when the line has no room for the pair. Keys are ours, yet a line stays a line whatever they
 * hold. */
static bool
add_key(struct line *line, const char *key)
{
	size_t n = strlen(key);

	if (n + 2 + 24 > room(line))
		return false;
	add(line, " ", 1);
	for (size_t i = 0; i < n; i++)
		add(line, is_plain((unsigned char)key[i]) ? &key[i] : "_", 1);
	add(line, "=", 1);
	return true;
}

static void
add_number(struct line *line, int64_t number)
{
	char digits[24], *at = digits + sizeof digits;
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (number < 0)
		*--at = '-';
	add(line, at, (size_t)(digits + sizeof digits - at));
}

static void
add_digits(struct line *line, unsigned width, unsigned number, const char *end)
{
	char digits[8];

	for (unsigned i = width; i > 0; number /= 10)
		digits[--i] = (char)('0' + number % 10);
	add(line, digits, width);
	add(line, end, strlen(end));
}

/* By its own arithmetic: gmtime_r() takes a lock, which a signal handler may find taken. */
static void
add_start(struct line *line, enum log_level level, const char *event)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	struct timespec now;
	struct date date;
	unsigned second;

	clock_gettime(CLOCK_REALTIME, &now);
	date = date_of_day(now.tv_sec / DAY_SECONDS);
	second = (unsigned)(now.tv_sec % DAY_SECONDS);
	add(line, "time=", 5);
	add_digits(line, 4, (unsigned)date.year, "-");
	add_digits(line, 2, date.month, "-");
	add_digits(line, 2, date.day, "T");
	add_digits(line, 2, second / 3600, ":");
	add_digits(line, 2, second / 60 % 60, ":");
	add_digits(line, 2, second % 60, ".");
	add_digits(line, 3, (unsigned)(now.tv_nsec / 1000000), "Z level=");
	add(line, names[level], strlen(names[level]));
	add(line, " event=", 7);
	add_value(line, event, strlen(event));
}

void
log_set_origin(const char *key, int64_t number)
{
	origin_key = key;
	origin_number = number;
	lost = 0; /* in a child of fork(): its parent tells what it lost itself */
}

static int64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until then at most; a signal does not end the wait. Errors are left to the write. */
static bool
writable(int64_t until)
{
	struct pollfd to = {STDERR_FILENO, POLLOUT, 0};
	int ready;

	do {
		int64_t left = until - monotonic_ms();

		ready = poll(&to, 1, left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR);
	return ready != 0;
}

/*
 * True when a write will not block: a pipe that is writable takes PIPE_BUF bytes, which is a whole line. A collector
 * that hangs would else stop all clients.
 */
static bool
reader_takes(void)
{
	int64_t now = monotonic_ms();

	if (writable(now))
		return true;
	if (now < impatient_until)
		return false;
	if (writable(now + STALL_MS))
		return true;
	impatient_until = monotonic_ms() + PATIENCE_MS;
	return false;
}

static void
emit(enum log_level level, const struct line *line)
{
	size_t done = 0;

	if (line_sink != NULL) {
		line_sink(sink_arg, level, line->at, line->n);
		return;
	}
	if (reader_takes()) {
		while (done < line->n) {
			ssize_t n = write(STDERR_FILENO, line->at + done, line->n - done);

			if (n > 0)
				done += (size_t)n;
			else if (n == 0 || errno != EINTR)
				break;
		}
	}
	lost = done < line->n ? lost + 1 : 0;
	if (done > 0)
		torn = line->at[done - 1] != '\n';
}

void
log_event(enum log_level level, const char *event, ...)
{
	struct line line;
	uint32_t suppressed = unreported;
	const char *key;
	va_list pairs;

	unreported = 0;
	if (!log_enabled(level))
		return;
	line.n = 0;
	if (torn && line_sink == NULL)
		add(&line, "\n", 1);
	add_start(&line, level, event);
	if (origin_key != NULL && add_key(&line, origin_key))
		add_number(&line, origin_number);
	if (suppressed > 0 && add_key(&line, "suppressed"))
		add_number(&line, suppressed);
	if (lost > 0 && line_sink == NULL && add_key(&line, "lost"))
		add_number(&line, lost);
	va_start(pairs, event);
	while ((key = va_arg(pairs, const char *)) != NULL) {
		const struct log_value *value = va_arg(pairs, const struct log_value *);

		if (!add_key(&line, key))
			break;
		if (value->is_number)
			add_number(&line, value->number);
		else
			add_value(&line, value->str, value->n);
	}
	va_end(pairs);
	add(&line, "\n", 1);
	emit(level, &line);
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
	unreported = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
