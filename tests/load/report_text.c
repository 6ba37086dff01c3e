#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/load/report.h"

#define LABEL "%-12s" /* the label at the start of a line */
#define COLUMNS 3     /* of times */
#define VALUE_MAX 48  /* bytes of a formatted number */
#define MIB (1024.0 * 1024)

/* 1234567.891 with one decimal: "1,234,567.9". */
static const char *
grouped(char out[VALUE_MAX], double value, int decimals)
{
	char plain[VALUE_MAX];
	size_t n, whole, at = 0;

	/* 2^64 takes 27 characters with its commas */
	if (!(fabs(value) < 18446744073709551616.0)) {
		snprintf(out, VALUE_MAX, "?");
		return out;
	}
	n = (size_t)snprintf(plain, sizeof plain, "%.*f", decimals, value);
	whole = strcspn(plain, ".");
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-')
			out[at++] = ',';
		out[at++] = plain[i];
	}
	out[at] = '\0';
	return out;
}

static const char *
counted(char out[VALUE_MAX], uint64_t value)
{
	return grouped(out, (double)value, 0);
}

/* A rate, with decimals only for small values. */
static const char *
rated(char out[VALUE_MAX], double value)
{
	return grouped(out, value, value < 1000 ? 1 : 0);
}

/* A time in a suitable unit. */
static const char *
timed(char out[VALUE_MAX], double ns)
{
	if (ns < 1e3)
		snprintf(out, VALUE_MAX, "%.0f ns", ns);
	else if (ns < 1e6)
		snprintf(out, VALUE_MAX, "%.1f us", ns / 1e3);
	else if (ns < 1e10)
		snprintf(out, VALUE_MAX, "%.3f ms", ns / 1e6);
	else
		snprintf(out, VALUE_MAX, "%.1f s", ns / 1e9);
	return out;
}

/*
 * Writes text of servers and users without control characters, C1 (c2 80 to c2 9f) included, which a terminal would
 * obey.
 */
static void
print_words(struct buffer *out, const char *words)
{
	for (; *words; words++) {
		unsigned char c = (unsigned char)*words, next = (unsigned char)words[1];

		if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			buffer_add_byte(out, '?');
			words++;
		} else {
			buffer_add_byte(out, c < ' ' || c == 0x7f ? '?' : c);
		}
	}
}

static void
print_title(struct buffer *out, const struct report *r)
{
	buffer_printf(out, "%s: %.1f s measured, ", r->scenario, r->seconds);
	for (unsigned i = 0; i < r->url_count; i++) {
		buffer_add_text(out, i > 0 ? TEXT(", ") : TEXT(""));
		print_words(out, r->urls[i]);
	}
	buffer_add_text(out, TEXT("\n\n"));
}

static void
print_clients(struct buffer *out, const struct report *r)
{
	char a[VALUE_MAX], b[VALUE_MAX];

	buffer_printf(out, LABEL "%s of %s joined", "clients", counted(a, r->joined), counted(b, r->wanted));
	if (r->opened != r->joined)
		buffer_printf(out, ", %s connections opened", counted(a, r->opened));
	if (r->left > 0)
		buffer_printf(out, ", %s left", counted(a, r->left));
	if (r->reconnected > 0)
		buffer_printf(out, ", %s reconnected", counted(a, r->reconnected));
	if (r->connects > 0)
		buffer_printf(out, "; %s joined per second", rated(a, r->connects));
	buffer_add_byte(out, '\n');
}

static void
print_recovery(struct buffer *out, const struct report *r)
{
	char a[VALUE_MAX];

	if (!r->recovers)
		return;
	buffer_printf(out, LABEL "%15s", "recovered", counted(a, r->recovered));
	if (r->recovery_seconds > 0)
		buffer_printf(out, "   %.3f s from the first loss to the last return", r->recovery_seconds);
	buffer_printf(
		out, "\n" LABEL "%15s   came back without their sessions\n", "renewed", counted(a, r->not_recovered));
	buffer_printf(out, LABEL "%15s   missed messages that recovered clients received\n", "replayed",
		counted(a, r->replayed));
}

static void
print_flow(struct buffer *out, const char *label, uint64_t count, double rate, const char *more)
{
	char a[VALUE_MAX], b[VALUE_MAX];

	buffer_printf(out, LABEL "%15s   %13s per second%s\n", label, counted(a, count), rated(b, rate), more);
}

