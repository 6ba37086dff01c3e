/*
 * A client is brought to each stage of each way to join. There the server dies, or the client leaves or is cut off.
 * In each case the client ends once, leaves nothing behind, and can be opened again.
 */
#include "tests/unit/load/client_bench.h"

/* The purpose of a connection, known by its request. */
enum role { ROLE_NONE, ROLE_GET, ROLE_POST, ROLE_WS };

/* Each stage continues from the one before. */
struct stage {
	enum role to; /* the connection that the server writes to; ROLE_NONE: it writes nothing */
	const char *says;
	enum role hears; /* the connection on which the client then sends */
};

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define FRAME(length, text) "\x81" length text
#define OPENED "0{\"sid\":\"abc\",\"pingInterval\":25000,\"pingTimeout\":20000}" /* 55 bytes */
#define ACCEPT "*" /* stands for the answer to the upgrade */

static const struct stage by_ws[] = {
	{ROLE_NONE, "", ROLE_NONE}, /* not accepted yet */
	{ROLE_NONE, "", ROLE_WS},
	{ROLE_WS, "HTTP/1.1 10", ROLE_NONE},
	{ROLE_WS, ACCEPT, ROLE_NONE},
	{ROLE_WS, "\x81\x37" OPENED, ROLE_WS},
	{ROLE_WS, FRAME("\x04", "40{}"), ROLE_NONE},
	{ROLE_WS, FRAME("\x05", "42"), ROLE_NONE},
	{ROLE_WS,
		"[1]\x01\x03"
		"42[",
		ROLE_NONE},
	{ROLE_WS,
		"\x80\x02"
		"1]" FRAME("\x08", "451-[{}]"),
		ROLE_NONE},
	{ROLE_WS,
		"\x82\x05"
		"by",
		ROLE_NONE},
};

