/* Handshakes that a backend is asked about, refused requests, and casts through the broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/backend/backend_session.h"
#include "node/http/http_client.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/socketio/fake_broker.h"

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/people.h"

#define REQUEST_HEAD                                                                                                 \
	"{\"method\":\"GET\",\"url\":\"/socket.io/?EIO=4\",\"httpVersion\":\"1.1\",\"headers\":[\"Host\",\"h\"],"    \
	"\"address\":\"192.0.2.9\",\"secure\":true"

/* ------------------------------------------------ requests without a network */

static const struct http_header fields[] = {{{"Host", 4}, {"h", 1}}};
static struct http_request request;
static char added[256];

int
http_add_field(struct http_request *r, struct text name, struct text value)
{
	size_t used = strlen(added);

	assert_ptr_equal(r, &request);
	if (memchr(value.at, '\n', value.n) != NULL)
		return ERROR_ARGUMENT;
	(void)snprintf(added + used, sizeof added - used, "%.*s=%.*s;", (int)name.n, name.at, (int)value.n, value.at);
	return 0;
}

struct text
http_client_address(const struct http_request *r, char room[CONN_ADDRESS_MAX])
{
	(void)r;
	(void)room;
	return TEXT("192.0.2.9");
}

bool
http_client_secure(const struct http_request *r)
{
	(void)r;
	return true;
}

struct eio_pending {
	int number;
};

static void
ask(struct eio_pending *pending)
{
	sio_core_ops()->on_allow(fake_io, pending, &request);
}

static void
begin(void)
{
	struct backend_limits limits = fake_limits();

	request = (struct http_request){.method_name = TEXT("GET"),
		.target = TEXT("/socket.io/?EIO=4"),
		.headers = fields,
		.header_count = 1,
		.minor = 1};
	fake_request = &request;
	fake_ticket = 0;
	added[0] = '\0';
	backends_start(&limits);
}

static void
asking_backend(unsigned i)
{
	struct backend_hello hello = link_hello("asks");

	hello.wants_requests = hello.wants_errors = true;
	(void)link_ready(i, &hello);
}

/* -------------------------------------------------------------- handshakes */

static void
test_no_group_wants_to_be_asked(void **state)
{
	struct eio_pending pending;

	(void)state;
	begin();
	ask(&pending);
	backend_comes(0);
	ask(&pending);
	assert_int_equal(fake_engine.allowed, 2);
	EXPECT_FRAMES(0, "");
	backends_stop();
}

static void
test_allowed(void **state)
{
	struct eio_pending pending;

	(void)state;
	begin();
	asking_backend(0);
	asking_backend(1);
	ask(&pending);
	EXPECT_FRAMES(0, "REQUEST id=1 " REQUEST_HEAD "}\n");
	/* only the backend that was asked may answer */
	assert_true(link_gets(1, BACKEND_RESPONSE, 0, 0, 1, "{\"allow\":true}"));
	assert_true(link_gets(0, BACKEND_RESPONSE, 0, 0, 2, "{\"allow\":true}"));
	assert_int_equal(fake_engine.allowed, 0);
	assert_true(link_gets(0, BACKEND_RESPONSE, 0, 0, 1,
		"{\"allow\":true,\"headers\":[[\"Set-Cookie\",\"a=1\"],[\"X\",\"\\u00e4\"],[\"Y\",\"a\\nb\"],[1,2],7]"
		"}"));
	assert_int_equal(fake_engine.allowed, 1);
	assert_int_equal(fake_engine.ticket, 1);
	assert_string_equal(added, "Set-Cookie=a=1;X=\xc3\xa4;");
	assert_int_equal(fake_loop.counters.value[COUNT_BACKEND_DROPPED_FRAMES], 3);
	assert_true(link_gets(0, BACKEND_RESPONSE, 0, 0, 1, "{\"allow\":true}")); /* a second answer is ignored */
	/* the session belongs to the backend that was asked, although the other one is just as idle */
	fake_ticket = 1;
	(void)fake_open(0);
	EXPECT_FRAMES(0, "SESSION h=1 {\"id\":\"aaaaaaaaaaaaaaaaaaaa" SESSION_HEAD ",\"request\":1}\n");
	fake_ticket = 0;
	receive(0, "0");
	EXPECT_FRAMES(0, "OPEN h=2 id=1 '*' '{}'\n");
	EXPECT_FRAMES(1, "");
	/* when it is lost, the other one knows nothing about the request */
	link_lost(0);
	EXPECT_FRAMES(1, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "OPEN h=2 id=1 '*' '{}'\n");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	backends_stop();
}

