/* Unfinished messages and compression state count in the budget; and what happens when memory for them is missing. */
#include "tests/unit/http/http_rig.h"

#include "node/ws/ws.h"
#include "node/ws/ws_deflater.h"
#include "tests/unit/faults.h"
#include "tests/unit/ws/ws_cases.h"

#define HEAD                                                                                                         \
	"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"  \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate\r\n"
#define LENGTH 200000

static struct ws_options options = {.max_message = 1 << 20, .max_fragments = 1000, .close_ms = 1000, .deflate = true};
static struct ws *opened;
static unsigned messages, reason;
static uint8_t zeroes[LENGTH];

static void
on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	(void)ws, (void)owner, (void)binary, (void)data;
	assert_int_equal(n, LENGTH);
	messages++;
}

static void
on_closed(struct ws *ws, void *owner, unsigned why, uint16_t code)
{
	(void)ws, (void)owner, (void)code;
	opened = NULL;
	reason = why;
}

static const struct ws_ops ops = {.on_message = on_message, .on_closed = on_closed};

static void
on_request(void *arg, struct http_request *r)
{
	(void)arg;
	opened = ws_accept(r, &options, &ops, NULL);
}

static struct rig *
start(const char *head)
{
	struct rig *g = rig_new(on_request);

	if (options.pool == NULL)
		options.pool = ws_deflate_pool_new(0, 0);
	messages = reason = 0;
	rig_say(g, head);
	rig_expect(g, "\r\n\r\n", 1);
	buffer_reset(&g->got);
	assert_int_equal(g->loop.budget.held, 0);
	return g;
}

/* The head of a frame of LENGTH bytes, masked with zeros. */
static void
say_head(struct rig *g)
{
	static const uint8_t head[14] = {
		0x82, 0xff, [7] = LENGTH >> 16, [8] = LENGTH >> 8 & 0xff, [9] = LENGTH & 0xff};

	rig_send(g, head, sizeof head);
}

static void
unfinished_message_counts(void **state)
{
	struct rig *g = start(HEAD "\r\n");

	(void)state;
	say_head(g);
	rig_send(g, zeroes, LENGTH - 1);
	rig_until(g, g->loop.budget.held >= LENGTH);
	assert_in_range(g->loop.budget.held, LENGTH, LENGTH + 1000);
	assert_int_equal(messages, 0);
	rig_send(g, zeroes, 1);
	rig_until(g, messages == 1);
	rig_settle(g);
	assert_int_equal(g->loop.budget.held, 0);

	say_head(g);
	rig_send(g, zeroes, LENGTH - 1);
	budget_set_max(&g->loop.budget, LENGTH / 2);
	rig_end(g);
	assert_int_equal(reason, REASON_MEMORY);
	assert_int_equal(messages, 1);
	rig_free(g);
}

/* Data that is no longer read is freed at once, not when the peer answers. */
static void
closing_gives_an_unfinished_message_back(void **state)
{
	struct rig *g = start(HEAD "\r\n");

	(void)state;
	say_head(g);
	rig_send(g, zeroes, LENGTH - 1);
	rig_until(g, g->loop.budget.held >= LENGTH);
	ws_close(opened, 1000, NULL, REASON_FORCED);
	assert_in_range(g->loop.budget.held, 0, 1000);
	rig_free(g);
}

static void
compression_counts(void **state)
{
	struct rig *g = start(HEAD DEFLATE "\r\n");

	(void)state;
	for (unsigned i = 0; i < 4; i++) /* the fourth makes a context */
		ws_send_bytes(opened, WS_BINARY, zeroes, LENGTH);
	rig_settle(g);
	assert_in_range(g->loop.budget.held, 200 * 1024, 300 * 1024); /* zlib documents 256 KiB */
	options.deflate_threshold = LENGTH;
	for (unsigned i = 0; i < 16; i++) /* the context goes with the last one */
		ws_send_bytes(opened, WS_BINARY, zeroes, 1);
	options.deflate_threshold = 0;
	rig_settle(g);
	assert_int_equal(g->loop.budget.held, 0);
	rig_free(g);
}

static void
expect_close(struct rig *g, uint16_t code)
{
	rig_end(g);
	fault_above = SIZE_MAX;
	assert_int_equal(g->got.len, 4);
	assert_int_equal(g->got.data[0], 0x88);
	assert_int_equal(g->got.data[2] << 8 | g->got.data[3], code);
	rig_disconnect(g);
	assert_int_equal(reason, REASON_NO_MEMORY);
	assert_int_equal(g->loop.counters.value[COUNT_NO_MEMORY], 1);
	rig_free(g);
}

static void
no_memory_for_a_message(void **state)
{
	struct rig *g = start(HEAD "\r\n");

	(void)state;
	fault_above = LENGTH / 2;
	say_head(g);
	rig_send(g, zeroes, LENGTH - 1);
	expect_close(g, 1011);
}

static void
no_memory_to_inflate(void **state)
{
	static const uint8_t frame[] = {0xc2, 0x81, 0, 0, 0, 0, 0x02};
	struct rig *g = start(HEAD DEFLATE "\r\n");

	(void)state;
	fault_above = 4000;
	rig_send(g, frame, sizeof frame);
	expect_close(g, 1011);
}

static void
no_memory_to_send(const char *head)
{
	struct rig *g = start(head);

	fault_above = 4000;
	ws_send_bytes(opened, WS_BINARY, zeroes, LENGTH);
	rig_end(g);
	fault_above = SIZE_MAX;
	assert_int_equal(reason, REASON_NO_MEMORY);
	assert_int_equal(g->got.len, 0);
	rig_free(g);
}

static void
no_memory_for_a_frame(void **state)
{
	(void)state;
	no_memory_to_send(HEAD "\r\n");
}

static void
no_memory_to_deflate(void **state)
{
	(void)state;
	no_memory_to_send(HEAD DEFLATE "\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfinished_message_counts),
		cmocka_unit_test(closing_gives_an_unfinished_message_back),
		cmocka_unit_test(compression_counts),
		cmocka_unit_test(no_memory_for_a_message),
		cmocka_unit_test(no_memory_to_inflate),
		cmocka_unit_test(no_memory_for_a_frame),
		cmocka_unit_test(no_memory_to_deflate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
