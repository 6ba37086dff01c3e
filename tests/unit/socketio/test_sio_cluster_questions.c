/* Questions to all nodes about sockets and rooms, and what ends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/json.h"
#include "tests/unit/socketio/cluster_bench.h"

static void
on_fetched(sio_server *io, int error, const sio_socket_info *found, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)arg;
	HEARD("fetched %d silent %u", error, silent);
	for (unsigned i = 0; i < n; i++) {
		sio_value auth = sio_get(found[i].handshake, "auth");
		size_t len = 0;
		const char *json = sio_json(found[i].data, &len);

		buffer_printf(&heard, "%s", found[i].id);
		for (unsigned r = 0; r < found[i].rooms_count; r++)
			buffer_printf(&heard, " %s", found[i].rooms[r]);
		HEARD(" data %.*s auth %d binary %d", (int)len, json != NULL ? json : "", sio_type_of(auth),
			sio_type_of(sio_get(found[i].data, "b")) == SIO_BINARY);
	}
}

/* The application heard `wanted` this many times, and never "silent 0". */
static void
expect_silent(const char *wanted, unsigned times)
{
	unsigned found = 0;

	for (size_t at = 0; at + strlen(wanted) <= heard.len; at++)
		found += memcmp(heard.data + at, wanted, strlen(wanted)) == 0;
	buffer_add_byte(&heard, '\0');
	if (found != times || strstr((const char *)heard.data, "silent 0") != NULL)
		fail_msg("%u times \"%s\", not %u, in %s", found, wanted, times, (const char *)heard.data);
	buffer_reset(&heard);
}

static void
test_fetch_of_all_nodes(void **state)
{
	static const char answer[] = "[{\"id\":\"other\",\"rooms\":[\"other\",\"r\\u0031\",7],\"data\":{\"b\":"
				     "{\"_placeholder\":true,\"num\":0}},\"handshake\":{\"auth\":{\"_placeholder\":"
				     "true,\"num\":0}}},7,{\"rooms\":[]},{\"id\":5},{\"id\":\"bare\"}]";
	struct attachments a;
	struct block *b;

	(void)state;
	start(BUS_FORM_HUB);
	sio_join(sockets[0], "red");
	sio_set_data(sockets[0], "{s:i}", "n", 1);
	assert_int_equal(sio_fetch(sio_to(sio_all(main_nsp()), "red"), on_fetched, NULL), 0);
	EXPECT_OUT("ask fetch / +red\n");
	fake_turn();
	EXPECT_HEARD("");
	attachments_init(&a);
	attachments_add(&a, b = block_copy("x", 1));
	block_unref(b);
	other_answers(1, answer, &a);
	attachments_fini(&a);
	other_answers(1, "{}", NULL);
	fake_broker_end(1, 0, 2, 0, 0);
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("fetched 0 silent 0\n#0 #0 red data {\"n\":1} auth 7 binary 0\n"
		     "other other r1 7 data {\"b\":{\"_placeholder\":true,\"num\":0}} auth 7 binary 1\n"
		     "bare data  auth 0 binary 0\n");
	sio_fetch(sio_timeout(sio_to(sio_all(main_nsp()), sockets[1]->id), 70), on_fetched, NULL);
	assert_int_equal(fake_broker.questions[1].timeout_ms, 70);
	fake_broker_end(2, ERROR_TIMEOUT, 2, 1, 0);
	fake_turn();
	EXPECT_HEARD("fetched -13 silent 1\n#1 #1 data {} auth 7 binary 0\n");
	buffer_reset(&fake_broker.log);
	sio_fetch(sio_only(sockets[2]), on_fetched, NULL);
	sio_fetch(sio_local(sio_to(sio_all(main_nsp()), "red")), on_fetched, NULL);
	fake_turn();
	EXPECT_HEARD("fetched 0 silent 0\n#2 #2 data {} auth 7 binary 0\n"
		     "fetched 0 silent 0\n#0 #0 red data {\"n\":1} auth 7 binary 0\n");
	EXPECT_OUT("");
	stop();
}