static void
test_refused(void **state)
{
	static const struct {
		const char *response, *refusal;
		int status;
	} cases[] = {
		{"{\"allow\":false,\"status\":401,\"headers\":[[\"content-type\",\"a/b\"]],\"body\":\"no\"}",
			"a/b|no", 401},
		{"{\"allow\":false,\"status\":401}", "|", 401},
		{"{\"allow\":false,\"body\":\"no\"}", "no", 0},
		{"{\"allow\":false}", "Forbidden", 0},
		{"{\"status\":99}", "Forbidden", 0},
		{"{\"allow\":1,\"status\":\"x\",\"headers\":{},\"body\":[]}", "Forbidden", 0},
	};
	struct eio_pending pending;

	(void)state;
	begin();
	asking_backend(0);
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fake_engine.status = 0;
		ask(&pending);
		assert_true(link_gets(0, BACKEND_RESPONSE, 0, 0, i + 1, cases[i].response));
		assert_int_equal(fake_engine.refused, i + 1);
		assert_string_equal(fake_engine.refusal, cases[i].refusal);
		assert_int_equal(fake_engine.status, cases[i].status);
	}
	ask(&pending);
	assert_false(link_gets(0, BACKEND_RESPONSE, 0, 0, 7, "{"));
	assert_false(link_gets(0, BACKEND_RESPONSE, 0, 0, 7, "[]"));
	backends_stop();
}

static void
test_late(void **state)
{
	struct eio_pending pending;

	(void)state;
	begin();
	asking_backend(0);
	ask(&pending);
	fake_sleep(4800);
	assert_int_equal(fake_engine.refused, 0);
	fake_sleep(300);
	assert_int_equal(fake_engine.refused, 1);
	assert_int_equal(fake_engine.status, 503);
	assert_string_equal(added, "Retry-After=1;");
	assert_int_equal(fake_loop.counters.value[COUNT_BACKEND_REQUESTS_LATE], 1);
	assert_true(link_gets(0, BACKEND_RESPONSE, 0, 0, 1, "{\"allow\":true}"));
	assert_int_equal(fake_engine.allowed, 0);
	/* the backend allows a request whose peer has gone: the request is forgotten in time */
	ask(&pending);
	assert_true(link_gets(0, BACKEND_RESPONSE, 0, 0, 2, "{\"allow\":true}"));
	assert_int_equal(fake_core->requests.count, 1);
	fake_sleep(5100);
	assert_int_equal(fake_core->requests.count, 0);
	assert_int_equal(fake_engine.refused, 1);
	backends_stop();
}

static void
test_the_asked_backend_is_lost(void **state)
{
	struct eio_pending pending;

	(void)state;
	begin();
	asking_backend(0);
	ask(&pending);
	(void)link_sent(0);
	link_lost(0);
	assert_int_equal(fake_engine.refused, 0);
	/* a request without a backend waits too, because the group wants to be asked */
	ask(&pending);
	assert_int_equal(fake_engine.allowed, 0);
	asking_backend(1);
	EXPECT_FRAMES(1, "REQUEST id=1 " REQUEST_HEAD "}\nREQUEST id=2 " REQUEST_HEAD "}\n");
	/* the peers of both requests have gone meanwhile */
	fake_request = NULL;
	link_lost(1);
	assert_int_equal(fake_engine.refused, 2);
	assert_int_equal(fake_core->requests.count, 0);
	/* allowed by a backend that is lost before the session opens */
	fake_request = &request;
	asking_backend(0);
	ask(&pending);
	(void)link_gets(0, BACKEND_RESPONSE, 0, 0, 3, "{\"allow\":true}");
	link_lost(0);
	fake_ticket = 3;
	(void)fake_open(0);
	fake_ticket = 0;
	assert_int_equal(fake_core->clients.count, 0);
	backends_stop();
}

/* A lost group that wants to be asked does not delay the handshakes of a group that is there. */
static void
test_the_group_that_is_there_is_asked(void **state)
{
	struct backend_hello hello = link_hello("g0");
	struct eio_pending pending;

	(void)state;
	begin();
	hello.wants_requests = true;
	hello.group = TEXT("gone");
	(void)link_ready(0, &hello);
	hello.instance = TEXT("g1");
	hello.group = TEXT("there");
	(void)link_ready(1, &hello);
	link_lost(0);
	ask(&pending);
	EXPECT_FRAMES(1, "REQUEST id=1 " REQUEST_HEAD "}\n");
	backends_stop();
}

