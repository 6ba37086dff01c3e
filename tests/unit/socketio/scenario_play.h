/*
 * Plays scenarios: each is one test, which runs its script against a new server with the application of
 * scenario_app.h. scenario.h defines the language of the scripts.
 */
#ifndef TESTS_UNIT_SOCKETIO_SCENARIO_PLAY_H
#define TESTS_UNIT_SOCKETIO_SCENARIO_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/scenario.h"
#include "tests/unit/socketio/scenario_app.h"

static size_t scenario_log_read;

/* Shows the random id of a CONNECT reply as "*". */
static void
scenario_hide_id(char *line)
{
	char *at = strstr(line, "{\"sid\":\"");

	if (at == NULL || strlen(at) != strlen("{\"sid\":\"\"}") + SIO_ID_LENGTH)
		return;
	memcpy(at + 8, "*\"}", 4);
}

/* Copies the next line of a log into `out`: "" at the end of the log. */
static void
scenario_next_line(const struct buffer *b, size_t *read, char *out, size_t size)
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
	scenario_hide_id(out);
}

/* Fails if a client or the log holds a line that the script has not expected. */
static void
scenario_expect_nothing_left(const struct scenario *sc, const char *before)
{
	char line[4096];

	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		struct eio_session *s = &fake_engine.sessions[i];

		if (s->read < s->sent.len) {
			scenario_next_line(&s->sent, &s->read, line, sizeof line);
			fail_msg("%s: before \"%s\": client %u got \"%s\"", sc->name, before, i, line);
		}
	}
	if (scenario_log_read < app_log.len) {
		scenario_next_line(&app_log, &scenario_log_read, line, sizeof line);
		fail_msg("%s: before \"%s\": log \"%s\"", sc->name, before, line);
	}
}

static void
scenario_expect(const struct scenario *sc, const struct buffer *b, size_t *read, const char *wanted)
{
	char line[4096];
	size_t n = strlen(wanted);

	scenario_next_line(b, read, line, sizeof line);
	if (n != 0 && wanted[n - 1] == '*' && strncmp(line, wanted, n - 1) == 0)
		return;
	if (strcmp(line, wanted) != 0)
		fail_msg("%s: expected \"%s\", got \"%s\"", sc->name, wanted, line);
}

/* The client sends `line`: as text, or as the bytes that its hexadecimal digits stand for. */
static void
scenario_send(struct eio_session *s, const char *line, bool binary)
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

/* Performs one line of a script. `client` is the client that the lines speak of. */
static void
scenario_step(const struct scenario *sc, const char *line, struct eio_session **client)
{
	bool again = line[0] == line[1];

	if (line[0] == '<') {
		scenario_expect(sc, &(*client)->sent, &(*client)->read, line + 1);
		return;
	}
	if (line[0] == '=') {
		scenario_expect(sc, &app_log, &scenario_log_read, line + 1);
		return;
	}
	if (line[0] == '&') {
		*client = &fake_engine.sessions[line[1] - '0'];
		if (!(*client)->used && (*client)->sent.data == NULL)
			fake_open((unsigned)(line[1] - '0'));
		return;
	}
	scenario_expect_nothing_left(sc, line);
	switch (line[0]) {
	case '>':
	case '(':
		scenario_send(*client, line + 1 + again, line[0] == '(');
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
scenario_play(const struct scenario *sc)
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
	scenario_log_read = 0;
	app_start(&o);
	scenario_step(sc, "&0", &client);
	while (*at != '\0') {
		size_t n = strcspn(at, "\n");

		must(n < sizeof line);
		memcpy(line, at, n);
		line[n] = '\0';
		at += n + (at[n] == '\n');
		scenario_step(sc, line, &client);
	}
	scenario_expect_nothing_left(sc, "the end");
	app_stop();
}

static void
test_scenario(void **state)
{
	scenario_play(*state);
}

/* The main of a test program whose scenarios are the array `scenarios`, in a group of that name. */
#define SCENARIOS_MAIN(scenarios)                                                                                    \
	int main(void)                                                                                               \
	{                                                                                                            \
		static struct CMUnitTest tests[sizeof(scenarios) / sizeof *(scenarios)];                             \
                                                                                                                     \
		log_set_level(LOG_ERROR);                                                                            \
		for (size_t i = 0; i < sizeof(scenarios) / sizeof *(scenarios); i++)                                 \
			tests[i] = (struct CMUnitTest){(scenarios)[i].name, test_scenario, NULL, NULL,               \
				(void *)(uintptr_t)((scenarios) + i)};                                               \
		return cmocka_run_group_tests_name(#scenarios, tests, NULL, NULL);                                   \
	}

#endif