/* One of the names that broker_add_name() has added. */
static struct text
name_at(const struct buffer *names, unsigned which)
{
	size_t at = 0;
	uint32_t n;

	for (;;) {
		assert_in_range(at + sizeof n, 0, names->len);
		memcpy(&n, names->data + at, sizeof n);
		at += sizeof n;
		if (which-- == 0)
			return text_of((const char *)names->data + at, n);
		at += n;
	}
}

static void
test_other_nodes_fetch(void **state)
{
	static const char forged[] = "0{\"_placeholder\":true,\"num\":99}";
	struct attachments a;
	struct wire_target none, one;
	struct buffer json, names;
	struct text id, room = TEXT("nobody");
	char text[4096];

	(void)state;
	start(BUS_FORM_HUB);
	close_client(0);
	close_client(1);
	fake_receive(fake_open(5), false, forged, sizeof forged - 1);
	attachments_init(&a);
	buffer_init(&json, 1 << 20);
	buffer_init(&names, 1 << 10);
	sio_join(sockets[2], "a\"b");
	sio_set_data(sockets[2], "[B]", "bytes", (size_t)5);
	id = text_of(sockets[2]->id, SIO_ID_LENGTH);
	one = (struct wire_target){.rooms = &id, .room_count = 1};
	none = (struct wire_target){.rooms = &room, .room_count = 1};
	ops->on_select(main_nsp(), &none, &names);
	assert_int_equal(names.len, 0);
	ops->on_select(main_nsp(), &one, &names);
	assert_true(text_is(name_at(&names, 0), id));
	assert_int_equal(names.len, sizeof(uint32_t) + SIO_ID_LENGTH);
	ops->on_socket(main_nsp(), id, &json, &a);
	assert_int_equal(json_check(buffer_text(&json), JSON_DEPTH_MAX), 0);
	name_ids(buffer_text(&json), text, sizeof text);
	assert_non_null(strstr(text, "{\"id\":\"#2\",\"handshake\":{\"headers\":"));
	assert_non_null(strstr(text, ",\"rooms\":[\"#2\",\"a\\\"b\"],\"data\":[{\"_placeholder\":true,\"num\":0}]}"));
	assert_int_equal(a.count, 1);
	buffer_reset(&json);
	attachments_cut(&a, 0);
	/* client data that looks like binary does not harm the message */
	buffer_reset(&names);
	ops->on_select(main_nsp(), &(struct wire_target){0}, &names);
	assert_int_equal(names.len, 2 * (sizeof(uint32_t) + SIO_ID_LENGTH));
	for (unsigned i = 0; i < 2; i++) {
		buffer_add_byte(&json, i > 0 ? ',' : '[');
		ops->on_socket(main_nsp(), name_at(&names, i), &json, &a);
	}
	buffer_add_byte(&json, ']');
	assert_int_equal(json_placeholders_check(buffer_text(&json), a.count), 0);
	assert_int_equal(a.count, 1);
	/* a socket that has gone since it was selected */
	buffer_reset(&json);
	close_client(2);
	ops->on_socket(main_nsp(), name_at(&names, 0), &json, &a);
	assert_int_equal(json.len, 0);
	buffer_fini(&json);
	buffer_fini(&names);
	attachments_fini(&a);
	stop();
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	const char *sorted[16];

	(void)io;
	(void)arg;
	assert_in_range(n, 0, 16);
	memcpy(sorted, rooms, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_name);
	buffer_printf(&heard, "rooms %d silent %u", error, silent);
	for (unsigned i = 0; i < n; i++) {
		if (strlen(sorted[i]) != SIO_ID_LENGTH)
			buffer_printf(&heard, " %s", sorted[i]);
	}
	HEARD(" of %u", n);
}

