/* Messages that leave compressed, as a client inflates them. */
#include "tests/unit/ws/ws_rig.h"

#include "common/base/random.h"
#include "node/ws/ws_deflate.h"

#define LONGEST 5000

static uint8_t text[LONGEST];

static void
message_init(struct ws_message *message, const void *bytes, size_t n)
{
	uint8_t header[WS_SERVER_HEADER_MAX];
	unsigned head = ws_frame_write(header, WS_BINARY, true, false, n);

	*message = (struct ws_message){.block = block_new(head + n), .payload_at = head, .compress = true};
	memcpy(message->block->data, header, head);
	memcpy(message->block->data + head, bytes, n);
}

static struct rig *
open_compressed(const char *head)
{
	struct rig *g = start();

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)('a' + i * i / 7 % 26);
	server.options.deflate_threshold = 100;
	open_ws(g, head);
	return g;
}

/* Takes the next frame. Its payload is in `out`, inflated if it was compressed. Returns true if it was. */
static bool
take_frame(struct rig *g, struct ws_deflate *client, struct buffer *out, size_t *payload)
{
	struct ws_frame f;
	size_t head;

	while ((head = (size_t)ws_frame_parse(&f, g->got.data, g->got.len)) == 0 || g->got.len < head + f.payload)
		ev_run(g->ev, EVRUN_ONCE);
	assert_true(f.fin && !f.masked && !f.rsv2 && !f.rsv3);
	buffer_reset(out);
	if (f.rsv1)
		assert_int_equal(ws_deflate_inflate(client, g->got.data + head, (size_t)f.payload, true, out), 0);
	else
		buffer_add(out, g->got.data + head, (size_t)f.payload);
	*payload = (size_t)f.payload;
	buffer_drop(&g->got, head + (size_t)f.payload);
	return f.rsv1;
}

static void
finish_client(struct rig *g, struct ws_deflate *client)
{
	ws_deflate_free(client);
	finish(g, REASON_PEER_CLOSED, 1006);
}

/* Sends a message and takes it as the client. Returns the bytes of its payload if it was compressed, or 0. */
static size_t
send_and_take(struct rig *g, struct ws_deflate *client, struct ws_message *message)
{
	struct text sent = ws_message_payload(message);
	struct buffer out;
	size_t n;
	bool packed;

	buffer_init(&out, LONGEST);
	ws_send(server.ws, message);
	packed = take_frame(g, client, &out, &n);
	assert_true(text_is(buffer_text(&out), sent));
	buffer_fini(&out);
	return packed ? n : 0;
}

static size_t
send_text(struct rig *g, struct ws_deflate *client, const void *bytes, size_t n, bool compress)
{
	struct ws_message message;
	size_t packed;

	message_init(&message, bytes, n);
	message.compress = compress;
	packed = send_and_take(g, client, &message);
	ws_message_fini(&message);
	return packed;
}

/* ------------------------------------------------------- to one connection */

static void
messages_to_one_connection(const char *head, bool takeover)
{
	struct ws_deflate_params params = {!takeover, !takeover, 15, 15};
	struct ws_deflate *client = ws_deflate_new(&params, NULL);
	struct rig *g = open_compressed(head);
	size_t first, last;

	assert_int_equal(send_text(g, client, text, 99, true), 0); /* below the threshold */
	assert_true(send_text(g, client, text, 100, true) > 0);
	first = send_text(g, client, text, sizeof text, true);
	assert_in_range(first, 100, sizeof text / 2);
	assert_int_equal(g->loop.budget.held, 0);
	for (unsigned i = 0; i < 3; i++)
		last = send_text(g, client, text, sizeof text, true);
	assert_true(takeover == (last < 100)); /* with a context, only a back reference */
	assert_true(takeover == (g->loop.budget.held > 200 * 1024));
	assert_int_equal(send_text(g, client, text, sizeof text, false), 0);
	finish_client(g, client);
}

static void
test_one_connection(void **state)
{
	(void)state;
	messages_to_one_connection(OPEN DEFLATE, true);
	messages_to_one_connection(
		OPEN "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n", false);
}