static const struct stage by_polling[] = {
	{ROLE_NONE, "", ROLE_NONE},
	{ROLE_NONE, "", ROLE_GET},
	{ROLE_GET, "HTTP/1.1 200 OK\r\nContent-Length: 55\r\n", ROLE_NONE},
	{ROLE_GET, "\r\n" OPENED, ROLE_POST},
	{ROLE_POST, "HTTP/1.1 200 OK\r\nConte", ROLE_GET},
	{ROLE_POST, "nt-Length: 2\r\n\r\nok", ROLE_NONE},
	{ROLE_GET, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n40{}", ROLE_GET},
	{ROLE_GET,
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n2\x1e"
		"451-[{}]",
		ROLE_POST},
	{ROLE_GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n42[1\r\n", ROLE_NONE},
};

static const struct stage by_upgrade[] = {
	{ROLE_NONE, "", ROLE_NONE},
	{ROLE_NONE, "", ROLE_GET},
	{ROLE_GET, "HTTP/1.1 200 OK\r\nContent-Length: 55\r\n\r\n" OPENED, ROLE_POST},
	{ROLE_POST, OK, ROLE_WS},
	{ROLE_GET, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n40{}", ROLE_GET},
	{ROLE_WS, "HTTP/1.1 101", ROLE_NONE},
	{ROLE_WS, ACCEPT, ROLE_WS},
	{ROLE_WS, "\x81\x06", ROLE_NONE},
	{ROLE_WS, "3probe", ROLE_NONE},
	{ROLE_GET, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", ROLE_NONE},
	{ROLE_GET, "6", ROLE_WS},
	{ROLE_WS, FRAME("\x05", "42[1]") FRAME("\x02", "4"), ROLE_NONE},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct {
	int transport;
	const struct stage *stages;
	unsigned count;
} ways[] = {
	{LOAD_WEBSOCKET, by_ws, COUNT(by_ws)},
	{LOAD_POLLING, by_polling, COUNT(by_polling)},
	{LOAD_UPGRADE, by_upgrade, COUNT(by_upgrade)},
};

/* How the client ends. */
enum ending { DIES, DIES_READING, SAYS_GARBAGE, LEAVES, LEAVES_THEN_DIES, IS_CUT, ENDINGS };

static size_t seen[ROLE_WS + 1]; /* bytes, by role */

static enum role
role_of(const struct peer *p)
{
	static const char *const begins[] = {
		"", "GET /socket.io/?EIO=4&transport=polling", "POST ", "GET /socket.io/?EIO=4&transport=websocket"};

	for (unsigned role = ROLE_GET; role <= ROLE_WS; role++)
		if (p->got.len > 0 && text_starts(buffer_text(&p->got), text_from(begins[role])))
			return (enum role)role;
	return ROLE_NONE;
}

static struct peer *
find(enum role role)
{
	for (unsigned i = 0; i < b.peer_count; i++)
		if (role_of(&b.peers[i]) == role)
			return &b.peers[i];
	return NULL;
}

/* The received bytes stay in `got`, because the first ones identify the connection. */
static void
go_through(const struct stage *s)
{
	struct peer *p = NULL;

	if (s->to != ROLE_NONE)
		RUN_UNTIL(find(s->to) != NULL);
	if (s->to != ROLE_NONE && strcmp(s->says, ACCEPT) == 0) {
		char rest[256];
		bool begun = b.setup.transport == LOAD_WEBSOCKET;

		snprintf(rest, sizeof rest,
			"%s x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
			begun ? "1" : "", WS_ACCEPT_LENGTH, b.target.accept);
		say_text(find(s->to), rest);
	} else if (s->to != ROLE_NONE) {
		say_text(find(s->to), s->says);
	}
	if (s->hears != ROLE_NONE)
		RUN_UNTIL((p = find(s->hears)) != NULL && p->got.len > seen[s->hears]);
	if (p)
		seen[s->hears] = p->got.len;
	all_heard();
	assert_int_equal(b.ended, 0);
}

static void
bring_about(enum ending ending)
{
	switch (ending) {
	case DIES: /* with unread bytes */
		for (unsigned i = 0; i < b.peer_count; i++)
			ev_io_stop(bench.ev, &b.peers[i].io);
		server_dies();
		break;
	case DIES_READING:
		server_dies();
		break;
	case SAYS_GARBAGE:
		RUN_UNTIL(b.peer_count > 0);
		for (unsigned i = 0; i < b.peer_count; i++)
			if (b.peers[i].fd >= 0)
				say(&b.peers[i], "\xff\xff\xff\xff\xff\xff\xff\xff\r\n\r\n\xff\xff", 14);
		break;
	case LEAVES:
		client_leave(&b.client);
		break;
	case LEAVES_THEN_DIES:
		client_leave(&b.client);
		loop_finish_turn(&bench.loop);
		server_dies();
		break;
	default:
		client_cut(&b.client, LOAD_ERROR_COUNT, "");
		break;
	}
}

static void
one_life(unsigned way, unsigned stages, enum ending ending)
{
	bool joined;

	memset(seen, 0, sizeof seen);
	client_bench_start(NULL);
	bench_aim(ways[way].transport, "");
	b.setup.limits.linger_ms = 50;
	client_open(&b.client);
	for (unsigned i = 0; i < stages; i++)
		go_through(&ways[way].stages[i]);
	joined = b.client.state == CLIENT_JOINED;
	bring_about(ending);
	RUN_UNTIL(b.ended > 0);
	assert_int_equal(b.was_joined, joined);
	if (ending < LEAVES)
		assert_int_not_equal(b.error, LOAD_ERROR_COUNT);
	else
		assert_int_equal(b.error, LOAD_ERROR_COUNT);
	assert_int_equal(b.why[0] != '\0', ending < LEAVES);

	/* once more */
	b.client.setup->timeout_ms = 20000;
	client_open(&b.client);
	client_cut(&b.client, LOAD_ERROR_COUNT, "");
	RUN_UNTIL(b.ended > 1);
	for (unsigned i = 0; i < 3; i++) {
		run_turn();
		loop_finish_turn(&bench.loop);
	}
	assert_int_equal(b.ended, 2);
	client_bench_stop(NULL);
}

static void
test_all_stages_and_endings(void **state)
{
	(void)state;
	for (unsigned way = 0; way < COUNT(ways); way++)
		for (unsigned stages = 1; stages <= ways[way].count; stages++)
			for (unsigned ending = 0; ending < ENDINGS; ending++)
				one_life(way, stages, (enum ending)ending);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_stages_and_endings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
