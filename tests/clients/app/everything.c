/*
 * Makes every part of sockeye.h available to a test client: an event requests something, and its acknowledgement or
 * the events that follow show the result.
 */
#include <ev.h>
#include <sockeye.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/clients/app/driven.h"

/* ------------------------------------------------------------- rooms, emits */

static void
on_join(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_join(socket, text(sio_arg(event, 0)));
	sio_ack(event, "b", sio_in_room(socket, text(sio_arg(event, 0))));
}

static void
on_leave(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_leave(socket, text(sio_arg(event, 0)));
	sio_ack(event, "b", sio_in_room(socket, text(sio_arg(event, 0))));
}

static void
on_rooms(sio_socket *socket, sio_event *event, void *arg)
{
	size_t cursor = 0;
	const char *room;
	unsigned n = 0;

	(void)arg;
	while ((room = sio_room_next(socket, &cursor)) != NULL)
		sio_emit(sio_only(socket), "room", "s", room), n++;
	sio_ack(event, "u", n);
}

static void
on_emit(sio_socket *socket, sio_event *event, void *arg)
{
	sio_target target = target_of(socket, sio_arg(event, 0));
	int rc = 0;

	(void)arg;
	for (int64_t times = sio_int(sio_get(sio_arg(event, 0), "times"), 1); times > 0 && rc == 0; times--)
		rc = sio_emit(target, text(sio_arg(event, 1)), "v", sio_arg(event, 2));
	sio_ack(event, "i", rc);
}

/* `arg` is the event that asked: the answers become its acknowledgement. */
static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	sio_event *asked = arg;
	sio_socket *socket = sio_event_socket(asked);

	(void)io;
	for (unsigned i = 0; socket && i < sio_answers_count(answers); i++)
		sio_emit(sio_only(socket), "answer", "v", sio_answer(answers, i));
	sio_ack(asked, "{s:i,s:u,s:u,s:u}", "error", error, "count", sio_answers_count(answers), "silent",
		sio_answers_silent(answers), "missing", sio_answers_missing(answers));
	sio_event_release(asked);
}

static void
on_ask(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *asked = sio_event_keep(event);
	int rc;

	(void)arg;
	rc = sio_emit_ack(
		target_of(socket, sio_arg(event, 0)), on_answers, asked, "question", "v", sio_arg(event, 1));
	if (rc != 0)
		sio_event_release(asked);
}

/* ------------------------------------------------------------------- cluster */

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	sio_event *asked = arg;
	sio_socket *socket = sio_event_socket(asked);

	(void)io;
	for (unsigned i = 0; socket && i < n; i++)
		sio_emit(sio_only(socket), "fetched", "{s:s,s:u,s:v,s:v}", "id", sockets[i].id, "rooms",
			sockets[i].rooms_count, "data", sockets[i].data, "handshake", sockets[i].handshake);
	sio_ack(asked, "{s:i,s:u,s:u}", "error", error, "count", n, "silent", silent);
	sio_event_release(asked);
}

static void
on_fetch(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_fetch(target_of(socket, sio_arg(event, 0)), on_fetched, sio_event_keep(event));
}

static void
on_disconnect_sockets(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_disconnect_sockets(target_of(socket, sio_arg(event, 0)), sio_bool(sio_arg(event, 1), false));
}

static void
on_rooms_known(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	sio_event *asked = arg;
	sio_socket *socket = sio_event_socket(asked);

	(void)io;
	for (unsigned i = 0; socket && i < n; i++)
		sio_emit(sio_only(socket), "known room", "s", rooms[i]);
	sio_ack(asked, "{s:i,s:u,s:u}", "error", error, "count", n, "silent", silent);
	sio_event_release(asked);
}

static void
on_all_rooms(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_all_rooms(sio_socket_nsp(socket), on_rooms_known, sio_event_keep(event));
}

static void
on_server_ask(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *asked = sio_event_keep(event);

	(void)arg;
	if (sio_server_side_emit_ack(sio_socket_nsp(socket), 2000, on_answers, asked, text(sio_arg(event, 0)), "v",
		    sio_arg(event, 1)) != 0)
		sio_event_release(asked);
}

/* Passes an event of another server on to this server's clients. */
static void
on_note(sio_nsp *nsp, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_local(sio_all(nsp)), "note", "*", event);
}

