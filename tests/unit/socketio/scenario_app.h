/* The application of the scenarios. The name of an event selects what it does. It logs what it hears. */
#ifndef TESTS_UNIT_SOCKETIO_SCENARIO_APP_H
#define TESTS_UNIT_SOCKETIO_SCENARIO_APP_H

#include "node/socketio/sio_core.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

static struct buffer app_log;
static sio_step *app_steps[8]; /* waiting for the command :next or :refuse */
static unsigned app_steps_count;
static sio_event *app_kept[8];
static unsigned app_kept_count;
static sio_socket *app_last; /* the latest socket of "/" */

#define LOG(...) (buffer_printf(&app_log, __VA_ARGS__), buffer_add_byte(&app_log, '\n'))

static void
log_rooms(sio_socket *s)
{
	size_t cursor = 0, n = 0;

	while (sio_room_next(s, &cursor) != NULL)
		n++;
	LOG("rooms %zu connected %d", n, sio_connected(s));
}

static void
on_connection(sio_socket *s, void *arg)
{
	must(sio_user(s) == NULL);
	sio_set_user(s, &app_log);
	LOG("%s %s", (const char *)arg, sio_nsp_name(sio_socket_nsp(s)));
	if (strcmp(sio_nsp_name(sio_socket_nsp(s)), "/hello") == 0)
		sio_emit(sio_only(s), "welcome", "i", 1);
	if (strcmp(sio_nsp_name(sio_socket_nsp(s)), "/") == 0)
		app_last = s;
}

static void
on_disconnecting(sio_socket *s, const char *reason, void *arg)
{
	(void)arg;
	LOG("disconnecting %s: %s", sio_nsp_name(sio_socket_nsp(s)), reason);
	log_rooms(s);
	sio_join(s, "too late");
	sio_disconnect(s, true);
	sio_emit(sio_others(s), "left", "");
}

static void
on_disconnect(sio_socket *s, const char *reason, void *arg)
{
	(void)arg;
	LOG("disconnect %s: %s", sio_nsp_name(sio_socket_nsp(s)), reason);
	sio_join(s, "too late");
	log_rooms(s);
	sio_disconnect(s, false);
	sio_emit(sio_only(s), "nobody hears", "");
	if (s == app_last)
		app_last = NULL;
}

static void
on_error(sio_socket *s, const char *message, void *arg)
{
	(void)s;
	(void)arg;
	LOG("error: %s", message);
}

static void
on_any(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	LOG("%s %s/%u", (const char *)arg, sio_event_name(e), sio_argc(e));
	if (strcmp(arg, "outgoing") == 0 && sio_wants_ack(e))
		LOG("outgoing wants an ack");
}

static void
on_echo(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	sio_emit(sio_only(s), "echo", "*", e);
}

static void
on_ack_me(sio_socket *s, sio_event *e, void *arg)
{
	int first, second;

	(void)s;
	(void)arg;
	first = sio_ack(e, "*", e);
	second = sio_ack(e, "i", 2);
	LOG("acked %d %d", first, second);
}

static void
on_later(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	app_kept[app_kept_count++] = sio_event_keep(e);
	if (sio_argc(e) == 2)
		LOG("acked %d", sio_ack(e, ""));
}

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	LOG("%s: %d, %u answers", (const char *)arg, error, sio_answers_count(answers));
	for (unsigned i = 0; i < sio_answers_count(answers); i++) {
		sio_value v = sio_answer(answers, i);
		size_t n;
		const char *json = sio_json(v, &n);

		if (sio_type_of(v) == SIO_BINARY)
			LOG("answer binary %u", sio_length(v));
		else if (sio_type_of(v) == SIO_NONE)
			LOG("answer none");
		else
			LOG("answer %.*s", (int)n, json);
	}
}

static void
on_ask(sio_socket *s, sio_event *e, void *arg)
{
	sio_target t = sio_only(s);

	(void)arg;
	if (sio_argc(e) > 0)
		t = sio_timeout(t, (uint32_t)sio_int(sio_arg(e, 0), 0));
	LOG("ask %d", sio_emit_ack(t, on_answers, "ask", "question", "s", "?"));
}

static void
on_ask_all(sio_socket *s, sio_event *e, void *arg)
{
	sio_target t = sio_everyone(s);

	(void)arg;
	if (sio_argc(e) > 0)
		t = sio_to(t, sio_string(sio_arg(e, 0), NULL));
	if (sio_argc(e) > 1)
		t = sio_timeout(t, (uint32_t)sio_int(sio_arg(e, 1), 0));
	LOG("ask all %d", sio_emit_ack(t, on_answers, "all", "poll", ""));
}

static void
on_join(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	sio_join(s, sio_string(sio_arg(e, 0), NULL));
}

/*
 * "say" room emits to the other sockets of the room. "all", "others", "binary", "volatile" and "raw" emit one event
 * each.
 */