static void
test_all_rooms(void **state)
{
	struct buffer names;
	unsigned reds = 0;

	(void)state;
	start(BUS_FORM_HUB);
	sio_join(sockets[0], "red");
	sio_join(sockets[1], "red");
	sio_join(sockets[1], sockets[0]->id);
	assert_int_equal(sio_all_rooms(main_nsp(), on_rooms, NULL), 0);
	EXPECT_OUT("ask rooms /\n");
	other_answers(1, "[\"blue\",\"red\",7,null,[],\"r\\u00e9\"]", NULL);
	other_answers(1, "5", NULL);
	fake_broker_end(1, 0, 1, 0, 0);
	fake_turn();
	EXPECT_HEARD("rooms 0 silent 0 7 blue red r\xc3\xa9 of 7\n");
	buffer_init(&names, 1000);
	close_client(2);
	ops->on_all_rooms(main_nsp(), &names);
	for (unsigned i = 0; i < 3; i++)
		reds += text_is(name_at(&names, i), TEXT("red"));
	assert_int_equal(reds, 1);
	assert_int_equal(names.len, 3 * sizeof(uint32_t) + 3 + 2 * SIO_ID_LENGTH);
	buffer_fini(&names);
	stop();
}

static void
test_questions_end_with_the_server(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	sio_fetch(sio_to(sio_all(main_nsp()), "nobody"), on_fetched, NULL);
	sio_emit_ack(sio_to(sio_all(main_nsp()), "nobody"), on_answers, (void *)"ack", "q", "");
	sio_all_rooms(main_nsp(), on_rooms, NULL);
	sio_core_close(fake_io);
	fake_turn();
	EXPECT_HEARD("ack -10 silent 1 missing 0:\nfetched -10 silent 1\nrooms -10 silent 1 of 3\n");
	assert_false(fake_broker.waiting[0] || fake_broker.waiting[1] || fake_broker.waiting[2]);
	sio_core_set_broker(fake_io, NULL);
	assert_int_equal(fake_broker.namespaces, 0);
	assert_int_equal(sio_emit(sio_all(main_nsp()), "x", ""), 0);
	sio_of(fake_io, "/late");
	assert_int_equal(fake_broker.namespaces, 0);
	stop();
	start(BUS_FORM_HUB);
	sio_fetch(sio_to(sio_all(main_nsp()), "nobody"), on_fetched, NULL);
	sio_server_side_emit_ack(main_nsp(), 0, on_answers, (void *)"ack", "q", "");
	sio_core_set_broker(fake_io, NULL);
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("fetched -10 silent 1\nack -10 silent 1 missing 0:\n");
	stop();
}

static void
test_empty_children_leave(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	o.cleanup_empty_child_namespaces = true;
	buffer_init(&heard, 1000);
	fake_start(&o);
	fake_broker_start(BUS_FORM_HUB);
	sio_of_pattern(fake_io, "/c.", NULL);
	sio_core_set_broker(fake_io, &fake_broker);
	fake_receive(fake_open(0), false, "0/c1,", 5);
	assert_int_equal(fake_broker.namespaces, 2);
	sio_fetch(sio_to(sio_all(sio_nsp_find(fake_io, TEXT("/c1"))), "x"), on_fetched,
		NULL); /* sio_of() would keep the namespace */
	close_client(0);
	fake_turn();
	assert_int_equal(fake_broker.namespaces, 1);
	EXPECT_HEARD("fetched -10 silent 1\n");
	stop();
}

/* If the broker refuses a question, or it is cancelled, the result must not claim that 0 nodes are missing. */
static void
test_nodes_that_were_not_asked_count_as_silent(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	fake_broker.refusal = ERROR_TOO_MANY;
	sio_fetch(sio_all(main_nsp()), on_fetched, NULL);
	sio_all_rooms(main_nsp(), on_rooms, NULL);
	sio_server_side_emit_ack(main_nsp(), 10, on_answers, (void *)"servers", "q", "");
	sio_emit_ack(sio_timeout(sio_to(sio_all(main_nsp()), "nobody"), 10), on_answers, (void *)"clients", "q", "");
	fake_turn();
	buffer_reset(&fake_broker.log);
	expect_silent("silent 1", 4);
	fake_broker.refusal = 0;
	sio_fetch(sio_to(sio_all(main_nsp()), "nobody"), on_fetched, NULL);
	sio_core_close(fake_io);
	fake_turn();
	expect_silent("silent 1", 1);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetch_of_all_nodes),
		cmocka_unit_test(test_other_nodes_fetch),
		cmocka_unit_test(test_all_rooms),
		cmocka_unit_test(test_questions_end_with_the_server),
		cmocka_unit_test(test_empty_children_leave),
		cmocka_unit_test(test_nodes_that_were_not_asked_count_as_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