static void
print_messages(struct buffer *out, const struct report *r)
{
	static const struct {
		const char *label, *words;
		size_t at;
		bool always;
	} rows[] = {
		{"lost", "", offsetof(struct report, lost), true},
		{"missed", "   while their client was away", offsetof(struct report, missed), false},
		{"duplicated", "", offsetof(struct report, duplicated), true},
		{"reordered", "", offsetof(struct report, reordered), true},
		{"unanswered", "   not answered in time, or no sender was connected",
			offsetof(struct report, unanswered), false},
	};
	char a[VALUE_MAX], more[VALUE_MAX] = "";
	bool flow = r->sent > 0 || r->received > 0;

	if (r->bytes_received > 0 && r->seconds > 0)
		snprintf(more, sizeof more, ", %.1f MiB/s", (double)r->bytes_received / r->seconds / MIB);
	if (r->sent > 0)
		print_flow(out, "sent", r->sent, report_message_rate(r), "");
	if (r->received > 0)
		print_flow(out, "received", r->received, report_delivery_rate(r), more);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t count = *(const uint64_t *)(const void *)((const char *)r + rows[i].at);

		if (count > 0 || (flow && rows[i].always))
			buffer_printf(out, LABEL "%15s%s\n", rows[i].label, counted(a, count), rows[i].words);
	}
}

static bool
has_times(const struct histogram *h)
{
	return h && h->count > 0;
}

static void
print_times(struct buffer *out, const struct report *r)
{
	static const struct {
		const char *label;
		double percent; /* or -1 for the mean */
	} rows[] = {{"min", 0}, {"mean", -1}, {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9},
		{"p99.99", 99.99}, {"max", 100}};
	const struct histogram *columns[COLUMNS] = {r->latency, r->connect_time, r->away_time};
	static const char *const heads[COLUMNS] = {"latency", "connect", "away"};
	char a[VALUE_MAX];

	if (!has_times(r->latency) && !has_times(r->connect_time) && !has_times(r->away_time))
		return;
	buffer_printf(out, "\n" LABEL, "times in ms");
	for (unsigned c = 0; c < COLUMNS; c++)
		if (has_times(columns[c]))
			buffer_printf(out, "%15s", heads[c]);
	buffer_printf(out, "\n" LABEL, "  count");
	for (unsigned c = 0; c < COLUMNS; c++)
		if (has_times(columns[c]))
			buffer_printf(out, "%15s", counted(a, columns[c]->count));
	buffer_add_byte(out, '\n');
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		buffer_printf(out, "  %-10s", rows[i].label);
		for (unsigned c = 0; c < COLUMNS; c++) {
			const struct histogram *h = columns[c];
			double ns;

			if (!has_times(h))
				continue;
			ns = rows[i].percent < 0      ? histogram_mean(h)
			     : rows[i].percent == 0   ? (double)h->min
			     : rows[i].percent == 100 ? (double)h->max
						      : (double)histogram_percentile(h, rows[i].percent);
			buffer_printf(out, "%15s", grouped(a, ns / 1e6, 3));
		}
		buffer_add_byte(out, '\n');
	}
}

static void
print_errors(struct buffer *out, const struct report *r)
{
	char a[VALUE_MAX];

	if (report_errors(r) == 0)
		return;
	buffer_printf(out, "\n" LABEL "%15s\n", "errors", counted(a, report_errors(r)));
	for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++)
		if (r->errors[i] > 0)
			buffer_printf(out, "  %-10s%15s   %s\n", load_error_name(i), counted(a, r->errors[i]),
				load_error_words(i));
	if (r->first_error[0]) {
		buffer_add_text(out, TEXT("  the first: "));
		print_words(out, r->first_error);
		buffer_add_byte(out, '\n');
	}
}

static void
print_memory(struct buffer *out, const struct report *r)
{
	char a[VALUE_MAX], b[VALUE_MAX];
	double value;

	buffer_printf(out, LABEL "%s MiB with all clients, %s MiB before", "  memory",
		grouped(a, (double)r->memory / MIB, 1), grouped(b, (double)r->memory_before / MIB, 1));
	if (report_value(r, CRITERION_MEMORY, 0, &value) == 0)
		buffer_printf(out, ": %s bytes per client", grouped(a, value, 0));
	buffer_add_byte(out, '\n');
	if (report_value(r, CRITERION_MEMORY_AFTER, 0, &value) == 0)
		buffer_printf(out, LABEL "%s MiB after all had left (%s%s MiB)\n", "",
			grouped(a, (double)r->memory_after / MIB, 1), value < 0 ? "" : "+",
			grouped(b, value / MIB, 1));
}