static void
on_say(sio_socket *s, sio_event *e, void *arg)
{
	const char *how = sio_string(sio_arg(e, 0), NULL);

	(void)arg;
	if (strcmp(how, "all") == 0)
		sio_emit(sio_everyone(s), "said", "s", how);
	else if (strcmp(how, "others") == 0)
		sio_emit(sio_others(s), "said", "s", how);
	else if (strcmp(how, "binary") == 0)
		sio_emit(sio_everyone(s), "said", "B{s:B}", "\x01\x02", (size_t)2, "x", "\xff", (size_t)1);
	else if (strcmp(how, "volatile") == 0)
		sio_emit(sio_volatile(sio_everyone(s)), "said", "B", "\x01", (size_t)1);
	else if (strcmp(how, "raw") == 0)
		sio_emit(sio_compress(sio_only(s), false), "said", "s", how);
	else
		sio_emit(sio_to(sio_only(s), how), "said", "s", how);
}

static void
on_emit_errors(sio_socket *s, sio_event *e, void *arg)
{
	static const char *const reserved[] = {
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"};
	char big[1100];
	int sum = 0;

	(void)e;
	(void)arg;
	for (unsigned i = 0; i < 6; i++)
		sum += sio_emit(sio_only(s), reserved[i], "") == SIO_ERR_RESERVED;
	memset(big, 'x', sizeof big);
	LOG("reserved %d big %d format %d on %d", sum, sio_emit(sio_only(s), "x", "S", big, sizeof big),
		sio_emit(sio_only(s), "x", "Q"), sio_on(sio_socket_nsp(s), "disconnect", on_say, NULL));
}

static void
on_leave_me(sio_socket *s, sio_event *e, void *arg)
{
	bool close = sio_argc(e) > 0;

	(void)arg;
	sio_disconnect(s, close);
	LOG("left %d ack %d", sio_connected(s), sio_wants_ack(e) ? sio_ack(e, "") : 0);
}

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)arg;
	(void)silent;
	LOG("fetched %d %u", error, n);
	for (unsigned i = 0; i < n; i++) {
		size_t len = 0;
		const char *data = sio_json(sockets[i].data, &len);

		LOG("rooms %u own %d data %.*s name %s x-thing %s time %u", sockets[i].rooms_count,
			strcmp(sockets[i].rooms[0], sockets[i].id) == 0, (int)len, data != NULL ? data : "",
			sio_string(sio_get(sio_get(sockets[i].handshake, "query"), "name"), NULL),
			sio_string(sio_get(sio_get(sockets[i].handshake, "headers"), "x-thing"), NULL),
			sio_length(sio_get(sockets[i].handshake, "time")) > 40);
	}
}

static void
on_fetch(sio_socket *s, sio_event *e, void *arg)
{
	(void)e;
	(void)arg;
	sio_set_data(s, "{s:i}", "old", 1);
	sio_set_data(s, "{s:i}", "n", 7);
	LOG("fetch %d", sio_fetch(sio_everyone(s), on_fetched, NULL));
}

static void
on_whoami(sio_socket *s, sio_event *e, void *arg)
{
	size_t n;
	const char *auth = sio_json(sio_auth(s), &n);

	(void)e;
	(void)arg;
	LOG("auth %.*s query %s header %s no %d address %s url %s secure %d xdomain %d", (int)n, auth,
		sio_query(s, "name"), sio_header(s, "X-THING"),
		sio_header(s, "nope") == NULL && sio_query(s, "z") == NULL, sio_address(s), sio_url(s), sio_secure(s),
		sio_xdomain(s));
	LOG("found %d", sio_find(sio_socket_nsp(s), sio_id(s)) == s);
	LOG("user %d", sio_user(s) == &app_log);
}

/* ------------------------------------------------------------ middlewares */

static void
use_token(sio_socket *s, sio_step *step, void *arg)
{
	const char *token = sio_string(sio_get(sio_auth(s), "token"), NULL);

	(void)arg;
	LOG("token, connected %d", sio_connected(s));
	sio_join(s, "vip");
	if (token != NULL && strcmp(token, "ok") == 0)
		sio_next(step);
	else if (token != NULL)
		sio_refuse(step, "wrong \"token\"", "{s:i}", "code", 7);
	else
		sio_refuse(step, "no token", NULL);
}

static void
use_later(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	LOG("%s", (const char *)arg);
	app_steps[app_steps_count++] = step;
}

static void
use_events(sio_socket *s, sio_event *e, sio_step *step, void *arg)
{
	(void)s;
	LOG("%s %s", (const char *)arg, sio_event_name(e));
	if (strcmp(sio_event_name(e), "bad") == 0)
		sio_refuse(step, "bad event", NULL);
	else if (strcmp(sio_event_name(e), "wait") == 0)
		app_steps[app_steps_count++] = step;
	else
		sio_next(step);
}

static void
on_strict_connection(sio_socket *s, void *arg)
{
	(void)arg;
	sio_socket_use(s, use_events, "second");
}

static void
on_wait(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	LOG("wait got %u ack %d", sio_argc(e), sio_ack(e, "*", e));
}

