/* The WebSocket of a client: opening handshake, frames in both directions, closing handshake (RFC 6455). */
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/ws/ws_deflate.h"
#include "tests/load/client_internal.h"
#include "tests/load/http_answer.h"
#include "tests/load/load_options.h"

#define ANSWER_MAX 65536 /* bytes of a refusal's body */
#define PONG_MAX 125

static struct client *
client_of(struct conn *c)
{
	return conn_owner(c);
}

/* ------------------------------------------------------------------ frames */

/* Masks differ between frames. They are predictable, which matters only to browsers (RFC 6455 10.3). */
static void
new_mask(struct client_setup *s, uint8_t mask[4])
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	memcpy(mask, &s->random, 4);
}

void
client_ws_send(struct client *c, enum ws_opcode opcode, struct text head, struct text tail)
{
	size_t n = head.n + tail.n;
	struct block *block = block_new(ws_frame_header_size(n) + 4 + n);
	unsigned at = ws_frame_write(block->data, opcode, true, false, n);
	uint8_t *mask = block->data + at;

	block->data[1] |= 0x80; /* MASK bit, RFC 6455 5.2 */
	new_mask(c->setup, mask);
	memcpy(mask + 4, head.n ? head.at : "", head.n);
	memcpy(mask + 4 + head.n, tail.n ? tail.at : "", tail.n);
	ws_frame_unmask(mask + 4, n, mask, 0);
	conn_send(c->ws, block, 0, block->len);
	block_unref(block);
}

static void
on_frame(struct client *c, struct ws_event *event)
{
	bool probe = !c->over_ws;

	switch (event->opcode) {
	case WS_TEXT:
		if (probe)
			client_upgrade_on_text(c, event->data, event->n);
		else
			client_on_text(c, event->data, event->n);
		break;
	case WS_BINARY:
		client_on_binary(c, event->data, event->n);
		break;
	case WS_PING:
		client_ws_send(c, WS_PONG,
			text_of((const char *)event->data, event->n < PONG_MAX ? event->n : PONG_MAX), TEXT_NONE);
		break;
	case WS_CLOSE:
		if (probe)
			client_upgrade_failed(c, "the server closed the probe");
		else
			client_fail_format(
				c, LOAD_ERROR_CLOSED, "the server closed the WebSocket with code %u", event->code);
		break;
	default:
		break;
	}
}

static size_t
on_frames(struct conn *conn, uint8_t *data, size_t n)
{
	struct client *c = client_of(conn);
	size_t used = 0;

	while (!conn_dead(conn)) {
		struct ws_event event;
		int result = ws_reader_next(&c->reader, data + used, n - used, &used, &event);

		if (result == 0)
			break;
		if (result < 0) {
			client_fail_format(c, LOAD_ERROR_PROTOCOL, "a WebSocket frame that breaks RFC 6455 (%s)",
				names_word(&ws_reasons, event.reason));
			break;
		}
		on_frame(c, &event);
		mem_free(event.owned);
	}
	return used;
}

/* --------------------------------------------------------- opening handshake */

static void
refused(struct client *c)
{
	struct buffer *body = http_answer_body(c->answer);
	int n = body->len < 48 ? (int)body->len : 48;

	if (c->polling)
		client_upgrade_failed(c, "the WebSocket was refused");
	else
		client_fail_format(c, LOAD_ERROR_HTTP, "the WebSocket was refused: %u %.*s",
			http_answer_status(c->answer), n, n ? (const char *)body->data : "");
}

/* Reads one or two digits. Returns 0 if there is anything else. */
static int
window_bits(struct text digits)
{
	int bits = 0;

	for (size_t i = 0; i < digits.n; i++) {
		if (digits.n > 2 || digits.at[i] < '0' || digits.at[i] > '9')
			return 0;
		bits = bits * 10 + digits.at[i] - '0';
	}
	return bits;
}

/*
 * Reads what the server chose of the offer of target.c (RFC 7692 7.1). To the codec, which was written for servers,
 * the sender of compressed messages is the client. Returns false if the answer is not one to that offer.
 */