static void
on_question(sio_nsp *nsp, sio_event *event, void *arg)
{
	(void)nsp;
	(void)arg;
	sio_ack(event, "{s:v}", "asked", sio_arg(event, 0));
}

static void
on_room_change(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg)
{
	(void)arg;
	sio_emit(sio_local(sio_to(sio_all(nsp), "room watchers")), "room change", "i,s,s", (int)change, room, id);
}

/* -------------------------------------------------------- state of a socket */

static void
on_kick(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_only(socket), "bye", "");
	sio_disconnect(socket, sio_bool(sio_arg(event, 0), false));
	sio_emit(sio_only(socket), "too late", "");
}

static void
on_data(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_set_data(socket, "v", sio_arg(event, 0));
	sio_ack(event, "v", sio_data(socket));
}

static void
on_handshake(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_ack(event, "{s:s,s:s,s:v,s:s,s:s,s:b,s:b,s:I,s:s}", "header", sio_header(socket, "x-test"), "query",
		sio_query(socket, "q"), "auth", sio_auth(socket), "address", sio_address(socket), "url",
		sio_url(socket), "secure", sio_secure(socket), "xdomain", sio_xdomain(socket), "issued",
		(int64_t)sio_issued(socket), "transport", sio_transport(socket));
}

static void
on_types(sio_socket *socket, sio_event *event, void *arg)
{
	size_t cursor = 0;
	const char *key;
	sio_value member;

	(void)arg;
	while (sio_each(sio_arg(event, 0), &cursor, &key, &member))
		sio_emit(sio_only(socket), "member", "s,i,u", key, (int)sio_type_of(member), sio_length(member));
	sio_ack(event, "v,V", sio_arg(event, 0), sio_msgpack(sio_arg(event, 0)));
}

/* --------------------------------------------------- later, and in between */

struct later {
	ev_timer timer;
	sio_step *step;
	sio_event *event;
};

static void
on_later(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct later *later = timer->data;

	(void)loop;
	(void)events;
	if (later->step)
		sio_next(later->step);
	if (later->event) {
		sio_ack(later->event, "*", later->event);
		sio_event_release(later->event);
	}
	free(later);
}

static void
after_a_while(sio_server *io, sio_step *step, sio_event *event)
{
	struct later *later = calloc(1, sizeof *later);

	if (!later)
		abort();
	later->step = step;
	later->event = event;
	later->timer.data = later;
	ev_timer_init(&later->timer, on_later, 0.05, 0.);
	ev_timer_start(sio_loop(io), &later->timer);
}

static void
on_answer_later(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	after_a_while(sio_socket_server(socket), NULL, sio_event_keep(event));
}

static void
guard(sio_socket *socket, sio_step *step, void *arg)
{
	const char *what = text(sio_get(sio_auth(socket), "what"));

	(void)arg;
	if (strcmp(what, "refuse") == 0)
		sio_refuse(step, "Refused", "{s:i,s:s}", "code", 42, "why", "auth said so");
	else if (strcmp(what, "late") == 0)
		after_a_while(sio_socket_server(socket), step, NULL);
	else
		sio_next(step);
}

static void
event_guard(sio_socket *socket, sio_event *event, sio_step *step, void *arg)
{
	(void)arg;
	if (strcmp(sio_event_name(event), "forbidden") == 0)
		sio_refuse(step, "Forbidden", NULL);
	else if (strcmp(sio_event_name(event), "held") == 0)
		after_a_while(sio_socket_server(socket), step, NULL);
	else
		sio_next(step);
}

static void
on_held(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	(void)socket;
	sio_ack(event, "*", event);
}

static void
on_error(sio_socket *socket, const char *message, void *arg)
{
	(void)arg;
	sio_emit(sio_only(socket), "error seen", "s", message);
}

/* ------------------------------------------------------------- catch-alls */

static unsigned incoming, outgoing;

static void
count_in(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)event;
	(void)arg;
	incoming++;
}

static void
count_out(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)event;
	(void)arg;
	outgoing++;
}

static void
on_counts(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	sio_ack(event, "u,u", incoming, outgoing);
}

/* ------------------------------------------------------- coming and going */

static void
greet(sio_socket *socket, void *arg)
{
	(void)arg;
	sio_emit(sio_only(socket), "hello", "s,s", sio_id(socket), sio_nsp_name(sio_socket_nsp(socket)));
}