static void
matches(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg)
{
	(void)io;
	(void)arg;
	LOG("asked %s %d", name, sio_type_of(auth));
	if (strcmp(name, "/fn-yes") == 0)
		sio_next(step);
	else if (strcmp(name, "/fn-later") == 0)
		app_steps[app_steps_count++] = step;
	else
		sio_refuse(step, "no", NULL);
}

static void
on_new(sio_nsp *nsp, void *arg)
{
	(void)arg;
	LOG("new %s", sio_nsp_name(nsp));
}

static void
app_listen(sio_nsp *nsp)
{
	static const struct {
		const char *event;
		sio_event_fn *fn;
	} events[] = {{"echo", on_echo}, {"42", on_echo}, {"ack", on_ack_me}, {"later", on_later}, {"ask", on_ask},
		{"ask all", on_ask_all}, {"join", on_join}, {"say", on_say}, {"emit errors", on_emit_errors},
		{"leave me", on_leave_me}, {"fetch", on_fetch}, {"whoami", on_whoami}, {"wait", on_wait}};

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		must(sio_on(nsp, events[i].event, events[i].fn, NULL) == 0);
	sio_on_connection(nsp, on_connection, "connection");
	sio_on_disconnecting(nsp, on_disconnecting, NULL);
	sio_on_disconnect(nsp, on_disconnect, NULL);
	sio_on_error(nsp, on_error, NULL);
}

static void
app_start(const struct sio_options *o)
{
	sio_nsp *nsp;

	buffer_init(&app_log, 1 << 20);
	app_steps_count = 0;
	app_kept_count = 0;
	app_last = NULL;
	fake_start(o);
	app_listen(sio_of(fake_io, "/"));
	app_listen(sio_of(fake_io, "hello"));
	nsp = sio_of(fake_io, "/admin");
	app_listen(nsp);
	sio_use(nsp, use_token, NULL);
	nsp = sio_of(fake_io, "/slow");
	app_listen(nsp);
	sio_use(nsp, use_later, "first");
	sio_use(nsp, use_later, "second");
	nsp = sio_of(fake_io, "/strict");
	app_listen(nsp);
	sio_on_connection(nsp, on_strict_connection, NULL);
	sio_use_events(nsp, use_events, "first");
	sio_on_any(nsp, on_any, "any");
	sio_on_any_outgoing(nsp, on_any, "outgoing");
	app_listen(sio_of_pattern(fake_io, "/dyn-\\d+", NULL));
	app_listen(sio_of_function(fake_io, matches, NULL));
	sio_on_new_namespace(fake_io, on_new, NULL);
}

static void
app_stop(void)
{
	while (app_kept_count > 0)
		sio_event_release(app_kept[--app_kept_count]);
	fake_stop();
	buffer_fini(&app_log);
}

/* Executes a command of a scenario; false if it is unknown. */
static bool
app_command(const char *command)
{
	sio_step *step;

	if (strcmp(command, "next") == 0 || strcmp(command, "refuse") == 0) {
		must(app_steps_count > 0);
		step = app_steps[0];
		memmove(app_steps, app_steps + 1, --app_steps_count * sizeof app_steps[0]);
		if (strcmp(command, "next") == 0)
			sio_next(step);
		else
			sio_refuse(step, "refused", "j", "[1]");
	} else if (strcmp(command, "answer") == 0) {
		sio_event *e = app_kept[--app_kept_count];

		LOG("answer %d socket %d", sio_ack(e, "*", e), sio_event_socket(e) != NULL);
		sio_event_release(e);
	} else if (strcmp(command, "close") == 0) {
		sio_core_close(fake_io);
	} else if (strcmp(command, "kick all") == 0 || strcmp(command, "kick all now") == 0) {
		sio_disconnect_sockets(sio_all(sio_of(fake_io, "/")), false);
	} else if (strcmp(command, "kick close") == 0) {
		sio_disconnect_sockets(sio_all(sio_of(fake_io, "/")), true);
	} else if (strcmp(command, "ask nobody") == 0) {
		sio_emit_ack(sio_to(sio_all(sio_of(fake_io, "/")), "nobody"), on_answers, "nobody", "x", "");
		LOG("asked");
	} else if (strcmp(command, "count") == 0) {
		LOG("count %u in / %u", sio_clients_count(fake_io), sio_nsp_count(sio_of(fake_io, "/")));
	} else if (strcmp(command, "has dyn") == 0) {
		LOG("has dyn %d", sio_nsp_find(fake_io, TEXT("/dyn-1")) != NULL);
	} else if (strcmp(command, "family") == 0) {
		sio_nsp *family = container_of(fake_io->parents.next, struct sio_parent, link)->nsp;

		LOG("family %u emit %d fetch %d", sio_nsp_count(family), sio_emit(sio_all(family), "kids", ""),
			sio_fetch(sio_all(family), on_fetched, NULL));
	} else {
		return false;
	}
	return true;
}

#endif
