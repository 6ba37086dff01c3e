/*
 * The rows of the table in backend_link.h: how a link begins, its frames, its end, its drain. Further rows are in
 * test_backend_window.c and test_backend_nonsense.c.
 */
#include "tests/unit/backend/link_rig.h"

#include "node/backend/backend_link_internal.h"

static void
begins_with_welcome_and_peers(void **state)
{
	struct peer p;
	struct backend_frame f;

	(void)state;
	rig_advance(40);
	peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	p.at = 0;
	f = peer_expect(&p, BACKEND_WELCOME);
	assert_text_equal(f.body, TEXT("{\"v\":1,\"edge\":\"e1\",\"worker\":1,\"workers\":2,\"up\":40,\"window\":"
				       "65536,\"maxFrame\":131072,"
				       "\"ping\":1000,\"options\":{\"pingInterval\":25000}}"));
	f = peer_expect(&p, BACKEND_PEERS);
	assert_text_equal(f.body, TEXT("[\"x1\"]"));
	assert_int_equal(backend_links_stats(rig.links)->ready, 1);
	peer_close(&p);
	assert_heard("lost x1\n  closed\n");
	assert_int_equal(backend_links_stats(rig.links)->ready, 0);
}

static void
frames_of_the_owner_go_up_in_order(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	peer_put(&p, BACKEND_ACCEPT, 0, 0, 5, 0, TEXT(""));
	peer_put(&p, BACKEND_EMIT, 0, 0, 5, 0, TEXT("[\"a\"]"));
	peer_send(&p, BACKEND_HANDOFF, 1, TEXT(""));
	assert_heard("accept 5 \nemit 5 [\"a\"]\nhandoff 1 \n");
	peer_close(&p);
}

static void
frames_arrive_whole_however_they_are_cut(void **state)
{
	struct backend_frame f = {.type = BACKEND_EMIT, .handle = 9, .body = zeros(40000)};
	uint8_t head[BACKEND_HEAD];
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	buffer_reset(&rig.heard);
	backend_frame_head(head, &f);
	for (int i = 0; i < BACKEND_HEAD; i++) {
		peer_send_bytes(&p, head + i, 1);
		rig_turn();
	}
	for (size_t at = 0; at < f.body.n; at += 5000) {
		assert_int_equal(rig.heard.len, 0);
		peer_send_bytes(&p, f.body.at + at, 5000);
		rig_turn();
	}
	assert_true(rig.heard.len > 0);
	buffer_reset(&rig.heard);
	peer_send(&p, BACKEND_ACCEPT, 1, TEXT(""));
	assert_heard("accept 1 \n");
	/* a large frame, and the next one in the same write */
	peer_put(&p, BACKEND_EMIT, 0, 0, 9, 0, zeros(MAX_FRAME));
	peer_send(&p, BACKEND_ACCEPT, 2, TEXT(""));
	assert_true(text_ends(buffer_text(&rig.heard), TEXT("accept 2 \n")));
	peer_close(&p);
}

/* Sends the parts of a golden frame with the link's functions. */
static void
put_part(struct backend_link *link, struct text part, struct text args)
{
	struct text key, value, items[GOLDEN_ITEMS_MAX];
	struct attachments attachments;
	int64_t number = 0;
	unsigned n;

	assert_true(json_object_next(&part, &key, &value));
	if (json_string_is(key, TEXT("u32"))) {
		assert_true(json_number_int(value, &number));
		backend_put_u32(link, (uint32_t)number);
	} else if (json_string_is(key, TEXT("text"))) {
		backend_put_text(link, golden_string(value));
	} else if (json_string_is(key, TEXT("rooms"))) {
		n = golden_list(value, golden_string, items);
		backend_put_rooms(link, items, n);
	} else if (json_string_is(key, TEXT("args"))) {
		backend_put_args(link, golden_string(value), NULL);
	} else if (json_string_is(key, TEXT("attachments"))) {
		attachments_init(&attachments);
		n = golden_list(value, golden_unhex, items);
		for (unsigned i = 0; i < n; i++) {
			struct block *block = block_copy(items[i].at, items[i].n);

			attachments_add(&attachments, block);
			block_unref(block);
		}
		backend_put_args(link, args, &attachments);
		attachments_fini(&attachments);
	} else if (!json_string_is(key, TEXT("sizedArgs"))) {
		value = json_string_is(key, TEXT("rest")) ? golden_string(value) : golden_unhex(value);
		backend_put(link, value.at, value.n);
	}
}