static bool
deflate_params(struct text answer, struct ws_deflate_params *params)
{
	struct text part;

	*params = (struct ws_deflate_params){.server_max_window_bits = 15, .client_max_window_bits = 15};
	if (!text_cut(&answer, ';', &part) || !text_is(text_trim(part), TEXT("permessage-deflate")))
		return false;
	while (text_cut(&answer, ';', &part)) {
		struct text bits = TEXT("server_max_window_bits=");

		part = text_trim(part);
		if (text_is(part, TEXT("server_no_context_takeover")))
			params->client_no_context_takeover = true;
		else if (text_starts(part, bits))
			params->client_max_window_bits = window_bits(text_of(part.at + bits.n, part.n - bits.n));
		else if (!text_starts(part, TEXT("client_")))
			return false; /* client_... is for messages that this tester never sends */
	}
	return params->client_max_window_bits >= 8 && params->client_max_window_bits <= 15;
}

/* Returns false, after client_fail(), if the server chose an extension that was not offered. */
static bool
use_extensions(struct client *c)
{
	struct text answer = http_answer_extensions(c->answer);
	struct ws_deflate_params params;

	if (answer.n == 0)
		return true;
	if (!c->setup->deflate || !deflate_params(answer, &params)) {
		client_fail(
			c, LOAD_ERROR_HTTP, "an upgrade with an extension that was not offered"); /* RFC 6455 9.1 */
		return false;
	}
	c->reader.deflate = c->deflate = ws_deflate_new(&params, NULL); /* without a pool: it only inflates */
	return true;
}

static void on_ws_closed(struct conn *conn, unsigned reason);
static const struct conn_ops frame_ops = {.on_data = on_frames, .on_closed = on_ws_closed};

static void
opened(struct client *c, struct conn *conn)
{
	http_answer_free(c->answer);
	c->answer = NULL;
	c->opened_ws = true;
	conn_set_owner(conn, &frame_ops, c);
	if (c->polling)
		client_ws_send(c, WS_TEXT, TEXT("2probe"), TEXT_NONE);
	else
		c->over_ws = true;
}

static void
handshake_answered(struct client *c, struct conn *conn)
{
	if (http_answer_status(c->answer) != 101)
		refused(c);
	else if (!text_is(http_answer_accept(c->answer), text_of(c->target->accept, WS_ACCEPT_LENGTH)))
		client_fail(c, LOAD_ERROR_HTTP, "an upgrade with a wrong Sec-WebSocket-Accept"); /* RFC 6455 4.1 */
	else if (use_extensions(c))
		opened(c, conn);
}

static size_t
on_answer(struct conn *conn, uint8_t *data, size_t n)
{
	struct client *c = client_of(conn);
	int64_t used = http_answer_feed(c->answer, data, n);

	if (used < 0) {
		client_fail(c, LOAD_ERROR_HTTP, "an answer that is not HTTP");
		return n;
	}
	if (http_answer_whole(c->answer))
		handshake_answered(c, conn);
	return (size_t)used;
}

/* The end of the connection may complete a refusal, such as a proxy's 503. */
static void
on_answer_eof(struct conn *conn)
{
	struct client *c = client_of(conn);

	if (http_answer_begun(c->answer) && http_answer_end(c->answer) == 0)
		handshake_answered(c, conn);
	conn_close(conn, REASON_PEER_CLOSED);
}

static void
on_ws_closed(struct conn *conn, unsigned reason)
{
	struct client *c = client_of(conn);

	c->ws = NULL;
	if (c->state == CLIENT_ENDED || c->state == CLIENT_LEAVING) {
		client_check_ended(c);
		return;
	}
	if (c->polling && !c->over_ws)
		client_upgrade_failed(c, "the probe's connection ended");
	else
		client_lost(c, reason, c->opened_ws);
}

static const struct conn_ops answer_ops = {.on_data = on_answer, .on_eof = on_answer_eof, .on_closed = on_ws_closed};

void
client_ws_open(struct client *c, const char *sid)
{
	c->ws = client_connect(c, &answer_ops, c);
	if (c->ws == NULL)
		return;
	c->answer = http_answer_new(ANSWER_MAX);
	if (sid) {
		char head[TARGET_HEAD_MAX];
		size_t n = target_head(c->target, head, "GET", sid, true, -1);

		conn_send_copy(c->ws, head, n);
	} else {
		conn_send(c->ws, c->target->upgrade, 0, c->target->upgrade->len);
	}
}

void
client_ws_finish(struct client *c)
{
	/* a Close frame without a code, which the peer reports as 1005 (RFC 6455 5.5.1) */
	client_ws_send(c, WS_CLOSE, TEXT_NONE, TEXT_NONE);
	conn_finish(c->ws, REASON_FINISHED);
}
