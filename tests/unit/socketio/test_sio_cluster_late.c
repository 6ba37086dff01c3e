/*
 * Broadcasts from other nodes whose event is still MessagePack. The number 5 comes in a longer form than an encoder
 * writes (cc05): if it arrives in this form, the bytes were copied.
 */
#include "common/base/error.h"
#include "common/base/json.h"
#include "node/socketio/sio_cluster_in.h"
#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/parsers.h"

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

static struct eio_session *msgpack, *json;
static struct counters *counters;
static char seen[64];

static void
on_outgoing(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	(void)snprintf(
		seen, sizeof seen, "%s %u %d", sio_event_name(e), sio_argc(e), (int)sio_int(sio_arg(e, 0), -1));
}

static void
start(size_t max_emit)
{
	struct sio_options o = fake_options();

	fake_revision = 4;
	fake_start(&o);
	sio_core_attach(fake_io, &fake_engine, &o, 4096, max_emit);
	(void)sio_of(fake_io, "/");
	counters = &fake_loop.counters;
	msgpack = json = NULL;
}

static void
start_both(size_t max_emit)
{
	start(max_emit);
	msgpack = fake_open(0);
	sends(msgpack, CONNECT);
	assert_true(joined(msgpack, true));
	json = fake_open(1);
	says(json, "0");
	assert_true(joined(json, false));
}

/* `hex` is the event array, `head` the bytes of its head, `room` NULL: all. */
static void
arrives(const char *hex, unsigned head, unsigned count, unsigned bins, const char *room)
{
	struct text rooms = text_from(room != NULL ? room : "");
	struct wire_target to = {.rooms = &rooms, .room_count = room != NULL};
	struct wire_event event;
	uint8_t bytes[512];
	size_t n = from_hex(hex, bytes);

	event.array = text_of((const char *)bytes, n);
	event.values = (struct msgpack_values){bytes + head, n - head, count, bins};
	sio_core_broker_ops()->on_broadcast_late(sio_of(fake_io, "/"), &to, &event);
	fake_turn();
}

static void
test_each_gets_its_form(void **state)
{
	(void)state;
	start_both(4096);
	arrives("93a165cc05c40207ff", 1, 3, 1, NULL);
	EXPECT_SENT(msgpack, "(" EVENT("93a165cc05c40207ff") "\n");
	EXPECT_SENT(json, "51-[\"e\",5," P(0) "]\n(07ff\n");
	arrives("dc0001a165", 3, 1, 0, NULL);
	EXPECT_SENT(msgpack, "(" EVENT("91a165") "\n");
	EXPECT_SENT(json, "2[\"e\"]\n");
	sio_on_any_outgoing(sio_of(fake_io, "/"), on_outgoing, NULL);
	arrives("92a165cc05", 1, 2, 0, NULL);
	assert_string_equal(seen, "e 1 5");
	EXPECT_SENT(msgpack, "(" EVENT("92a165cc05") "\n");
	EXPECT_SENT(json, "2[\"e\",5]\n");
	assert_int_equal(counters->value[COUNT_CLUSTER_REFUSED], 0);
	fake_stop();
}

static void
test_refused(void **state)
{
	(void)state;
	start_both(48);
	arrives("91a7636f6e6e656374", 1, 1, 0, NULL);
	assert_int_equal(counters->value[COUNT_CLUSTER_REFUSED], 1);
	/* an event without receivers is not looked at */
	arrives("91a7636f6e6e656374", 1, 1, 0, "nobody");
	assert_int_equal(counters->value[COUNT_CLUSTER_REFUSED], 1);
	EXPECT_SENT(msgpack, "");
	EXPECT_SENT(json, "");
	/* more binary values than a packet may have */
	arrives("91a165", 1, 1, SIO_ATTACHMENTS_MAX + 1, NULL);
	assert_int_equal(counters->value[COUNT_CLUSTER_REFUSED], 2);
	EXPECT_SENT(msgpack, "");
	/* too big only as text */
	arrives("9ba165c2c2c2c2c2c2c2c2c2c2", 1, 11, 0, NULL);
	assert_int_equal(counters->value[COUNT_CLUSTER_REFUSED], 3);
	EXPECT_SENT(msgpack, "(" EVENT("9ba165c2c2c2c2c2c2c2c2c2c2") "\n");
	EXPECT_SENT(json, "");
	fake_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_gets_its_form),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
