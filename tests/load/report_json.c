#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/base/json.h"
#include "tests/load/report.h"

#define NS_PER_MS 1e6

/* Writes a comma unless the member is the first of its object or array. */
static void
separate(struct buffer *out)
{
	uint8_t last = out->len > 0 ? out->data[out->len - 1] : '[';

	if (last != '{' && last != '[')
		buffer_add_byte(out, ',');
}

static void
add_key(struct buffer *out, const char *key)
{
	separate(out);
	json_write_string(out, text_from(key));
	buffer_add_byte(out, ':');
}

/* Begins a member of the whole, on a line of its own, so that people can read the file too. */
static void
add_section(struct buffer *out, const char *key)
{
	separate(out);
	buffer_add_byte(out, '\n');
	json_write_string(out, text_from(key));
	buffer_add_byte(out, ':');
}

static void
add_count(struct buffer *out, const char *key, uint64_t value)
{
	add_key(out, key);
	buffer_printf(out, "%" PRIu64, value);
}

/* Rates and quotients are written with three decimals; more would be noise. */
static void
add_double(struct buffer *out, const char *key, double value)
{
	add_key(out, key);
	json_write_double(out, round(value * 1000) / 1000);
}

static void
add_ms(struct buffer *out, const char *key, double ns)
{
	add_key(out, key);
	json_write_double(out, round(ns) / NS_PER_MS);
}

static void
add_string(struct buffer *out, const char *key, const char *value)
{
	add_key(out, key);
	if (value)
		json_write_string(out, text_from(value));
	else
		buffer_add_text(out, TEXT("null"));
}

static void
add_bool(struct buffer *out, const char *key, bool value)
{
	add_key(out, key);
	buffer_add_text(out, value ? TEXT("true") : TEXT("false"));
}

/* Writes a value in its own unit, or null if this run does not have it. */
static void
add_value(struct buffer *out, const char *key, const struct report *r, enum criterion_what what, double unit)
{
	double value;

	if (report_value(r, what, 0, &value) == 0) {
		add_double(out, key, value / unit);
	} else {
		add_key(out, key);
		buffer_add_text(out, TEXT("null"));
	}
}

static void
add_option(struct buffer *out, const struct option_row *row, const void *into)
{
	const char *field = (const char *)into + row->offset;
	struct text choices, choice = TEXT_NONE;

	switch (row->type) {
	case OPTION_FLAG:
		add_bool(out, row->name, *(const bool *)(const void *)field);
		break;
	case OPTION_AUTO:
		if (*(const int *)(const void *)field < 0)
			add_string(out, row->name, "auto");
		else
			add_bool(out, row->name, *(const int *)(const void *)field > 0);
		break;
	case OPTION_MS: {
		char name[128]; /* the name contains the unit */
		struct text plain = text_from(row->name);

		snprintf(name, sizeof name, "%s%s", row->name, text_ends(plain, TEXT("Ms")) ? "" : "Ms");
		add_count(out, name, *(const uint64_t *)(const void *)field);
		break;
	}
	case OPTION_NUMBER:
	case OPTION_BYTES:
		add_count(out, row->name, *(const uint64_t *)(const void *)field);
		break;
	case OPTION_TEXT:
	case OPTION_SWITCH:
	case OPTION_LIST:
	case OPTION_EACH:
		add_string(out, row->name, *(char *const *)(const void *)field);
		break;
	case OPTION_CHOICE:
		choices = text_from(row->choices);
		for (int i = 0; i <= *(const int *)(const void *)field; i++)
			text_cut(&choices, '|', &choice);
		add_key(out, row->name);
		json_write_string(out, choice);
		break;
	}
}

static void
add_what_was_run(struct buffer *out, const struct report *r)
{
	add_string(out, "tool", "sockeye-load");
	add_string(out, "version", SOCKEYE_VERSION);
	add_string(out, "scenario", r->scenario);
	add_key(out, "urls");
	buffer_add_byte(out, '[');
	for (unsigned i = 0; i < r->url_count; i++) {
		separate(out);
		json_write_string(out, text_from(r->urls[i]));
	}
	buffer_add_byte(out, ']');

	add_section(out, "options");
	buffer_add_byte(out, '{');
	for (size_t i = 0; r->options && i < r->options->count; i++)
		add_option(out, &r->options->rows[i], r->options->into);
	buffer_add_byte(out, '}');
	add_section(out, "seconds");
	json_write_double(out, round(r->seconds * 1e6) / 1e6);
}

static void
add_latency(struct buffer *out, const char *key, const struct histogram *h)
{
	static const struct {
		const char *key;
		double percent;
	} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"p99.99", 99.99}};
	bool some = h && h->count > 0;

	add_section(out, key);
	buffer_add_byte(out, '{');
	add_count(out, "count", some ? h->count : 0);
	add_ms(out, "min", some ? (double)h->min : 0);
	add_ms(out, "mean", some ? histogram_mean(h) : 0);
	for (unsigned i = 0; i < sizeof percentiles / sizeof *percentiles; i++)
		add_ms(out, percentiles[i].key, some ? (double)histogram_percentile(h, percentiles[i].percent) : 0);
	add_ms(out, "max", some ? (double)h->max : 0);
	buffer_add_byte(out, '}');
}

static void
add_recovery(struct buffer *out, const struct report *r)
{
	add_section(out, "recovery");
	buffer_add_byte(out, '{');
	add_count(out, "recovered", r->recovered);
	add_count(out, "notRecovered", r->not_recovered);
	add_count(out, "replayed", r->replayed);
	add_double(out, "seconds", r->recovery_seconds);
	buffer_add_byte(out, '}');
	add_latency(out, "awayTime", r->away_time);
}