/* -------------------------------------------------------- refused requests */

static void
test_refused_requests_are_told(void **state)
{
	unsigned told = 0;

	(void)state;
	begin();
	backend_comes(0); /* this backend has not asked for REQUEST and CONNERR */
	sio_core_ops()->on_refused(fake_io, &request, EIO_UNKNOWN_SID, "Session ID unknown", "UNKNOWN_SID");
	EXPECT_FRAMES(0, "");
	link_lost(0);
	asking_backend(0);
	sio_core_ops()->on_refused(fake_io, &request, EIO_UNKNOWN_SID, "Session ID unknown", "UNKNOWN_SID");
	EXPECT_FRAMES(0, "CONNERR " REQUEST_HEAD
			 ",\"code\":1,\"message\":\"Session ID unknown\",\"context\":\"UNKNOWN_SID\"}\n");
	/* only part of a flood is reported */
	fake_sleep(1000);
	for (unsigned i = 0; i < 250; i++)
		sio_core_ops()->on_refused(fake_io, &request, EIO_BAD_REQUEST, "Bad request", "BAD_REQUEST");
	for (const char *at = link_sent(0); (at = strstr(at, "CONNERR")) != NULL; at++)
		told++;
	assert_int_equal(told, BACKEND_ERRORS_A_SECOND);
	assert_int_equal(fake_loop.counters.value[COUNT_BACKEND_ERRORS_UNSENT], 150);
	backends_stop();
}

static void
test_upgrades_are_told(void **state)
{
	(void)state;
	begin();
	backend_comes(0);
	(void)fake_open(0);
	sio_core_ops()->on_upgrade(client(0), client(0)->owner); /* no backend knows the session yet */
	receive(0, "0");
	(void)link_sent(0);
	sio_core_ops()->on_upgrade(client(0), client(0)->owner);
	EXPECT_FRAMES(0, "TRANSPORT h=1 websocket\n");
	link_lost(0);
	sio_core_ops()->on_upgrade(client(0), client(0)->owner);
	backends_stop();
}

/* ---------------------------------------------------------- through the bus */

/* The answers of other nodes come together with those of this node, all at the end. */
static void
test_casts_through_the_broker(void **state)
{
	struct sio_options options = fake_options();
	struct backend_limits limits = fake_limits();

	(void)state;
	limits.bus = true;
	fake_start(&options);
	fake_broker_start(BUS_FORM_REDIS);
	sio_core_set_broker(fake_io, &fake_broker);
	fake_core = backend_clients_new(&fake_loop, &limits);
	backend_clients_serve(fake_core, fake_io);
	buffer_init(&link_parts, 1 << 20);
	backend_comes(0);
	attached(0);
	buffer_reset(&fake_broker.log);
	assert_true(link_casts(0, 0, 0, "r", "x", "[\"e\",1]"));
	assert_true(text_is(fake_broker_log(), TEXT("broadcast / +r -x [\"e\",1]\n")));
	assert_true(link_casts(0, BACKEND_F_ACK, 5, "", "", "[\"q\"]"));
	EXPECT_SENT(0, "20[\"q\"]\n");
	EXPECT_FRAMES(0, "");
	receive(0, "30[\"mine\"]");
	fake_broker.questions[0].on_answer(fake_broker.questions[0].arg, TEXT("\"theirs\""), NULL);
	fake_broker_end(1, 0, 1, 0, 1);
	fake_turn();
	EXPECT_FRAMES(0, "CASTED id=5 3\nCASTED flags=1 id=5 [\"mine\"]\nCASTED flags=1 id=5 [\"theirs\"]\n"
			 "CASTED flags=64 id=5\n");
	sio_core_close(fake_io);
	fake_turn();
	backend_clients_close(fake_core);
	link_lost(0);
	backend_clients_free(fake_core);
	sio_core_set_broker(fake_io, NULL);
	fake_stop();
	fake_broker_stop();
	buffer_fini(&link_parts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_group_wants_to_be_asked),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_the_asked_backend_is_lost),
		cmocka_unit_test(test_the_group_that_is_there_is_asked),
		cmocka_unit_test(test_refused_requests_are_told),
		cmocka_unit_test(test_upgrades_are_told),
		cmocka_unit_test(test_casts_through_the_broker),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
