/*
 * What the runtime costs: the allocations of the echo path, and the memory of an idle client. Functions of this file
 * replace the allocator's to count.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/small.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/socketio/fake_broker.h"

#define SESSION_MAX 176 /* bytes of a session that may be recovered, as malloc() rounds them up */

static size_t allocations, bytes;

static void *
counted(void *at)
{
	must(at != NULL);
	allocations++;
	bytes += malloc_usable_size(at);
	return at;
}

void *
mem_alloc(size_t size)
{
	return counted(malloc(size != 0 ? size : 1));
}

void *
mem_zalloc(size_t size)
{
	return counted(calloc(1, size != 0 ? size : 1));
}

void *
mem_realloc(void *old, size_t size)
{
	if (old != NULL)
		bytes -= malloc_usable_size(old);
	return counted(realloc(old, size != 0 ? size : 1));
}

void *
mem_try_alloc(size_t size)
{
	return mem_alloc(size);
}

void *
mem_try_zalloc(size_t size)
{
	return mem_zalloc(size);
}

void *
mem_try_realloc(void *old, size_t size)
{
	return mem_realloc(old, size);
}

void *
mem_copy(const void *from, size_t n)
{
	return memcpy(mem_alloc(n), from, n);
}

char *
mem_text(const char *at, size_t n)
{
	char *text = mem_alloc(n + 1);

	memcpy(text, at, n);
	text[n] = '\0';
	return text;
}

void
mem_free(void *at)
{
	if (at != NULL)
		bytes -= malloc_usable_size(at);
	free(at);
}

bool
mem_reserve(void)
{
	return true;
}

bool
mem_is_short(void)
{
	return false;
}

void
mem_give_back(void)
{
}

/* Gives back recycled memory first, so that the next objects need allocations of their own. */
static size_t
allocations_now(void)
{
	small_give_back();
	return allocations;
}

static void
assert_all_is_freed(void)
{
	small_give_back();
	assert_int_equal(bytes, 0);
}

static void
on_echo(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	sio_emit(sio_only(s), "echo", "v", sio_arg(e, 0));
}

static void
on_shout(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	sio_emit(sio_everyone(s), "shout", "*", e);
}

static void
test_message_is_all_that_is_allocated(void **state)
{
	static const char echo[] = "2[\"echo\",{\"some\":[\"value\",1]}]", shout[] = "2[\"shout\",1,2]";
	struct sio_options o = fake_options();
	size_t one, before;

	(void)state;
	fake_start(&o);
	sio_on(sio_of(fake_io, "/"), "echo", on_echo, NULL);
	sio_on(sio_of(fake_io, "/"), "shout", on_shout, NULL);
	for (unsigned i = 0; i < 10; i++) {
		fake_receive(fake_open(i), false, "0", 1);
		(void)buffer_room(&fake_engine.sessions[i].sent, 100000);
	}
	before = allocations_now();
	eio_message_unref(eio_message_text2(TEXT("2"), TEXT("[]")));
	one = allocations - before;
	assert_in_range(one, 1, 2);
	for (unsigned i = 0; i < 3; i++) {
		before = allocations_now();
		sio_core_ops()->on_message(&fake_engine.sessions[0], fake_engine.sessions[0].owner, false,
			(uint8_t *)(char[]){"2[\"echo\",{\"some\":[\"value\",1]}]"}, sizeof echo - 1);
		if (i > 0) /* the first event fills the scratch buffer */
			assert_int_equal(allocations - before, one);
		before = allocations_now();
		sio_core_ops()->on_message(&fake_engine.sessions[0], fake_engine.sessions[0].owner, false,
			(uint8_t *)(char[]){"2[\"shout\",1,2]"}, sizeof shout - 1);
		if (i > 0)
			assert_int_equal(allocations - before, one);
	}
	assert_int_equal(fake_engine.sessions[0].messages, 1 + 3 + 3);
	assert_int_equal(fake_engine.sessions[9].messages, 1 + 3);
	for (unsigned i = 0; i < 2; i++) {
		before = allocations;
		sio_core_ops()->on_message(&fake_engine.sessions[0], fake_engine.sessions[0].owner, false,
			(uint8_t *)(char[]){"2[\"echo\",{\"some\":[\"value\",1]}]"}, sizeof echo - 1);
	}
	if (SMALL_KEPT_MAX > 0) /* the second one uses the memory of the first */
		assert_int_equal(allocations, before);
	fake_stop();
	assert_all_is_freed();
}