static void
writes_golden_frames(void **state)
{
	struct golden g;
	struct text frames, one, parts, part, key, args = TEXT_NONE;
	struct backend_link *link;
	struct peer p;
	unsigned count = 0;

	(void)state;
	golden_open(&g);
	link = peer_join(&p, HELLO("x1"));
	for (frames = g.frames; json_array_next(&frames, &one); count++) {
		struct text bytes = golden_unhex(json_object_get(one, TEXT("hex")));
		int64_t flags = golden_number(one, "flags"), type = golden_number(one, "type");

		if (type >= BACKEND_TYPES || type == BACKEND_WINDOW || type == BACKEND_PING)
			continue;
		/* the link sets BIN itself */
		backend_begin(link, (uint8_t)type, (uint8_t)(flags & ~BACKEND_F_BIN),
			(uint16_t)golden_number(one, "nsp"), (uint32_t)golden_number(one, "handle"),
			(uint32_t)golden_number(one, "id"));
		for (parts = json_object_get(one, TEXT("parts")); json_array_next(&parts, &part);) {
			struct text rest = part, value;

			assert_true(json_object_next(&rest, &key, &value));
			if (json_string_is(key, TEXT("sizedArgs")))
				args = golden_string(value);
			put_part(link, part, args);
		}
		assert_true(backend_end(link));
		rig_turn();
		peer_read(&p);
		assert_int_equal(p.got.len - p.at, bytes.n);
		assert_memory_equal(p.got.data + p.at, bytes.at, bytes.n);
		p.at += bytes.n;
	}
	assert_true(count > 60);
	golden_close(&g);
	peer_close(&p);
}

static void
large_blocks_leave_by_reference(void **state)
{
	struct block *block = block_new(50000);
	struct attachments attachments;
	struct text json = TEXT("[\"a\",{\"_placeholder\":true,\"num\":0}]"), found_json, found[2];
	struct backend_link *link;
	struct backend_frame f;
	struct peer p;

	(void)state;
	memset(block->data, 'x', block->len);
	attachments_init(&attachments);
	attachments_add(&attachments, block);
	link = peer_join(&p, HELLO("x1"));
	backend_begin(link, BACKEND_EVENT, 0, 0, 3, 0);
	backend_put_args(link, json, &attachments);
	assert_true(backend_end(link));
	attachments_fini(&attachments);
	assert_int_equal(block->refs, 2);
	rig_turn();
	assert_int_equal(block->refs, 1);
	f = peer_expect(&p, BACKEND_EVENT);
	assert_int_equal(f.flags, BACKEND_F_BIN);
	assert_int_equal(backend_take_args(f.body, f.flags, &found_json, found, 2), 1);
	assert_text_equal(found_json, json);
	assert_int_equal(found[0].n, block->len);
	assert_memory_equal(found[0].at, block->data, block->len);
	block_unref(block);
	peer_close(&p);
}

static void
a_turn_is_one_write(void **state)
{
	struct backend_link *link;
	uint64_t before;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	before = rig.loop.service_counters.value[COUNT_WRITES];
	for (uint32_t i = 1; i <= 100; i++) {
		backend_begin(link, BACKEND_EVENT, 0, 0, i, 0);
		backend_put_args(link, TEXT("[\"hi\"]"), NULL);
		backend_end(link);
	}
	rig_turn();
	assert_int_equal(rig.loop.service_counters.value[COUNT_WRITES], before + 1);
	for (uint32_t i = 1; i <= 100; i++)
		assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, i);
	peer_close(&p);
}

static void
a_frame_that_is_too_large_is_not_sent(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	backend_begin(link, BACKEND_EVENT, 0, 0, 1, 0);
	backend_put(link, zeros(MAX_FRAME + 1).at, MAX_FRAME + 1);
	assert_false(backend_end(link));
	backend_begin(link, BACKEND_EVENT, 0, 0, 2, 0);
	backend_put(link, zeros(MAX_FRAME).at, MAX_FRAME);
	assert_true(backend_end(link));
	rig_turn();
	assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, 2);
	assert_int_equal(rig.loop.counters.value[COUNT_BACKEND_TOO_BIG], 1);
	peer_close(&p);
}

/* -------------------------------------------------------------------- end */

static void
ends_by_bye(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	peer_put(&p, BACKEND_BYE, 0, 0, 0, 0, TEXT("shutdown"));
	peer_send(&p, BACKEND_ACCEPT, 1, TEXT("")); /* after the last frame */
	assert_heard("lost x1\n  bye\n");
	peer_close(&p);
}

static void
is_closed_by_its_owner(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	backend_begin(link, BACKEND_CLOSED, 0, 0, 3, 0);
	backend_end(link);
	backend_link_close(link, BACKEND_LOST_SHUTDOWN);
	backend_link_close(link, BACKEND_LOST_PROTOCOL); /* the first reason stays */
	backend_begin(link, BACKEND_CLOSED, 0, 0, 4, 0); /* too late */
	backend_put(link, "x", 1);
	backend_end(link);
	assert_int_equal(rig.heard.len, 0);
	rig_turn();
	assert_heard("lost x1\n  shutdown\n");
	assert_int_equal(peer_expect(&p, BACKEND_CLOSED).handle, 3);
	peer_expect_bye(&p, "shutdown");
	peer_close(&p);
}

