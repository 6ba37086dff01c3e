#include "node/process/exec_output.h"

#include <string.h>

void
exec_output_init(struct exec_output *output, unsigned number, const char *stream, enum log_level level)
{
	output->number = number;
	output->stream = stream;
	output->level = level;
	output->n = 0;
}

static void
output_log(const struct exec_output *output, const char *at, size_t n, bool more)
{
	struct text piece = text_of(at, n);

	if (more)
		log_event(output->level, "exec", "number", LOG_INT(output->number), "stream", LOG_STR(output->stream),
			"text", LOG_TEXT(piece), "more", LOG_STR("yes"), NULL);
	else
		log_event(output->level, "exec", "number", LOG_INT(output->number), "stream", LOG_STR(output->stream),
			"text", LOG_TEXT(piece), NULL);
}

/* `ends`: the line ends after these bytes. */
static void
output_log_line(const struct exec_output *output, const char *at, size_t n, bool ends)
{
	if (ends && n > 0 && at[n - 1] == '\r')
		n--;
	for (;;) {
		size_t fits = log_value_fits(at, n);

		output_log(output, at, fits, fits < n || !ends);
		if (fits == n)
			return;
		at += fits;
		n -= fits;
	}
}

/* Keeps the beginning of an unfinished line, and logs it in pieces if it exceeds the buffer. */
static void
output_keep(struct exec_output *output, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t room = sizeof output->line - output->n, take = n < room ? n : room;

		memcpy(output->line + output->n, bytes, take);
		output->n += take;
		bytes += take;
		n -= take;
		if (output->n == sizeof output->line && n > 0) {
			output_log_line(output, output->line, output->n, false);
			output->n = 0;
		}
	}
}

void
exec_output_feed(struct exec_output *output, const char *bytes, size_t n)
{
	const char *end;

	while (n > 0 && (end = memchr(bytes, '\n', n)) != NULL) {
		size_t length = (size_t)(end - bytes);

		if (output->n > 0) {
			output_keep(output, bytes, length);
			output_log_line(output, output->line, output->n, true);
			output->n = 0;
		} else {
			output_log_line(output, bytes, length, true);
		}
		bytes += length + 1;
		n -= length + 1;
	}
	output_keep(output, bytes, n);
}

void
exec_output_end(struct exec_output *output)
{
	if (output->n > 0)
		output_log_line(output, output->line, output->n, true);
	output->n = 0;
}
