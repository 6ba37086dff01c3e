/* Plays the scenarios of tests/unit/socketio/scenarios, each a test; scenario.h says what a script means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/scenario_app.h"
#include "tests/unit/socketio/scenarios/acks.h"
#include "tests/unit/socketio/scenarios/binary.h"
#include "tests/unit/socketio/scenarios/child_namespaces.h"
#include "tests/unit/socketio/scenarios/connect.h"
#include "tests/unit/socketio/scenarios/decode_errors.h"
#include "tests/unit/socketio/scenarios/disconnect.h"
#include "tests/unit/socketio/scenarios/emits.h"
#include "tests/unit/socketio/scenarios/events.h"
#include "tests/unit/socketio/scenarios/middlewares.h"

static size_t log_read;

static void
hide_ids(char *line)
{
	char *at = strstr(line, "{\"sid\":\"");

	if (at == NULL || strlen(at) != strlen("{\"sid\":\"\"}") + SIO_ID_LENGTH)
		return;
	memcpy(at + 8, "*\"}", 4);
}

/* The next line of a log; "" when there is none. */
static void
next_line(const struct buffer *b, size_t *read, char *out, size_t size)
{
	size_t n = 0;

	while (*read + n < b->len && b->data[*read + n] != '\n')
		n++;
	must(n < size);
	if (n != 0)
		memcpy(out, b->data + *read, n);
	out[n] = '\0';
	if (*read < b->len)
		*read += n + 1;
	hide_ids(out);
}

static void
expect_nothing_left(const struct scenario *sc, const char *before)
{
	char line[4096];

	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		struct eio_session *s = &fake_engine.sessions[i];

		if (s->read < s->sent.len) {
			next_line(&s->sent, &s->read, line, sizeof line);
			fail_msg("%s: before \"%s\": client %u got \"%s\"", sc->name, before, i, line);
		}
	}
	if (log_read < app_log.len) {
		next_line(&app_log, &log_read, line, sizeof line);
		fail_msg("%s: before \"%s\": log \"%s\"", sc->name, before, line);
	}
}

static void
expect(const struct scenario *sc, const struct buffer *b, size_t *read, const char *wanted)
{
	char line[4096];

	size_t n = strlen(wanted);

	next_line(b, read, line, sizeof line);
	if (n != 0 && wanted[n - 1] == '*' && strncmp(line, wanted, n - 1) == 0)
		return;
	if (strcmp(line, wanted) != 0)
		fail_msg("%s: expected \"%s\", got \"%s\"", sc->name, wanted, line);
}

static void
send_bytes(struct eio_session *s, const char *line, bool binary)
{
	uint8_t bytes[2048];
	size_t n = strlen(line);

	if (!binary) {
		fake_receive(s, false, line, n);
		return;
	}
	for (size_t i = 0; i + 1 < n; i += 2)
		bytes[i / 2] = (uint8_t)strtoul((char[]){line[i], line[i + 1], 0}, NULL, 16);
	fake_receive(s, true, bytes, n / 2);
}

static void
step(const struct scenario *sc, const char *line, struct eio_session **client)
{
	bool again = line[0] == line[1];

	if (line[0] == '<') {
		expect(sc, &(*client)->sent, &(*client)->read, line + 1);
		return;
	}
	if (line[0] == '=') {
		expect(sc, &app_log, &log_read, line + 1);
		return;
	}
	if (line[0] == '&') {
		*client = &fake_engine.sessions[line[1] - '0'];
		if (!(*client)->used && (*client)->sent.data == NULL)
			fake_open((unsigned)(line[1] - '0'));
		return;
	}
	expect_nothing_left(sc, line);
	switch (line[0]) {
	case '>':
	case '(':
		send_bytes(*client, line + 1 + again, line[0] == '(');
		if (!again)
			fake_turn();
		break;
	case ';':
		(*client)->rest = true;
		break;
	case '%':
		(*client)->busy = true;
		break;
	case '+':
		fake_sleep(strtoul(line + 1, NULL, 10));
		break;
	case '~':
		fake_gone(*client, (enum eio_close_reason)(line[1] - '0'));
		fake_turn();
		break;
	case ':':
		if (!app_command(line + 1))
			fail_msg("%s: unknown command %s", sc->name, line);
		if (strstr(line, " now") == NULL)
			fake_turn();
		break;
	case '.':
		fake_turn();
		break;
	default:
		fail_msg("%s: malformed line %s", sc->name, line);
	}
}

static void
play(const struct scenario *sc)
{
	struct sio_options o = fake_options();
	struct eio_session *client = NULL;
	const char *at = sc->script;
	char line[2048];

	o.cleanup_empty_child_namespaces = (sc->options & CLEANUP) != 0;
	if ((sc->options & SMALL) != 0) {
		o.max_namespaces = 2;
		o.max_pending_acks = 2;
		o.max_children = 1;
	}
	if ((sc->options & FEW_REFUSED) != 0)
		o.max_refused_connects = 3;
	log_read = 0;
	app_start(&o);
	step(sc, "&0", &client);
	while (*at != '\0') {
		size_t n = strcspn(at, "\n");

		must(n < sizeof line);
		memcpy(line, at, n);
		line[n] = '\0';
		at += n + (at[n] == '\n');
		step(sc, line, &client);
	}
	expect_nothing_left(sc, "the end");
	app_stop();
}

static void
test_scenario(void **state)
{
	play(*state);
}

/* One group of tests per topic, one test per scenario; adds up what failed. */
#define PLAY(topic)                                                                                                  \
	do {                                                                                                         \
		static struct CMUnitTest tests[sizeof(topic) / sizeof *(topic)];                                     \
                                                                                                                     \
		for (size_t i = 0; i < sizeof(topic) / sizeof *(topic); i++)                                         \
			tests[i] = (struct CMUnitTest){                                                              \
				(topic)[i].name, test_scenario, NULL, NULL, (void *)(uintptr_t)((topic) + i)};       \
		failed += cmocka_run_group_tests_name(#topic, tests, NULL, NULL);                                    \
	} while (0)

int
main(void)
{
	int failed = 0;

	log_set_level(LOG_ERROR);
	PLAY(scenarios_connect);
	PLAY(scenarios_events);
	PLAY(scenarios_decode_errors);
	PLAY(scenarios_binary);
	PLAY(scenarios_acks);
	PLAY(scenarios_disconnect);
	PLAY(scenarios_middlewares);
	PLAY(scenarios_emits);
	PLAY(scenarios_child_namespaces);
	return failed;
}