static void
a_backend_that_reads_nothing_does_not_hold_up_the_end(void **state)
{
	int small = 4096;
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_int_equal(setsockopt(conn_fd(link->conn), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	send_event(link, 1, MAX_FRAME);
	rig_turn();
	backend_link_close(link, BACKEND_LOST_SHUTDOWN);
	rig_turn();
	assert_heard("ready x1\nlost x1\n  shutdown\n");
	rig_advance(1999);
	assert_int_equal(backend_links_count(rig.links), 1);
	rig_advance(1);
	assert_int_equal(backend_links_count(rig.links), 0);
	peer_close(&p);
}

static void
close_now(struct backend_link *link, const struct backend_frame *f)
{
	if (f->handle == 2)
		backend_link_close(link, BACKEND_LOST_SHUTDOWN);
}

static void
is_closed_inside_a_frame(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	buffer_reset(&rig.heard);
	rig.in_frame = close_now;
	peer_put(&p, BACKEND_ACCEPT, 0, 0, 1, 0, TEXT(""));
	peer_put(&p, BACKEND_ACCEPT, 0, 0, 2, 0, TEXT(""));
	peer_send(&p, BACKEND_ACCEPT, 3, TEXT(""));
	assert_heard("accept 1 \naccept 2 \nlost x1\n  shutdown\n");
	peer_expect_bye(&p, "shutdown");
	peer_close(&p);
}

static void
a_second_link_of_an_instance_ends_the_first(void **state)
{
	struct peer one, two;

	(void)state;
	peer_join(&one, HELLO("x1"));
	assert_heard("ready x1\n");
	peer_join(&two, HELLO("x1"));
	assert_heard("lost x1\n  duplicate\nready x1\n");
	peer_expect_bye(&one, "duplicate");
	peer_close(&one);
	assert_int_equal(rig.heard.len, 0);
	assert_int_equal(backend_links_count(rig.links), 1);
	peer_close(&two);
}

static void
the_handles_of_a_link_run_out(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	buffer_reset(&rig.heard);
	assert_int_equal(backend_link_new_handle(link), 1);
	assert_int_equal(backend_link_new_handle(link), 2);
	link->last_handle = UINT32_MAX - (1u << 24) - 2;
	assert_int_equal(backend_link_new_handle(link), UINT32_MAX - (1u << 24) - 1);
	rig_turn();
	peer_expect_nothing(&p);
	assert_int_equal(backend_link_new_handle(link), UINT32_MAX - (1u << 24));
	/* a client with several sockets needs more handles in the same turn */
	assert_int_equal(backend_link_new_handle(link), UINT32_MAX - (1u << 24) + 1);
	rig_turn();
	assert_heard("lost x1\n  full\n");
	peer_expect_bye(&p, "full");
	peer_close(&p);
}

/* ------------------------------------------------------------------ drain */

static void
drains(void **state)
{
	struct backend_link *link;
	struct backend_frame f;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	assert_false(backend_link_is_draining(link));
	peer_send(&p, BACKEND_DRAIN, 0, TEXT(""));
	assert_heard("drain x1\n");
	assert_true(backend_link_is_draining(link));
	assert_int_equal(backend_links_stats(rig.links)->draining, 1);
	f = peer_expect(&p, BACKEND_CLOSED); /* sent inside on_drain() */
	f = peer_expect(&p, BACKEND_DRAIN);
	assert_int_equal(f.flags, BACKEND_F_ACK);
	peer_send(&p, BACKEND_DRAIN, 0, TEXT("")); /* a second DRAIN has no effect */
	assert_int_equal(rig.heard.len, 0);
	peer_expect_nothing(&p);
	peer_send(&p, BACKEND_EMIT, 3, TEXT("[\"late\"]"));
	assert_heard("emit 3 [\"late\"]\n");
	peer_close(&p);
	assert_heard("lost x1\n  closed\n");
	assert_int_equal(backend_links_stats(rig.links)->draining, 0);
}

static void
the_edge_drains(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	buffer_reset(&rig.heard);
	backend_links_drain(rig.links);
	rig_turn();
	assert_int_equal(peer_expect(&p, BACKEND_DRAIN).flags, 0);
	assert_int_equal(rig.heard.len, 0);
	peer_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(begins_with_welcome_and_peers),
		LINK_TEST(frames_of_the_owner_go_up_in_order),
		LINK_TEST(frames_arrive_whole_however_they_are_cut),
		LINK_TEST(writes_golden_frames),
		LINK_TEST(large_blocks_leave_by_reference),
		LINK_TEST(a_turn_is_one_write),
		LINK_TEST(a_frame_that_is_too_large_is_not_sent),
		LINK_TEST(ends_by_bye),
		LINK_TEST(is_closed_by_its_owner),
		LINK_TEST(a_backend_that_reads_nothing_does_not_hold_up_the_end),
		LINK_TEST(is_closed_inside_a_frame),
		LINK_TEST(a_second_link_of_an_instance_ends_the_first),
		LINK_TEST(the_handles_of_a_link_run_out),
		LINK_TEST(drains),
		LINK_TEST(the_edge_drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
