#include "node/process/exec_output.h"

#include <string.h>

void
exec_output_init(struct exec_output *o, unsigned number, const char *stream, enum log_level level)
{
	o->number = number;
	o->stream = stream;
	o->level = level;
	o->n = 0;
}

static void
say(const struct exec_output *o, const char *at, size_t n, bool more)
{
	struct text piece = text_of(at, n);

	if (more)
		log_event(o->level, "exec", "number", LOG_INT(o->number), "stream", LOG_STR(o->stream), "text",
			LOG_TEXT(piece), "more", LOG_STR("yes"), NULL);
	else
		log_event(o->level, "exec", "number", LOG_INT(o->number), "stream", LOG_STR(o->stream), "text",
			LOG_TEXT(piece), NULL);
}

/* `ends`: the line's end stands behind these bytes. */
static void
say_line(const struct exec_output *o, const char *at, size_t n, bool ends)
{
	if (ends && n > 0 && at[n - 1] == '\r')
		n--;
	for (;;) {
		size_t fits = log_value_fits(at, n);

		say(o, at, fits, fits < n || !ends);
		if (fits == n)
			return;
		at += fits;
		n -= fits;
	}
}

/* Keeps a line that has no end yet. */
static void
keep(struct exec_output *o, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t room = sizeof o->line - o->n, take = n < room ? n : room;

		memcpy(o->line + o->n, bytes, take);
		o->n += take;
		bytes += take;
		n -= take;
		if (o->n == sizeof o->line && n > 0) {
			say_line(o, o->line, o->n, false);
			o->n = 0;
		}
	}
}

void
exec_output_feed(struct exec_output *o, const char *bytes, size_t n)
{
	const char *end;

	while (n > 0 && (end = memchr(bytes, '\n', n)) != NULL) {
		size_t length = (size_t)(end - bytes);

		if (o->n > 0) {
			keep(o, bytes, length);
			say_line(o, o->line, o->n, true);
			o->n = 0;
		} else {
			say_line(o, bytes, length, true);
		}
		bytes += length + 1;
		n -= length + 1;
	}
	keep(o, bytes, n);
}

void
exec_output_end(struct exec_output *o)
{
	if (o->n > 0)
		say_line(o, o->line, o->n, true);
	o->n = 0;
}