/* A broadcast of another node costs the same for any number of receivers, and its text leaves as it was packed. */
static void
test_broadcasts_of_a_cluster(void **state)
{
	static const char data[] = "[\"shout\",1,2]", shout[] = "2[\"shout\",1,2]";
	struct sio_options o = fake_options();
	struct wire_target all = {0};
	size_t one, before;

	(void)state;
	fake_start(&o);
	fake_broker_start(BUS_FORM_HUB);
	sio_core_set_broker(fake_io, &fake_broker);
	sio_on(sio_of(fake_io, "/"), "shout", on_shout, NULL);
	(void)buffer_room(&fake_broker.log, 10000);
	for (unsigned i = 0; i < 10; i++) {
		fake_receive(fake_open(i), false, "0", 1);
		(void)buffer_room(&fake_engine.sessions[i].sent, 100000);
	}
	before = allocations_now();
	eio_message_unref(eio_message_text2(TEXT("2"), TEXT("[]")));
	one = allocations - before;
	for (unsigned i = 0; i < 3; i++) {
		before = allocations_now();
		sio_core_broker_ops()->on_broadcast(sio_of(fake_io, "/"), &all, text_of(data, sizeof data - 1), NULL);
		if (i > 0)
			assert_int_equal(allocations - before, one);
		before = allocations_now();
		sio_core_ops()->on_message(&fake_engine.sessions[0], fake_engine.sessions[0].owner, false,
			(uint8_t *)(char[]){"2[\"shout\",1,2]"}, sizeof shout - 1);
		if (i > 0)
			assert_int_equal(allocations - before, one);
	}
	/* without receivers, nothing is encoded */
	before = allocations_now();
	sio_core_broker_ops()->on_broadcast(sio_of(fake_io, "/"),
		&(struct wire_target){.rooms = &TEXT("nobody"), .room_count = 1}, text_of(data, sizeof data - 1),
		NULL);
	assert_int_equal(allocations, before);
	assert_int_equal(fake_engine.sessions[9].messages, 1 + 3 + 3);
	assert_true(text_is(fake_broker_log(), TEXT("broadcast / [\"shout\",1,2]\nbroadcast / [\"shout\",1,2]\n"
						    "broadcast / [\"shout\",1,2]\n")));
	fake_stop();
	fake_broker_stop();
	assert_all_is_freed();
}

static void
test_idle_client(void **state)
{
	struct sio_options o = fake_options();
	size_t before;

	(void)state;
	fake_start(&o);
	/* eight fit into the table's first buckets */
	fake_receive(fake_open(0), false, "0", 1);
	fake_turn();
	(void)fake_open(1);
	(void)buffer_room(&fake_engine.sessions[1].sent, 1000);
	before = bytes - malloc_usable_size(fake_engine.sessions[1].owner);
	fake_receive(&fake_engine.sessions[1], false, "0", 1);
	fake_turn();
	assert_in_range(bytes - before, sizeof(struct sio_client) + sizeof(struct sio_socket), 350);
	fake_stop();
	assert_all_is_freed();
}

/* The difference to test_idle_client() is what connection state recovery takes of a worker for each client. */
static void
test_idle_client_that_may_return(void **state)
{
	struct sio_options o = fake_options();
	size_t before;

	(void)state;
	o.connection_state_recovery = true;
	fake_start(&o);
	fake_receive(fake_open(0), false, "0", 1);
	fake_turn();
	(void)fake_open(1);
	(void)buffer_room(&fake_engine.sessions[1].sent, 1000);
	before = bytes - malloc_usable_size(fake_engine.sessions[1].owner);
	fake_receive(&fake_engine.sessions[1], false, "0", 1);
	fake_turn();
	assert_in_range(bytes - before,
		sizeof(struct sio_client) + sizeof(struct sio_socket) + sizeof(struct sio_recovery_session),
		350 + SESSION_MAX);
	fake_stop();
	assert_all_is_freed();
}

/* ------------------------------------------------------------------- fetch */

#define FETCHED FAKE_SESSIONS

static size_t fetch_allocations, fetch_bytes;

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)sockets;
	(void)arg;
	assert_int_equal(error, 0);
	assert_int_equal(n, FETCHED);
	assert_int_equal(silent, 0);
	fetch_allocations = allocations;
	fetch_bytes = bytes;
}

/* A list of sockets is a few large blocks, and it has no handshake that the application does not read. */
static void
test_fetch(void **state)
{
	struct sio_options o = fake_options();
	size_t allocations_before, bytes_before;

	(void)state;
	fake_start(&o);
	for (unsigned i = 0; i < FETCHED; i++)
		fake_receive(fake_open(i), false, "0", 1);
	fake_turn();
	assert_int_equal(sio_fetch(sio_all(sio_of(fake_io, "/")), on_fetched, NULL), 0);
	fake_turn(); /* the scratch of the selection is allocated now */
	allocations_before = allocations;
	bytes_before = bytes;
	assert_int_equal(sio_fetch(sio_all(sio_of(fake_io, "/")), on_fetched, NULL), 0);
	fake_turn();
	assert_in_range(fetch_allocations - allocations_before, 1, FETCHED / 2);
	assert_in_range(fetch_bytes - bytes_before, FETCHED * 100, FETCHED * 400);
	fake_stop();
	assert_all_is_freed();
}