static void
print_server(struct buffer *out, const struct report *r)
{
	char a[VALUE_MAX];
	double value;

	buffer_printf(out, "\n" LABEL "%u process%s, pid", "server", r->server_processes,
		r->server_processes == 1 ? "" : "es");
	for (unsigned i = 0; i < r->server_pid_count; i++)
		buffer_printf(out, "%s %d", i > 0 ? "," : "", (int)r->server_pids[i]);
	buffer_printf(out, "%s\n", r->server_processes > r->server_pid_count ? " and descendants" : "");
	if (report_value(r, CRITERION_CPU, 0, &value) == 0)
		buffer_printf(out, LABEL "%.1f %% of a core: %.2f s user, %.2f s system\n", "  CPU", value,
			r->server_user, r->server_system);
	if (report_value(r, CRITERION_CPU_PER_MESSAGE, 0, &value) == 0) {
		buffer_printf(out, LABEL "%s per message sent", "", timed(a, value));
		if (report_value(r, CRITERION_CPU_PER_DELIVERY, 0, &value) == 0)
			buffer_printf(out, ", %s per message received", timed(a, value));
		buffer_add_byte(out, '\n');
	}
	if (r->has_memory)
		print_memory(out, r);
	else
		buffer_printf(out, LABEL "cannot be read; run as the server's user or as root\n", "  memory");
}

static void
print_surroundings(struct buffer *out, const struct report *r)
{
	char a[VALUE_MAX], b[VALUE_MAX];
	double value;
	bool sockets = r->socket_bytes > 0 && report_value(r, CRITERION_SOCKET_MEMORY, 0, &value) == 0;

	if (!r->has_server && (sockets || r->tester_count > 0))
		buffer_add_byte(out, '\n');
	if (sockets)
		buffer_printf(out, LABEL "%s MiB for this machine's sockets: %s bytes per client\n", "kernel",
			grouped(a, (double)r->socket_bytes / MIB, 1), grouped(b, value, 0));
	if (r->tester_count > 0) {
		buffer_printf(out, LABEL "CPU", "tester");
		for (unsigned i = 0; i < r->tester_count; i++)
			buffer_printf(out, "%s %.0f %%", i > 0 ? "," : "", r->tester_cpu[i]);
		buffer_add_byte(out, '\n');
	}
	if (r->bottleneck[0]) {
		buffer_add_text(out, TEXT("\nThe tester, not the server, set the limit here: "));
		print_words(out, r->bottleneck);
		buffer_add_byte(out, '\n');
	}
}

/* The value in the notation of the command line. */
static const char *
valued(char out[VALUE_MAX], const struct criterion *c)
{
	size_t n;

	if (!c->has_value) {
		snprintf(out, VALUE_MAX, "not measured");
		return out;
	}
	switch (criterion_kind(c->what)) {
	case CRITERION_KIND_TIME:
		return timed(out, c->value);
	case CRITERION_KIND_COUNT:
		return grouped(out, c->value, c->value == floor(c->value) ? 0 : 1);
	case CRITERION_KIND_BYTES:
		grouped(out, c->value, 0);
		n = strlen(out);
		snprintf(out + n, VALUE_MAX - n, " bytes");
		return out;
	case CRITERION_KIND_PERCENT:
		grouped(out, c->value, 1);
		n = strlen(out);
		snprintf(out + n, VALUE_MAX - n, " %%");
		return out;
	}
	return "";
}

static void
print_criteria(struct buffer *out, const struct report *r)
{
	int widest = 0, widest_value = 0;
	char a[VALUE_MAX];

	if (r->criterion_count == 0)
		return;
	for (unsigned i = 0; i < r->criterion_count; i++) {
		int n = (int)strlen(r->criteria[i].text), v = (int)strlen(valued(a, &r->criteria[i]));

		widest = n > widest ? n : widest;
		widest_value = v > widest_value ? v : widest_value;
	}
	buffer_add_text(out, TEXT("\nassertions\n"));
	for (unsigned i = 0; i < r->criterion_count; i++) {
		const struct criterion *c = &r->criteria[i];

		buffer_add_text(out, TEXT("  "));
		print_words(out, c->text);
		buffer_printf(out, "%*s   %*s   %s\n", widest - (int)strlen(c->text), "", widest_value, valued(a, c),
			c->holds ? "holds" : "does not hold");
	}
}

void
report_text(const struct report *r, struct buffer *out)
{
	print_title(out, r);
	print_clients(out, r);
	print_recovery(out, r);
	print_messages(out, r);
	print_times(out, r);
	print_errors(out, r);
	if (r->has_server)
		print_server(out, r);
	print_surroundings(out, r);
	print_criteria(out, r);
}