static void
on_disconnecting(sio_socket *socket, const char *reason, void *arg)
{
	(void)arg;
	sio_emit(sio_others(socket), "leaving", "s,s,b", sio_id(socket), reason, sio_in_room(socket, "watched"));
}

static void
on_disconnect(sio_socket *socket, const char *reason, void *arg)
{
	(void)arg;
	sio_emit(sio_others(socket), "gone", "s,s,b", sio_id(socket), reason, sio_in_room(socket, "watched"));
}

static void
is_known(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg)
{
	(void)arg;
	(void)auth;
	if (strncmp(name, "/late-", 6) == 0)
		after_a_while(io, step, NULL);
	else
		sio_refuse(step, "no", NULL);
}

static void
may_open(sio_server *io, sio_request *request, sio_step *step, void *arg)
{
	const char *ban = sio_request_query(request, "ban");

	(void)io;
	(void)arg;
	if (ban)
		sio_refuse(step, ban, NULL);
	else
		sio_next(step);
}

/* A query of "session-id" chooses the id. */
static const char *
make_id(sio_server *io, sio_request *request, void *arg)
{
	(void)io;
	(void)arg;
	return sio_request_query(request, "session-id");
}

static void
add_headers(sio_server *io, sio_request *request, bool initial, void *arg)
{
	(void)io;
	(void)arg;
	sio_add_header(request, "X-Every", "yes");
	if (initial)
		sio_add_header(request, "X-Initial", "yes");
}

static void
on_refused(sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg)
{
	(void)arg;
	(void)code;
	sio_log(io, "refused", "url", sio_request_url(request), "address", sio_request_address(request), "message",
		message, "context", context, NULL);
}

/* The number of the worker is known before the server listens. */
static void
log_worker(sio_server *io)
{
	char number[12], count[12];
	unsigned workers;

	snprintf(number, sizeof number, "%u", sio_worker(io, &workers));
	snprintf(count, sizeof count, "%u", workers);
	sio_log(io, "application-worker", "number", number, "count", count, NULL);
}

int
sio_app(sio_server *io)
{
	static const struct {
		const char *name;
		sio_event_fn *fn;
	} events[] = {{"join", on_join}, {"leave", on_leave}, {"rooms", on_rooms}, {"emit", on_emit}, {"ask", on_ask},
		{"fetch", on_fetch}, {"sockets join", on_sockets_join}, {"sockets leave", on_sockets_leave},
		{"disconnect sockets", on_disconnect_sockets}, {"kick", on_kick}, {"data", on_data},
		{"handshake", on_handshake}, {"types", on_types}, {"answer later", on_answer_later},
		{"held", on_held}, {"counts", on_counts}, {"all rooms", on_all_rooms},
		{"server emit", on_server_emit}, {"server ask", on_server_ask}};
	sio_nsp *main = sio_of(io, "/"), *counted = sio_of(io, "counted"), *guarded = sio_of(io, "/guarded");
	sio_nsp *pattern = sio_of_pattern(io, "^/room-\\d+$", NULL);
	sio_nsp *function = sio_of_function(io, is_known, NULL);

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		sio_on(main, events[i].name, events[i].fn, NULL);
	log_worker(io);
	sio_use_events(main, event_guard, NULL);
	sio_on_error(main, on_error, NULL);
	sio_on_connection(main, greet, NULL);
	sio_on_disconnecting(main, on_disconnecting, NULL);
	sio_on_disconnect(main, on_disconnect, NULL);
	sio_on_server_event(main, "note", on_note, NULL);
	sio_on_server_event(main, "question", on_question, NULL);
	sio_on_room(main, on_room_change, NULL);

	sio_on_any(counted, count_in, NULL);
	sio_on_any_outgoing(counted, count_out, NULL);
	sio_on(counted, "emit", on_emit, NULL);
	sio_on(counted, "counts", on_counts, NULL);

	sio_use(guarded, guard, NULL);
	sio_on_connection(guarded, greet, NULL);
	sio_on_connection(pattern, greet, NULL);
	sio_on(pattern, "emit", on_emit, NULL);
	sio_on_connection(function, greet, NULL);

	sio_allow_request(io, may_open, NULL);
	sio_generate_id(io, make_id, NULL);
	sio_on_headers(io, add_headers, NULL);
	sio_on_connection_error(io, on_refused, NULL);
	return 0;
}
