/* Connection state recovery: how sessions of lost clients end, and what limits keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_selector.h"
#include "tests/unit/socketio/recovering.h"

static struct {
	unsigned count;
	char id[SIO_ID_LENGTH + 1], nsp[32], data[32];
	sio_session_end why;
} ended;

static void
on_ended(sio_nsp *nsp, const sio_ended_session *session, void *arg)
{
	size_t n;
	const char *data = sio_string(session->data, &n);

	assert_ptr_equal(arg, &ended);
	ended.count++;
	(void)snprintf(ended.id, sizeof ended.id, "%s", session->id);
	(void)snprintf(ended.nsp, sizeof ended.nsp, "%s", sio_nsp_name(nsp));
	(void)snprintf(ended.data, sizeof ended.data, "%s", data != NULL ? data : "");
	ended.why = session->why;
}

static void
window_is_2_minutes(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->loss_notice = 45000;
	o->max_children = 1;
	o->max_room_bytes = 8;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&ended, 0, sizeof ended);
	recovering_start(window_is_2_minutes);
	sio_on_session_ended(sio_of(fake_io, "/"), on_ended, &ended);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	recovering_stop();
	return 0;
}

static void
assert_ended(unsigned count, const char *sid, sio_session_end why)
{
	assert_int_equal(ended.count, count);
	assert_string_equal(ended.id, sid);
	assert_int_equal(ended.why, why);
}

static void
a_listener_learns_why_a_lost_client_cannot_return(void **state)
{
	struct recovering late = {0}, displaced = {0}, other = {0}, closed = {0}, back = {0};

	(void)state;
	recovering_return(&late);
	assert_int_equal(sio_set_data(recovering_socket(&late), "s", "Ann"), 0);
	recovering_lose(&late, EIO_PING_TIMEOUT);
	fake_sleep(121500);
	assert_ended(1, late.sid, SIO_SESSION_EXPIRED);
	assert_string_equal(ended.data, "Ann");
	assert_string_equal(ended.nsp, "/");

	fake_io->options.recovery_max_sessions = 1;
	recovering_return(&displaced);
	recovering_return(&other);
	recovering_lose(&displaced, EIO_TRANSPORT_CLOSE);
	recovering_lose(&other, EIO_TRANSPORT_CLOSE);
	assert_ended(2, displaced.sid, SIO_SESSION_DISPLACED);

	recovering_return(&other);
	assert_true(other.recovered);
	recovering_return(&closed);
	sio_disconnect(recovering_socket(&closed), false);
	fake_turn();
	assert_int_equal(ended.count, 2);

	recovering_return(&back);
	recovering_lose(&back, EIO_TRANSPORT_CLOSE);
	assert_int_equal(sio_off_session_ended(sio_of(fake_io, "/"), on_ended, &ended), 0);
	fake_sleep(121500);
	assert_int_equal(ended.count, 2);
	assert_int_equal(sio_off_session_ended(sio_of(fake_io, "/"), on_ended, &ended), SIO_ERR_NOT_FOUND);
}

/* The session stays for a client that knows its offset: anybody may send a wrong one. */
static void
a_refused_offset_leaves_the_session_until_its_window_ends(void **state)
{
	struct recovering c = {0};
	char sid[sizeof c.sid];

	(void)state;
	recovering_return(&c);
	memcpy(sid, c.sid, sizeof sid);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_claim(&c, c.pid, "wrong");
	assert_true(c.connected && !c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
	assert_int_equal(ended.count, 0);
	fake_sleep(121500);
	assert_ended(1, sid, SIO_SESSION_EXPIRED);
	fake_sleep(121500);
	assert_int_equal(ended.count, 1);
}

static void
lost_clients_do_not_keep_others_out_of_new_namespaces(void **state)
{
	sio_nsp *parent = sio_of_pattern(fake_io, "^/c[0-9]$", NULL);
	struct recovering first = {.nsp = "/c1"}, second = {.nsp = "/c2"}, third = {.nsp = "/c3"};

	(void)state;
	sio_on_session_ended(parent, on_ended, &ended);
	recovering_return(&first);
	assert_true(first.connected);
	recovering_return(&third);
	assert_false(third.connected);
	recovering_lose(&first, EIO_TRANSPORT_CLOSE);
	recovering_return(&first);
	assert_true(first.recovered);
	recovering_lose(&first, EIO_TRANSPORT_CLOSE);
	recovering_return(&second);
	assert_true(second.connected);
	fake_turn();
	assert_ended(1, first.sid, SIO_SESSION_DISPLACED);
	assert_string_equal(ended.nsp, "/c1");
	fake_turn();
	assert_null(sio_nsp_find(fake_io, TEXT("/c1")));
	assert_int_equal(fake_io->children, 1);
}

static void
an_empty_namespace_is_freed_with_its_last_lost_client(void **state)
{
	struct recovering first = {.nsp = "/c1"};

	(void)state;
	fake_io->options.cleanup_empty_child_namespaces = 1;
	(void)sio_of_pattern(fake_io, "^/c[0-9]$", NULL);
	recovering_return(&first);
	recovering_lose(&first, EIO_TRANSPORT_CLOSE);
	assert_non_null(sio_nsp_find(fake_io, TEXT("/c1")));
	fake_sleep(121500);
	assert_null(sio_nsp_find(fake_io, TEXT("/c1")));
}

static void
a_client_without_place_for_its_rooms_is_new(void **state)
{
	struct recovering c = {0};
	char sid[sizeof c.sid];

	(void)state;
	recovering_return(&c);
	memcpy(sid, c.sid, sizeof sid);
	assert_int_equal(sio_join(recovering_socket(&c), "a"), 0);
	assert_int_equal(sio_join(recovering_socket(&c), "longer"), 0);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	fake_io->options.max_room_bytes = 5;
	recovering_return(&c);
	assert_true(c.connected);
	assert_false(c.recovered);
	assert_string_not_equal(c.sid, sid);
	assert_false(sio_in_room(recovering_socket(&c), "a"));
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_FAILED], 1);
	assert_ended(1, sid, SIO_SESSION_FAILED);
}

