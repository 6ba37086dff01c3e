/*
 * Messages about presence from other servers: the first byte of each line chooses the server, the rest are the
 * arguments after its id. Between the lines, time passes, and a socket of this server comes and goes.
 */
#include "common/base/must.h"

/* the helpers of the unit tests, without their library */
#define assert_true(condition) must(condition)
#define assert_int_equal(a, b) must((a) == (b))
#define assert_string_equal(a, b) must(strcmp(a, b) == 0)

#include "broker/members.h"
#include "common/base/json.h"
#include "tests/unit/socketio/cluster_bench.h"

static bool
fuzz_announce(void *arg, const struct beat *beat)
{
	(void)arg, (void)beat;
	return true;
}

static void
fuzz_describe(void *arg, struct beat *beat)
{
	(void)arg, (void)beat;
}

static void
fuzz_ask(void *arg, struct bus_count *query, struct text id)
{
	(void)arg, (void)query, (void)id;
}

static bool
fuzz_ask_nobody(void *arg, struct bus_count *query)
{
	(void)arg, (void)query;
	return false;
}

static void
fuzz_changed(void *arg)
{
	(void)arg;
}

static void
fuzz_on_user(const char *user, sio_value data, void *arg)
{
	(void)arg;
	must(strlen(user) > 0 && strlen(user) <= SIO_PRESENCE_USER_MAX);
	must(sio_type_of(data) != SIO_NULL);
}

static void
fuzz_line(struct text line)
{
	char message[4096];
	int n = snprintf(message, sizeof message, "[\"sockeye:presence\",1,\"server-%d\",%.*s]", line.at[0] % 4,
		(int)line.n - 1, line.at + 1);

	if (n >= (int)sizeof message || json_check(text_of(message, (size_t)n), JSON_DEPTH_MAX) != 0)
		return;
	ops->on_server_emit(main_nsp(), text_of(message, (size_t)n), NULL, NULL);
	fake_turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct members_ops members_fakes = {.announce = fuzz_announce,
		.describe = fuzz_describe,
		.ask_presence = fuzz_ask,
		.ask_servers = fuzz_ask_nobody,
		.ask_strangers = fuzz_ask_nobody,
		.ask_others = fuzz_ask_nobody,
		.on_change = fuzz_changed};
	static const struct members_options options = {.interval_ms = 5000, .timeout_ms = 10000};
	struct text rest = text_of((const char *)data, n), line;
	struct members *members;
	unsigned i = 0;

	log_set_level(LOG_ERROR);
	start(BUS_FORM_REDIS);
	members = members_new(&fake_loop, &options, &members_fakes, NULL);
	fake_broker.members = members;
	must(sio_presence(main_nsp(), "r", "presence") == 0);
	must(sio_set_present(sockets[0], "ada", "i", 1) == 0);
	while (text_cut(&rest, '\n', &line)) {
		if (line.n > 0)
			fuzz_line(line);
		if (++i % 3 == 0)
			sio_join(sockets[0], "r");
		else
			sio_leave(sockets[0], "r");
		fake_sleep(line.n % 7 == 0 ? 6000 : 40);
		(void)sio_present(main_nsp(), "r", fuzz_on_user, NULL);
		buffer_reset(&fake_broker.log);
	}
	stop();
	members_free(members);
	return 0;
}
