/*
 * An end of the form that shares streams (bus_streams.c), with one member, which notes what it hears.
 */
#ifndef TESTS_UNIT_BROKER_STREAMS_END_H
#define TESTS_UNIT_BROKER_STREAMS_END_H

#include "tests/unit/broker/streams_server.h"

struct streams_end {
	struct bus_end *end;
	struct bus_member member;
	struct buffer heard; /* the number of each event, or a foreign payload in parentheses, and a blank */
	char last_id[WIRE_STREAM_ID_SIZE];
	unsigned settled, answers;
	bool closed;
};

static inline void
streams_end_on_message(struct bus_member *member, const struct bus_message *message)
{
	struct streams_end *end = container_of(member, struct streams_end, member);
	struct text payload = message->payload;
	const char *at = payload.n > 0 ? memmem(payload.at, payload.n, "\"news\",", 7) : NULL;

	end->answers += message->kind == BUS_RESPONSE;
	snprintf(end->last_id, sizeof end->last_id, "%.*s", (int)message->id.n,
		message->id.at != NULL ? message->id.at : "");
	if (at != NULL)
		buffer_printf(&end->heard, "%d ", atoi(at + 7));
	else
		buffer_printf(&end->heard, "(%.*s) ", (int)payload.n, payload.at != NULL ? payload.at : "");
}

static inline void
streams_end_on_settled(struct bus_member *member)
{
	container_of(member, struct streams_end, member)->settled++;
}

static const struct bus_form_ops streams_end_ops = {
	.on_message = streams_end_on_message, .on_settled = streams_end_on_settled};

static inline void
streams_end_on_closed(void *arg)
{
	((struct streams_end *)arg)->closed = true;
}

static inline struct bus_form_options
streams_options(void)
{
	return (struct bus_form_options){.server = server.url,
		.key = "k",
		.max_queue = 2000,
		.check_ms = 100,
		.timeout_ms = 300,
		.stream = {.name = "s", .count = 1, .max_len = 1000, .read_count = 10, .block_ms = 300}};
}

static inline void
open_end_with(struct streams_end *end, const char *uid, const char *nsp, const struct bus_form_options *o)
{
	char error[BUS_ERROR_MAX];

	memset(end, 0, sizeof *end);
	buffer_init(&end->heard, 1 << 20);
	if (bus_streams.open(&end->end, &bench.loop, o, &streams_end_ops, error) < 0)
		fail_msg("%s", error);
	end->member = (struct bus_member){.name = text_from(nsp), .uid = text_from(uid)};
	bus_streams.subscribe(end->end, &end->member);
}

static inline struct bus_stats
stats(const struct streams_end *end)
{
	struct bus_stats out;

	bus_streams.stats(end->end, &out);
	return out;
}

/* Opens an end with the default options and waits until it is connected. */
static inline void
open_end(struct streams_end *end, const char *uid)
{
	struct bus_form_options o = streams_options();

	open_end_with(end, uid, "/", &o);
	RUN_UNTIL(stats(end).up);
}

static inline void
close_end(struct streams_end *end)
{
	bus_streams.unsubscribe(end->end, &end->member);
	bus_streams.close(end->end, 500, streams_end_on_closed, end);
	RUN_UNTIL(end->closed);
	buffer_fini(&end->heard);
}

static inline int
publish_text(struct streams_end *end, enum bus_kind kind, const char *text)
{
	struct block *block = block_copy(text, strlen(text));
	int rc = bus_streams.publish(end->end, &end->member, kind, TEXT_NONE, block);

	block_unref(block);
	return rc;
}

/* Broadcasts the event "news" with the number `n`. */
static inline int
emit(struct streams_end *end, int n)
{
	char text[256];

	snprintf(text, sizeof text,
		"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"news\",%d]},\"opts\":{\"rooms\":[],"
		"\"except\":[],"
		"\"flags\":{}}},\"uid\":\"%.*s\",\"nsp\":\"%.*s\"}",
		n, (int)end->member.uid.n, end->member.uid.at, (int)end->member.name.n, end->member.name.at);
	return publish_text(end, BUS_BROADCAST, text);
}

static inline bool
has(const struct buffer *buffer, const char *text)
{
	return text_ends(buffer_text(buffer), text_from(text));
}

/* Runs until the member has heard `text` last, and fails unless it has heard nothing else. */
#define UNTIL_HEARD(end, text)                                                                                       \
	do {                                                                                                         \
		RUN_UNTIL(has(&(end)->heard, text) || (end)->heard.len > 4000);                                      \
		if (!text_is(buffer_text(&(end)->heard), text_from(text)))                                           \
			fail_msg("heard \"%.*s\"", (int)(end)->heard.len, (char *)(end)->heard.data);                \
	} while (0)

#endif