/* ------------------------------------------------------------------- hooks */

static sio_step *asked;

static void
allow(sio_server *io, sio_request *request, sio_step *step, void *arg)
{
	const char *key = sio_request_query(request, "key");

	(void)io;
	(void)arg;
	assert_string_equal(sio_request_url(request), "/socket.io/?key=a%20b");
	assert_string_equal(sio_request_header(request, "host"), "h");
	assert_null(sio_request_header(request, "none"));
	assert_null(sio_request_query(request, "none"));
	assert_string_equal(key, "a b");
	assert_int_equal(sio_add_header(request, "x", "y"), SIO_ERR_STATE);
	if (asked == NULL)
		sio_next(step);
	asked = step;
}

static void
test_allow_request(void **state)
{
	static const struct http_header host = {{"Host", 4}, {"h", 1}};
	const struct http_request r = {.target = TEXT("/socket.io/?key=a%20b"),
		.query = TEXT("key=a%20b"),
		.headers = &host,
		.header_count = 1};
	struct sio_options o = fake_options();

	(void)state;
	fake_start(&o);
	sio_core_ops()->on_allow(fake_io, (struct eio_pending *)&o, &r);
	assert_int_equal(fake_engine.allowed, 1);
	sio_allow_request(fake_io, allow, NULL);
	asked = NULL;
	sio_core_ops()->on_allow(fake_io, (struct eio_pending *)&o, &r);
	assert_int_equal(fake_engine.allowed, 2);
	sio_core_ops()->on_allow(fake_io, (struct eio_pending *)&o, &r);
	fake_turn();
	assert_int_equal(fake_engine.allowed, 2);
	sio_next(asked);
	fake_turn();
	assert_int_equal(fake_engine.allowed, 3);
	sio_core_ops()->on_allow(fake_io, (struct eio_pending *)&o, &r);
	assert_int_equal(sio_refuse(asked, "go away", NULL), 0);
	fake_turn();
	assert_int_equal(fake_engine.refused, 1);
	assert_string_equal(fake_engine.refusal, "go away");
	/* a handshake that is never answered does not outlive the server */
	sio_core_ops()->on_allow(fake_io, (struct eio_pending *)&o, &r);
	fake_stop();
	assert_int_equal(fake_engine.refused, 2);
	assert_all_is_freed();
}

static void
test_api_errors(void **state)
{
	struct sio_options o = fake_options();
	char error[SIO_ERROR_LINE];

	(void)state;
	fake_start(&o);
	assert_ptr_equal(sio_of(fake_io, "x"), sio_of(fake_io, "/x"));
	assert_ptr_equal(sio_of(fake_io, ""), sio_of(fake_io, "/"));
	assert_null(sio_of_pattern(fake_io, "/(", error));
	assert_non_null(strstr(error, "/("));
	assert_non_null(sio_of_pattern(fake_io, "/p.+", NULL));
	assert_non_null(sio_of(fake_io, "/pq")->parent);
	assert_null(sio_of(fake_io, "/x")->parent);
	assert_int_equal(sio_off(sio_of(fake_io, "/"), "x", on_echo, NULL), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_on(sio_of(fake_io, "/"), "x", on_echo, NULL), 0);
	assert_int_equal(sio_off(sio_of(fake_io, "/"), "x", on_echo, NULL), 0);
	assert_string_equal(sio_error_text(SIO_ERR_TIMEOUT), "operation has timed out");
	assert_true(strlen(sio_error_text(SIO_ERR_RESERVED)) > 0 && strlen(sio_error_text(-12345)) > 0);
	fake_stop();
	assert_all_is_freed();
}

/* A name that sends a bad pattern into endless backtracking is refused quickly. */
static void
test_pattern_limits(void **state)
{
	struct sio_options o = fake_options();
	char connect[300] = "0/";

	(void)state;
	fake_start(&o);
	assert_non_null(sio_of_pattern(fake_io, "/(a+)+", NULL));
	memset(connect + 2, 'a', 250);
	fake_receive(fake_open(0), false, connect, strlen(connect));
	assert_int_equal(fake_engine.sessions[0].sent.data[0], '0');
	connect[strlen(connect)] = '!';
	fake_receive(fake_open(1), false, connect, strlen(connect));
	assert_int_equal(fake_engine.sessions[1].sent.data[0], '4');
	fake_stop();
}

int
main(void)
{
#ifdef SIO_CHECKED
	return 0; /* a build with checked handles may cost more */
#endif
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_is_all_that_is_allocated),
		cmocka_unit_test(test_broadcasts_of_a_cluster),
		cmocka_unit_test(test_idle_client),
		cmocka_unit_test(test_idle_client_that_may_return),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_allow_request),
		cmocka_unit_test(test_api_errors),
		cmocka_unit_test(test_pattern_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
