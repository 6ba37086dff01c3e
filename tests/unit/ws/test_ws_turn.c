/* How much input of one WebSocket is handled in one turn. */
#include "tests/unit/http/http_rig.h"

#include <zlib.h>

#include "node/ws/ws.h"
#include "tests/unit/ws/ws_cases.h"

#define OPEN                                                                                                         \
	"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"  \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
#define MESSAGE_MAX (32u << 20)

static struct ws_options options = {
	.max_message = MESSAGE_MAX, .max_fragments = 6, .close_ms = 1000, .deflate = true};
static unsigned messages;
static size_t message_bytes;

static void
on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	(void)ws, (void)owner, (void)binary, (void)data;
	messages++;
	message_bytes += n;
}

static void
on_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	(void)ws, (void)owner, (void)reason, (void)code;
}

static const struct ws_ops ops = {.on_message = on_message, .on_closed = on_closed};

static void
on_request(void *arg, struct http_request *r)
{
	(void)arg;
	assert_int_equal(ws_check(r), 0);
	ws_accept(r, &options, &ops, NULL);
}

static struct rig *
start(void)
{
	struct rig *g = rig_new(on_request);

	messages = 0;
	message_bytes = 0;
	rig_say(g, OPEN);
	rig_expect(g, "\r\n\r\n", 1);
	return g;
}

/* Appends a compressed frame of `n` times "*" to `out`. */
static void
add_compressed(struct buffer *out, size_t n)
{
	struct case_frame frame = {.head = 0xc1};
	size_t room = n / 500 + 1000;
	uint8_t *plain = mem_alloc(n), *packed = mem_alloc(room);
	z_stream z = {.next_in = plain, .avail_in = (uInt)n, .next_out = packed, .avail_out = (uInt)room};

	memset(plain, '*', n);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	frame.payload = (const char *)packed;
	frame.n = room - z.avail_out - 4;
	assert_int_equal(z.avail_in, 0);
	case_add_frame(out, &frame, true);
	deflateEnd(&z);
	mem_free(plain);
	mem_free(packed);
}

/* Runs turns until `wanted` messages have arrived. No turn does more work than a share plus `most`. */
static unsigned
count_turns(struct rig *g, unsigned wanted, uint64_t most)
{
	unsigned turns = 0;

	while (messages < wanted) {
		uint64_t work = g->loop.work;

		ev_run(g->ev, EVRUN_ONCE);
		turns += g->loop.work > work;
		assert_true(g->loop.work - work <= LOOP_SHARE_WORK + most);
	}
	return turns;
}

static void
each_message_that_inflates_greatly_has_a_turn_of_its_own(void **state)
{
	struct rig *g = start();
	struct buffer out;

	(void)state;
	buffer_init(&out, 1 << 20);
	for (int i = 0; i < 20; i++)
		add_compressed(&out, 1000000);
	rig_send(g, out.data, out.len);
	assert_true(count_turns(g, 20, 3000000) >= 20);
	assert_int_equal(message_bytes, 20 * 1000000);
	buffer_fini(&out);
	rig_free(g);
}

static void
a_message_that_inflates_beyond_a_share_is_inflated_over_several_turns(void **state)
{
	struct rig *g = start();
	struct buffer out;
	uint64_t work;
	unsigned turns = 0;

	(void)state;
	buffer_init(&out, 1 << 20);
	add_compressed(&out, MESSAGE_MAX);
	work = g->loop.work;
	rig_send(g, out.data, out.len);
	while (messages == 0) {
		uint64_t before = g->loop.work;

		ev_run(g->ev, EVRUN_ONCE);
		turns += g->loop.work > before;
		if (messages == 0) /* the last turn delivers it whole */
			assert_true(g->loop.work - before <= 3 * LOOP_SHARE_WORK);
	}
	assert_int_equal(message_bytes, MESSAGE_MAX);
	assert_true(turns > MESSAGE_MAX / LOOP_SHARE_WORK);
	assert_true(g->loop.work - work > MESSAGE_MAX);
	buffer_fini(&out);
	rig_free(g);
}

static void
a_flood_of_tiny_frames_is_spread_over_turns(void **state)
{
	static const struct case_frame tiny = F(0x81, "2");
	struct rig *g = start();
	struct buffer out;

	(void)state;
	buffer_init(&out, 1 << 20);
	for (int i = 0; i < 10000; i++)
		case_add_frame(&out, &tiny, true);
	rig_send(g, out.data, out.len);
	assert_true(count_turns(g, 10000, 200000) >= 10);
	assert_int_equal(message_bytes, 10000);
	buffer_fini(&out);
	rig_free(g);
}

/* A few bytes with many final blocks, each of which copies the window of 32 KiB: about 70 us per message. */
static void
final_blocks_are_work_too(void **state)
{
	enum { STORED = 40000, FINALS = 16, MESSAGES = 1000 };
	static char stored[5 + STORED + 1], finals[FINALS * 2 + 1];
	const struct case_frame fill = {.head = 0xc2, .payload = stored, .n = sizeof stored};
	const struct case_frame tiny = {.head = 0xc2, .payload = finals, .n = sizeof finals};
	struct rig *g = start();
	struct buffer out;

	(void)state;
	memcpy(stored, (uint8_t[]){0, STORED & 0xff, STORED >> 8, ~STORED & 0xff, ~STORED >> 8 & 0xff}, 5);
	for (unsigned i = 0; i < FINALS; i++)
		finals[i * 2] = 3; /* final, empty */
	buffer_init(&out, 1 << 20);
	case_add_frame(&out, &fill, true);
	for (unsigned i = 0; i < MESSAGES; i++)
		case_add_frame(&out, &tiny, true);
	rig_send(g, out.data, out.len);
	assert_true(count_turns(g, 1 + MESSAGES, 300000) >= 50);
	assert_int_equal(message_bytes, STORED);
	buffer_fini(&out);
	rig_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_that_inflates_greatly_has_a_turn_of_its_own),
		cmocka_unit_test(a_message_that_inflates_beyond_a_share_is_inflated_over_several_turns),
		cmocka_unit_test(a_flood_of_tiny_frames_is_spread_over_turns),
		cmocka_unit_test(final_blocks_are_work_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