/* A message that compression does not shorten is sent uncompressed, also after other messages have made a context. */
static void
test_random_bytes(void **state)
{
	struct ws_deflate_params params = {false, false, 15, 15};
	struct ws_deflate *client = ws_deflate_new(&params, NULL);
	struct rig *g = open_compressed(OPEN DEFLATE);
	uint8_t noise[LONGEST];

	(void)state;
	random_bytes(noise, sizeof noise);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(send_text(g, client, text, sizeof text, true) > 0);
		if (i % 5 == 4)
			assert_int_equal(send_text(g, client, noise, sizeof noise, true), 0);
	}
	finish_client(g, client);
}

/* --------------------------------------------------- to several connections */

/* The compressed frame is made once, refers to no earlier message, and no connection keeps a context for it. */
static void
test_shared(void **state)
{
	struct ws_deflate_params params = {false, false, 15, 15};
	struct ws_deflate *client = ws_deflate_new(&params, NULL);
	struct rig *g = open_compressed(OPEN DEFLATE);
	struct ws_message message;
	struct block *packed;
	size_t n;

	(void)state;
	message_init(&message, text, sizeof text);
	message.shared = true;
	n = send_and_take(g, client, &message);
	packed = message.packed;
	assert_true(n > 0 && packed != NULL && packed != message.block);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(send_and_take(g, client, &message), n);
	assert_ptr_equal(message.packed, packed);
	assert_true(g->loop.budget.held < 1000); /* the frame, which the test holds */

	/* the shared frame ends a context that other messages have made */
	for (unsigned i = 0; i < 5; i++)
		assert_true(send_text(g, client, text, sizeof text, true) > 0);
	assert_true(g->loop.budget.held > 200 * 1024);
	assert_int_equal(send_and_take(g, client, &message), n);
	assert_true(g->loop.budget.held < 1000); /* the frame, which the test holds */
	assert_true(send_text(g, client, text, sizeof text, true) >= n);
	ws_message_fini(&message);

	random_bytes(text, sizeof text);
	message_init(&message, text, sizeof text);
	message.shared = true;
	assert_int_equal(send_and_take(g, client, &message), 0);
	assert_ptr_equal(message.packed, message.block);
	ws_message_fini(&message);
	finish_client(g, client);
}

/* A client with a smaller window gets a frame of its own, unless the message is not longer than the window. */
static void
test_shared_small_window(void **state)
{
	struct ws_deflate_params params = {false, false, 9, 15};
	struct ws_deflate *client = ws_deflate_new(&params, NULL);
	struct rig *g =
		open_compressed(OPEN "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n");
	struct ws_message message;

	(void)state;
	message_init(&message, text, 513);
	message.shared = true;
	assert_true(send_and_take(g, client, &message) > 0);
	assert_int_equal(message.packed_bits, 10);
	ws_message_fini(&message);
	message_init(&message, text, 512);
	message.shared = true;
	assert_true(send_and_take(g, client, &message) > 0);
	assert_int_equal(message.packed_bits, 9);
	assert_int_equal(message.packed->refs, 1); /* it was sent and has left */
	ws_message_fini(&message);
	finish_client(g, client);
}

/* All kinds of messages in any order, for a client that keeps its window. */
static void
test_any_order(void **state)
{
	struct ws_deflate_params params = {false, false, 15, 15};
	struct ws_deflate *client = ws_deflate_new(&params, NULL);
	struct rig *g = open_compressed(OPEN DEFLATE);
	uint32_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct ws_message message;
		size_t n, from;

		seed = seed * 1664525 + 1013904223;
		n = seed >> 20 & 1 ? 1 + (seed >> 8) % 99 : 100 + (seed >> 8) % 2000;
		from = (seed >> 16) % (sizeof text - n);
		message_init(&message, text + from, n);
		message.compress = seed >> 28 != 0;
		message.shared = (seed >> 24 & 15) == 0;
		(void)send_and_take(g, client, &message);
		ws_message_fini(&message);
	}
	finish_client(g, client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_connection),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_shared_small_window),
		cmocka_unit_test(test_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