static void
add_counts(struct buffer *out, const struct report *r)
{
	add_section(out, "clients");
	buffer_add_byte(out, '{');
	add_count(out, "wanted", r->wanted);
	add_count(out, "opened", r->opened);
	add_count(out, "joined", r->joined);
	add_count(out, "left", r->left);
	add_count(out, "reconnected", r->reconnected);
	buffer_add_byte(out, '}');

	add_section(out, "rates");
	buffer_add_byte(out, '{');
	add_double(out, "connects", r->connects);
	add_double(out, "messages", report_message_rate(r));
	add_double(out, "deliveries", report_delivery_rate(r));
	buffer_add_byte(out, '}');

	add_latency(out, "latency", r->latency);
	add_latency(out, "connectTime", r->connect_time);
	if (r->recovers)
		add_recovery(out, r);

	add_section(out, "messages");
	buffer_add_byte(out, '{');
	add_count(out, "sent", r->sent);
	add_count(out, "received", r->received);
	add_count(out, "lost", r->lost);
	add_count(out, "missed", r->missed);
	add_count(out, "duplicated", r->duplicated);
	add_count(out, "reordered", r->reordered);
	add_count(out, "unanswered", r->unanswered);
	buffer_add_byte(out, '}');

	add_section(out, "errors");
	buffer_add_byte(out, '{');
	for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++)
		if (r->errors[i] > 0)
			add_count(out, load_error_name(i), r->errors[i]);
	buffer_add_byte(out, '}');
}

static void
add_memory(struct buffer *out, const char *key, bool known, uint64_t value)
{
	if (known) {
		add_count(out, key, value);
	} else {
		add_key(out, key);
		buffer_add_text(out, TEXT("null"));
	}
}

static void
add_server(struct buffer *out, const struct report *r)
{
	add_section(out, "server");
	buffer_add_byte(out, '{');
	add_key(out, "pids");
	buffer_add_byte(out, '[');
	for (unsigned i = 0; i < r->server_pid_count; i++) {
		separate(out);
		buffer_add_number(out, r->server_pids[i]);
	}
	buffer_add_byte(out, ']');
	add_count(out, "processes", r->server_processes);
	add_double(out, "userSeconds", r->server_user);
	add_double(out, "systemSeconds", r->server_system);
	add_value(out, "cpuPercent", r, CRITERION_CPU, 1);
	add_value(out, "cpuMicrosecondsPerMessage", r, CRITERION_CPU_PER_MESSAGE, 1000);
	add_value(out, "cpuMicrosecondsPerDelivery", r, CRITERION_CPU_PER_DELIVERY, 1000);
	add_memory(out, "memoryBefore", r->has_memory, r->memory_before);
	add_memory(out, "memory", r->has_memory, r->memory);
	add_value(out, "memoryPerClient", r, CRITERION_MEMORY, 1);
	add_memory(out, "memoryAfter", r->has_memory && r->has_memory_after, r->memory_after);
	buffer_add_byte(out, '}');
}

static void
add_surroundings(struct buffer *out, const struct report *r)
{
	add_section(out, "kernel");
	buffer_add_byte(out, '{');
	add_key(out, "socketBytes");
	buffer_add_number(out, r->socket_bytes);
	add_value(out, "socketBytesPerClient", r, CRITERION_SOCKET_MEMORY, 1);
	buffer_add_byte(out, '}');

	add_section(out, "tester");
	buffer_add_byte(out, '{');
	add_key(out, "cpuPercent");
	buffer_add_byte(out, '[');
	for (unsigned i = 0; i < r->tester_count; i++) {
		separate(out);
		json_write_double(out, round(r->tester_cpu[i] * 10) / 10);
	}
	buffer_add_byte(out, ']');
	add_bool(out, "bottleneck", r->bottleneck[0] != '\0');
	add_string(out, "why", r->bottleneck);
	buffer_add_byte(out, '}');
}

static void
add_series(struct buffer *out, const struct report *r)
{
	add_section(out, "series");
	buffer_add_byte(out, '[');
	for (unsigned i = 0; i < r->series_count; i++) {
		const struct series_second *s = &r->series[i];

		separate(out);
		buffer_add_text(out, TEXT("\n{"));
		add_count(out, "second", i);
		add_count(out, "joined", s->joined);
		add_count(out, "messages", s->messages);
		add_count(out, "deliveries", s->deliveries);
		add_ms(out, "p50", (double)series_percentile(s, 50));
		add_ms(out, "p99", (double)series_percentile(s, 99));
		add_ms(out, "max", (double)s->max);
		buffer_add_byte(out, '}');
	}
	buffer_add_byte(out, ']');
}

static void
add_criteria(struct buffer *out, const struct report *r)
{
	add_section(out, "assert");
	buffer_add_byte(out, '[');
	for (unsigned i = 0; i < r->criterion_count; i++) {
		const struct criterion *c = &r->criteria[i];

		separate(out);
		buffer_add_text(out, TEXT("\n{"));
		add_string(out, "criterion", c->text);
		if (c->has_value && criterion_kind(c->what) == CRITERION_KIND_TIME) {
			add_ms(out, "value", c->value);
		} else if (c->has_value) {
			add_double(out, "value", c->value);
		} else {
			add_key(out, "value");
			buffer_add_text(out, TEXT("null"));
		}
		add_bool(out, "holds", c->holds);
		buffer_add_byte(out, '}');
	}
	buffer_add_byte(out, ']');
}

void
report_json(const struct report *r, struct buffer *out)
{
	buffer_add_byte(out, '{');
	add_what_was_run(out, r);
	add_counts(out, r);
	if (r->has_server)
		add_server(out, r);
	add_surroundings(out, r);
	add_series(out, r);
	add_criteria(out, r);
	buffer_add_text(out, TEXT("\n}\n"));
}