/* ------------------------------------------------------------------- log */

static void
attachments_count_with_what_they_take(void **state)
{
	struct sio_recovery_store store;
	struct sio_recovery_log *log;
	struct sio_selector all = {0};
	struct attachments many;
	struct block *tiny = block_copy("x", 1);

	(void)state;
	attachments_init(&many);
	for (unsigned i = 0; i < 100; i++)
		attachments_add(&many, tiny);
	sio_recovery_store_init(&store, 1000000);
	log = sio_recovery_log_new(&store);
	assert_non_null(sio_recovery_log_add(log, 0, &all, TEXT("[1]"), &many, true));
	assert_true(store.bytes >= 100 * (1 + BLOCK_COST + sizeof(struct block *)));
	assert_true(sio_recovery_store_drop(&store));
	assert_int_equal(store.bytes, 0);
	sio_recovery_log_free(log);
	attachments_fini(&many);
	block_unref(tiny);
}

/* A client with a very old offset must not make the server walk through the events of all others. */
static void
a_search_looks_only_at_entries_of_its_rooms(void **state)
{
	struct text busy = TEXT("busy"), quiet = TEXT("quiet"), both[] = {busy, quiet};
	struct sio_selector to_busy = {.rooms = &busy, .rooms_count = 1}, to_both = {.rooms = both, .rooms_count = 2},
			    not_busy = {.except = &busy, .except_count = 1};
	struct sio_recovery_entry *others, *first, *second;
	struct sio_recovery_found found;
	struct sio_recovery_rooms rooms;
	struct sio_recovery_store store;
	struct sio_recovery_log *log;

	(void)state;
	sio_recovery_store_init(&store, 1000000);
	log = sio_recovery_log_new(&store);
	first = sio_recovery_log_add(log, 0, &to_both, TEXT("[1]"), NULL, true);
	others = sio_recovery_log_add(log, 0, &to_busy, TEXT("[2]"), NULL, true);
	second = sio_recovery_log_add(log, 0, &not_busy, TEXT("[3]"), NULL, true);

	assert_true(sio_recovery_rooms_init(&rooms, NULL, 0, quiet));
	assert_int_equal(sio_recovery_log_find(log, 0, &rooms, 100000, &found), 0);
	assert_int_equal(found.count, 2);
	assert_ptr_equal(found.at[0], first);
	assert_ptr_equal(found.at[1], second);
	assert_int_equal(others->found, 0); /* not looked at */
	sio_recovery_found_fini(&found);
	assert_int_equal(sio_recovery_log_find(log, 1, &rooms, 100000, &found), 0);
	assert_int_equal(found.count, 1);
	sio_recovery_found_fini(&found);
	assert_int_equal(sio_recovery_log_find(log, 0, &rooms, first->bytes, &found), ERROR_TOO_BIG);
	sio_recovery_found_fini(&found);
	sio_recovery_rooms_fini(&rooms);

	/* entries that exclude the socket use up the limit as well */
	assert_true(sio_recovery_rooms_init(&rooms, NULL, 0, busy));
	assert_int_equal(sio_recovery_log_find(log, 2, &rooms, 1, &found), ERROR_TOO_BIG);
	sio_recovery_found_fini(&found);
	sio_recovery_rooms_fini(&rooms);
	while (sio_recovery_store_drop(&store))
		;
	assert_int_equal(store.bytes, 0);
	assert_int_equal(log->topics.count, 0);
	sio_recovery_log_free(log);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_listener_learns_why_a_lost_client_cannot_return, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_refused_offset_leaves_the_session_until_its_window_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			lost_clients_do_not_keep_others_out_of_new_namespaces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_empty_namespace_is_freed_with_its_last_lost_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_without_place_for_its_rooms_is_new, set_up, tear_down),
		cmocka_unit_test(attachments_count_with_what_they_take),
		cmocka_unit_test(a_search_looks_only_at_entries_of_its_rooms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
