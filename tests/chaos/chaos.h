/*
 * An application that does what none should: from every callback it makes random calls of the public API, with
 * handles and texts that are right and wrong. What it may not do is left out: use a handle that is not good any more.
 *
 * A seed gives the same calls each time. It counts what sockeye.h promises exactly once, and chaos_check() compares.
 */
#ifndef TESTS_CHAOS_CHAOS_H
#define TESTS_CHAOS_CHAOS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/sockeye.h"

#define CHAOS_DEPTH 3	   /* calls within callbacks within calls */
#define CHAOS_STEPS 24	   /* that wait for an answer */
#define CHAOS_KEPT 24	   /* events */
#define CHAOS_IDS 32	   /* of sockets, which may be gone */
#define CHAOS_LISTENERS 40 /* added while it runs */
#define CHAOS_PARENTS 6

#define chaos_must(condition)                                                                                        \
	do {                                                                                                         \
		if (!(condition)) {                                                                                  \
			fprintf(stderr, "chaos: %s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);         \
			abort();                                                                                     \
		}                                                                                                    \
	} while (0)

/* Where the calls are made: what is at hand there and nowhere else. */
struct chaos_at {
	sio_socket *socket;
	sio_event *event;
	sio_step *step;
	bool *step_answered; /* it may be answered again here, and not kept */
	sio_request *request;
	const sio_answers *answers;
};

/* Each must be seen, or the test does not test what it should. */
/* clang-format off */
#define CHAOS_KINDS(X) \
	X(CONNECTION) X(EVENT) X(DISCONNECTING) X(DISCONNECT) X(ERROR) X(ROOM) X(NEW_NAMESPACE) X(ANSWERS) \
	X(FETCHED) X(ROOMS) X(GONE) X(MIDDLEWARE) X(EVENT_MIDDLEWARE) X(MATCHES) X(FREE_USER) X(TIMER)
/* clang-format on */
enum chaos_kind {
#define X(name) CHAOS_##name,
	CHAOS_KINDS(X)
#undef X
		CHAOS_KIND_COUNT
};

static uint64_t chaos_seen[CHAOS_KIND_COUNT]; /* over all seeds */

static struct {
	uint64_t random;
	sio_server *io;
	void (*close)(sio_server *io); /* the server, in some way that its host has */
	unsigned depth, listeners, parents;
	bool closing, stopped;
	sio_step *steps[CHAOS_STEPS];
	unsigned step_count;
	sio_event *kept[CHAOS_KEPT];
	unsigned kept_count;
	char ids[CHAOS_IDS][24];
	/* what has a right number of calls */
	unsigned asked, answered; /* sio_emit_ack(), sio_fetch() and their like */
	unsigned connected, leaving, left;
	unsigned users, users_freed;
	uint64_t calls;
} chaos;

static uint64_t
chaos_random(void)
{
	chaos.random ^= chaos.random << 13;
	chaos.random ^= chaos.random >> 7;
	chaos.random ^= chaos.random << 17;
	return chaos.random >> 8;
}

static unsigned
chaos_below(unsigned n)
{
	return (unsigned)(chaos_random() % n);
}

static bool
chaos_one_in(unsigned n)
{
	return chaos_below(n) == 0;
}

#define CHAOS_PICK(array) ((array)[chaos_below(sizeof(array) / sizeof *(array))])

static const char *
chaos_room(void)
{
	static const char *const rooms[] = {"a", "b", "c", "", "room with blanks", "\xc3\xa9", "a", "b"};

	if (chaos_one_in(40))
		return chaos_one_in(2) ? NULL : "not\xffutf8";
	return chaos_one_in(4) ? chaos.ids[chaos_below(CHAOS_IDS)] : CHAOS_PICK(rooms);
}

static const char *
chaos_nsp_name(void)
{
	static const char *const names[] = {
		"/", "/", "/", "/a", "/later", "/strict", "/dyn-1", "/dyn-2", "/fn-yes", "/fn-later", "/fn-no", "/x"};

#ifndef SIO_CHECKED /* where the NULL that sio_of() gives for such a name ends the program */
	if (chaos_one_in(40))
		return chaos_one_in(2) ? NULL : "/not\xffutf8";
#endif
	return CHAOS_PICK(names);
}

/* NULL at maxChildren too, which checked handles do not let pass. */
static sio_nsp *
chaos_nsp(const char *name)
{
	sio_nsp *nsp = sio_of(chaos.io, name);

#ifdef SIO_CHECKED
	if (nsp == NULL)
		nsp = sio_of(chaos.io, "/");
#endif
	return nsp;
}

static const char *
chaos_event_name(void)
{
	static const char *const names[] = {
		"e", "f", "ack", "keep", "e", "f", "later", "disconnect", "not\xffutf8", ""};

	return chaos_one_in(60) ? NULL : CHAOS_PICK(names);
}

static void chaos_calls(const struct chaos_at *at);

/* From within a callback: the calls that it makes may lead to further callbacks. */
static void
chaos_within(struct chaos_at at)
{
	if (chaos.depth >= CHAOS_DEPTH)
		return;
	chaos.depth++;
	chaos_calls(&at);
	chaos.depth--;
}

/* -------------------------------------------------------------- callbacks */

struct chaos_user {
	uint64_t canary;
};
#define CHAOS_CANARY UINT64_C(0x5ca1ab1e)

static void
chaos_free_user(void *user)
{
	struct chaos_user *u = user;

	chaos_seen[CHAOS_FREE_USER]++;
	chaos_must(u->canary == CHAOS_CANARY);
	free(u);
	chaos.users_freed++;
	chaos_within((struct chaos_at){0});
}

static void
chaos_give_user(sio_socket *s)
{
	struct chaos_user *u;

	if (sio_user(s) != NULL)
		return;
	u = malloc(sizeof *u);
	chaos_must(u != NULL);
	u->canary = CHAOS_CANARY;
	if (sio_set_user_free(s, u, chaos_free_user) == 0)
		chaos.users++;
	else
		free(u);
}

static void
chaos_on_connection(sio_socket *s, void *arg)
{
	chaos_seen[CHAOS_CONNECTION]++;
	(void)arg;
	chaos.connected++;
	(void)snprintf(chaos.ids[chaos_below(CHAOS_IDS)], sizeof chaos.ids[0], "%s", sio_id(s));
	chaos_within((struct chaos_at){.socket = s});
}

/* Counted by a listener of its own, as others of "connection" may come and go. */
static void
chaos_on_event(sio_socket *s, sio_event *event, void *arg)
{
	chaos_seen[CHAOS_EVENT]++;
	(void)arg;
	chaos_within((struct chaos_at){.socket = s, .event = event});
}

static void
chaos_on_disconnecting(sio_socket *s, const char *reason, void *arg)
{
	chaos_seen[CHAOS_DISCONNECTING]++;
	(void)arg;
	chaos_must(reason[0] != '\0');
	chaos.leaving++;
	chaos_within((struct chaos_at){.socket = s});
}

static void
chaos_on_disconnect(sio_socket *s, const char *reason, void *arg)
{
	size_t cursor = 0;

	chaos_seen[CHAOS_DISCONNECT]++;
	(void)reason;
	(void)arg;
	chaos.left++;
	chaos_must(!sio_connected(s));
	chaos_within((struct chaos_at){.socket = s});
	chaos_must(sio_room_next(s, &cursor) == NULL);
}

static void
chaos_on_error(sio_socket *s, const char *message, void *arg)
{
	chaos_seen[CHAOS_ERROR]++;
	(void)arg;
	chaos_must(message != NULL);
	chaos_within((struct chaos_at){.socket = s});
}

static void
chaos_on_room(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg)
{
	chaos_seen[CHAOS_ROOM]++;
	(void)nsp;
	(void)arg;
	chaos_must(room != NULL);
	chaos_must((id != NULL) == (change == SIO_ROOM_JOINED || change == SIO_ROOM_LEFT));
	chaos_within((struct chaos_at){0});
}

static void
chaos_on_new(sio_nsp *nsp, void *arg)
{
	chaos_seen[CHAOS_NEW_NAMESPACE]++;
	(void)nsp;
	(void)arg;
	chaos_within((struct chaos_at){0});
}

static void
chaos_on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	chaos_seen[CHAOS_ANSWERS]++;
	(void)io;
	(void)error;
	(void)arg;
	chaos.answered++;
	for (unsigned i = 0; i <= sio_answers_count(answers); i++)
		(void)sio_json(sio_answer(answers, i), NULL);
	chaos_within((struct chaos_at){.answers = answers});
}

static void
chaos_on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	chaos_seen[CHAOS_FETCHED]++;
	(void)io;
	(void)error;
	(void)silent;
	(void)arg;
	chaos.answered++;
	chaos_within((struct chaos_at){0});
	for (unsigned i = 0; i < n; i++) {
		chaos_must(sockets[i].id[0] != '\0');
		for (unsigned r = 0; r < sockets[i].rooms_count; r++)
			chaos_must(strlen(sockets[i].rooms[r]) < 1000);
		(void)sio_type_of(sockets[i].data);
		(void)sio_string(sio_get(sockets[i].handshake, "address"), NULL);
	}
}

static void
chaos_on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	chaos_seen[CHAOS_ROOMS]++;
	(void)io;
	(void)error;
	(void)silent;
	(void)arg;
	chaos.answered++;
	chaos_within((struct chaos_at){0});
	for (unsigned i = 0; i < n; i++)
		chaos_must(strlen(rooms[i]) < 1000);
}

static void
chaos_forget_step(const sio_step *step)
{
	for (unsigned i = 0; i < chaos.step_count; i++) {
		if (chaos.steps[i] == step)
			chaos.steps[i--] = chaos.steps[--chaos.step_count];
	}
}

static void
chaos_answer(sio_step *step)
{
	switch (chaos_below(8)) {
	case 0:
		(void)sio_refuse(step, "no", NULL);
		break;
	case 1:
		(void)sio_refuse(step, NULL, "{s:i}", "code", 7);
		break;
	case 2:
		(void)sio_refuse(step, "not\xffutf8", "{s:i", "code", 7);
		break;
	default:
		sio_next(step);
	}
}

static void
chaos_on_gone(sio_step *step, void *arg)
{
	chaos_seen[CHAOS_GONE]++;
	(void)arg;
	chaos_must(sio_step_socket(step) == NULL);
	chaos_within((struct chaos_at){0});
	/* it may have been answered by those calls, and is in the list no more then */
	for (unsigned i = 0; i < chaos.step_count; i++) {
		if (chaos.steps[i] == step && chaos_one_in(2)) {
			chaos_forget_step(step);
			chaos_answer(step);
		}
	}
}

/* In a middleware: the step is answered here, perhaps twice, or kept. */
static void
chaos_step(sio_socket *s, sio_event *event, sio_step *step)
{
	bool answered = false;
	struct chaos_at at = {.socket = s, .event = event, .step = step, .step_answered = &answered};

	if (s != NULL) {
		chaos_must(sio_step_socket(step) == s);
		chaos_give_user(s);
	}
	chaos_within(at);
	if (chaos_one_in(2))
		(void)sio_step_on_gone(step, chaos_one_in(5) ? NULL : chaos_on_gone, NULL);
	if (!answered && chaos.step_count < CHAOS_STEPS && !chaos.closing && chaos_one_in(3)) {
		chaos.steps[chaos.step_count++] = step;
		return;
	}
	chaos_answer(step);
	if (chaos_one_in(3))
		chaos_answer(step);
	chaos_within(at);
}

static void
chaos_use(sio_socket *s, sio_step *step, void *arg)
{
	chaos_seen[CHAOS_MIDDLEWARE]++;
	(void)arg;
	chaos_step(s, NULL, step);
}

static void
chaos_use_events(sio_socket *s, sio_event *event, sio_step *step, void *arg)
{
	chaos_seen[CHAOS_EVENT_MIDDLEWARE]++;
	(void)arg;
	chaos_step(s, event, step);
}

static void
chaos_matches(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg)
{
	chaos_seen[CHAOS_MATCHES]++;
	(void)io;
	(void)arg;
	chaos_must(sio_type_of(auth) == SIO_OBJECT);
	if (chaos_one_in(3))
		(void)sio_emit(sio_all(chaos_nsp(name)), "named", "v", auth);
	if (strcmp(name, "/fn-no") == 0)
		(void)sio_refuse(step, NULL, NULL);
	else
		chaos_step(NULL, NULL, step);
}

static void
chaos_on_server_event(sio_nsp *nsp, sio_event *event, void *arg)
{
	(void)nsp;
	(void)arg;
	chaos_within((struct chaos_at){.event = event});
}

/* The steps of requests are answered here: a session that waits is of no use to the clients of the test. */
static void
chaos_allow(sio_server *io, sio_request *request, sio_step *step, void *arg)
{
	(void)io;
	(void)arg;
	(void)sio_request_header(request, "host");
	chaos_within((struct chaos_at){.request = request});
	if (chaos.step_count < CHAOS_STEPS && !chaos.closing && chaos_one_in(4))
		chaos.steps[chaos.step_count++] = step;
	else if (chaos_one_in(20))
		(void)sio_refuse(step, "no", NULL);
	else
		sio_next(step);
}

static void
chaos_on_headers(sio_server *io, sio_request *request, bool initial, void *arg)
{
	(void)io;
	(void)arg;
	(void)sio_add_header(request, initial ? "X-First" : "X-Chaos", "yes");
	chaos_within((struct chaos_at){.request = request});
}

static void
chaos_on_refused(sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg)
{
	(void)io;
	(void)code;
	(void)arg;
	chaos_must(message != NULL && context != NULL);
	chaos_within((struct chaos_at){.request = request});
}

/* ------------------------------------------------------------- the calls */

static sio_target
chaos_target(const struct chaos_at *at)
{
	static const char *many[] = {"a", "b", "a", "nobody"};
	sio_socket *s = at->socket;
	sio_target t;

	if (s == NULL || chaos_one_in(3))
		t = sio_all(chaos_nsp(chaos_nsp_name()));
	else
		t = chaos_one_in(2) ? sio_only(s) : chaos_one_in(2) ? sio_others(s) : sio_everyone(s);
	while (chaos_one_in(2))
		t = chaos_one_in(3) ? sio_except(t, chaos_room()) : sio_to(t, chaos_room());
	if (chaos_one_in(6))
		t = sio_to_many(t, many, chaos_below(5));
	if (chaos_one_in(10))
		t = sio_except_many(t, many, chaos_below(5));
	if (chaos_one_in(6))
		t = sio_volatile(t);
	if (chaos_one_in(6))
		t = sio_local(t);
	if (chaos_one_in(6))
		t = sio_compress(t, chaos_one_in(2));
	if (chaos_one_in(3))
		t = sio_timeout(t, chaos_below(50));
	return t;
}

static void
chaos_emit(const struct chaos_at *at)
{
	sio_target t = chaos_target(at);
	const char *name = chaos_event_name();

	switch (chaos_below(8)) {
	case 0:
		(void)sio_emit(t, name, "{s:i,s:[d,b]}", "n", 1, "a", 0.5, true);
		break;
	case 1:
		(void)sio_emit(t, name, "B", "\x01\x02", (size_t)2);
		break;
	case 2:
		if (at->event != NULL)
			(void)sio_emit(t, name, "*", at->event);
		break;
	case 3:
		if (at->event != NULL)
			(void)sio_emit(t, name, "v[v]", sio_arg(at->event, 0), sio_arg(at->event, 1));
		break;
	case 4:
		(void)sio_emit(t, name, CHAOS_PICK(((const char *[]){"[", "}", "{i}", "Q", "{s}"})), "x", "y");
		break;
	case 5:
		(void)sio_emit(t, name, "s", chaos_room());
		break;
	default:
		(void)sio_emit(t, name, chaos_one_in(2) ? NULL : "");
	}
}

static void
chaos_ask(const struct chaos_at *at)
{
	sio_target t = chaos_target(at);
	int rc;

	switch (chaos_below(5)) {
	case 0:
	case 1:
		rc = sio_emit_ack(t, chaos_on_answers, NULL, chaos_event_name(), "i", 1);
		break;
	case 2:
		rc = sio_fetch(t, chaos_on_fetched, NULL);
		break;
	case 3:
		rc = sio_all_rooms(chaos_nsp(chaos_nsp_name()), chaos_on_rooms, NULL);
		break;
	default:
		rc = sio_server_side_emit_ack(chaos_nsp(chaos_nsp_name()), chaos_below(50), chaos_on_answers, NULL,
			chaos_event_name(), "i", 1);
	}
	if (rc == 0)
		chaos.asked++;
	else
		chaos_must(rc < 0);
}

static void
chaos_rooms(const struct chaos_at *at)
{
	sio_socket *s = at->socket;
	size_t cursor = 0;
	const char *room;
	unsigned n = 0;

	if (s == NULL)
		return;
	switch (chaos_below(6)) {
	case 0:
	case 1:
	case 2:
		(void)sio_join(s, chaos_room());
		break;
	case 3:
		sio_leave(s, chaos_room());
		break;
	case 4:
		while ((room = sio_room_next(s, &cursor)) != NULL && n++ < 1000) {
			if (chaos_one_in(2))
				sio_leave(s, room);
		}
		chaos_must(n < 1000);
		break;
	default:
		if (chaos_one_in(4))
			sio_leave_all(s);
	}
}

static void
chaos_many(const struct chaos_at *at)
{
	sio_target t = chaos_target(at);

	switch (chaos_below(8)) {
	case 0:
		if (chaos_one_in(6))
			(void)sio_disconnect_sockets(t, chaos_one_in(3));
		break;
	case 1:
	case 2:
	case 3:
		(void)sio_sockets_leave(t, chaos_room());
		break;
	default:
		(void)sio_sockets_join(t, chaos_room());
	}
}

static void
chaos_end(const struct chaos_at *at)
{
	sio_socket *s = at->socket;

	if (s == NULL)
		s = sio_find(sio_of(chaos.io, "/"), chaos.ids[chaos_below(CHAOS_IDS)]);
	if (s != NULL && chaos_one_in(4))
		sio_disconnect(s, chaos_one_in(3));
}

static void
chaos_data(const struct chaos_at *at)
{
	sio_socket *s = at->socket;

	if (s == NULL)
		return;
	switch (chaos_below(4)) {
	case 0:
		(void)sio_set_data(s, "{s:v}", "before", sio_data(s));
		break;
	case 1:
		(void)sio_set_data(s, chaos_one_in(3) ? "" : chaos_one_in(2) ? "i" : "ii", 1, 2);
		break;
	case 2:
		(void)sio_json(sio_data(s), NULL);
		break;
	default:
		chaos_give_user(s);
	}
}

static void
chaos_read(const struct chaos_at *at)
{
	sio_socket *s = at->socket;

	if (s != NULL) {
		(void)sio_address(s);
		(void)sio_url(s);
		(void)sio_header(s, "host");
		(void)sio_query(s, "EIO");
		(void)sio_string(sio_get(sio_auth(s), "token"), NULL);
		(void)sio_transport(s);
		(void)sio_issued(s);
		(void)sio_secure(s);
		(void)sio_in_room(s, chaos_room());
		chaos_must(sio_socket_server(s) == chaos.io);
		chaos_must(strlen(sio_id(s)) == 20);
	}
	if (at->event != NULL) {
		chaos_must(sio_event_name(at->event) != NULL);
		for (unsigned i = 0; i <= sio_argc(at->event); i++) {
			sio_value v = sio_arg(at->event, i), member;
			const char *key;
			size_t cursor = 0;

			(void)sio_msgpack(v);
			(void)sio_string(v, NULL);
			while (sio_each(v, &cursor, &key, &member))
				(void)sio_length(member);
		}
		(void)sio_event_socket(at->event);
	}
	if (at->request != NULL) {
		(void)sio_request_url(at->request);
		(void)sio_request_address(at->request);
		(void)sio_request_query(at->request, "sid");
		(void)sio_add_header(at->request, "X-Too", chaos_room());
	}
	(void)sio_clients_count(chaos.io);
	(void)sio_nsp_count(sio_of(chaos.io, "/"));
}

static void
chaos_ack(const struct chaos_at *at)
{
	sio_event *e = at->event;

	if (chaos.kept_count > 0 && chaos_one_in(2)) {
		unsigned i = chaos_below(chaos.kept_count);

		e = chaos.kept[i];
		(void)sio_ack(e, "*", e);
		if (chaos_one_in(2)) {
			chaos.kept[i] = chaos.kept[--chaos.kept_count];
			sio_event_release(e);
		}
	} else if (e != NULL && chaos_one_in(2)) {
		(void)sio_ack(e, chaos_one_in(5) ? "{" : "s", "done");
	} else if (e != NULL && chaos.kept_count < CHAOS_KEPT) {
		chaos.kept[chaos.kept_count++] = sio_event_keep(e);
	}
}

static void
chaos_answer_one(void)
{
	unsigned i;
	sio_step *step;

	if (chaos.step_count == 0)
		return;
	i = chaos_below(chaos.step_count);
	step = chaos.steps[i];
	chaos.steps[i] = chaos.steps[--chaos.step_count];
	if (chaos_one_in(3))
		(void)sio_step_socket(step);
	chaos_answer(step);
}

static void
chaos_register(const struct chaos_at *at)
{
	sio_nsp *nsp = chaos_nsp(chaos_nsp_name());
	const char *name = chaos_event_name();

	if (chaos_one_in(2)) {
		(void)sio_off(nsp, name, chaos_on_event, NULL);
		(void)sio_off_server_event(nsp, name, chaos_on_server_event, NULL);
		return;
	}
	if (chaos.listeners >= CHAOS_LISTENERS)
		return;
	chaos.listeners++;
	switch (chaos_below(10)) {
	case 0:
		sio_on_any(nsp, chaos_on_event, NULL);
		break;
	case 1:
		sio_on_any_outgoing(nsp, chaos_on_event, NULL);
		break;
	case 2:
		sio_use(nsp, chaos_use, NULL);
		break;
	case 3:
		sio_use_events(nsp, chaos_use_events, NULL);
		break;
	case 4:
		if (at->socket != NULL)
			sio_socket_use(at->socket, chaos_use_events, NULL);
		break;
	case 5:
		sio_on_room(nsp, chaos_on_room, NULL);
		break;
	case 6:
		sio_on_error(nsp, chaos_on_error, NULL);
		break;
	case 7:
		(void)sio_on_server_event(nsp, name, chaos_on_server_event, NULL);
		break;
	default:
		(void)sio_on(nsp, name, chaos_on_event, NULL);
	}
}

static void
chaos_hooks(void)
{
	switch (chaos_below(5)) {
	case 0:
		sio_allow_request(chaos.io, chaos_one_in(3) ? NULL : chaos_allow, NULL);
		break;
	case 1:
		sio_on_headers(chaos.io, chaos_one_in(3) ? NULL : chaos_on_headers, NULL);
		break;
	case 2:
		sio_on_connection_error(chaos.io, chaos_one_in(3) ? NULL : chaos_on_refused, NULL);
		break;
	case 3:
		sio_on_new_namespace(chaos.io, chaos_one_in(3) ? NULL : chaos_on_new, NULL);
		break;
	default:
		if (chaos.parents++ >= CHAOS_PARENTS)
			break;
		if (chaos_one_in(2))
			(void)sio_of_function(chaos.io, chaos_matches, NULL);
		else
			(void)sio_of_pattern(
				chaos.io, CHAOS_PICK(((const char *[]){"/x+", "/(a+)+[bc]", "("})), NULL);
	}
}

static void
chaos_call(const struct chaos_at *at)
{
	chaos.calls++;
	switch (chaos_below(24)) {
	case 0:
	case 1:
	case 2:
	case 3:
		chaos_emit(at);
		break;
	case 4:
	case 5:
		chaos_ask(at);
		break;
	case 6:
	case 7:
	case 8:
		chaos_rooms(at);
		break;
	case 9:
		chaos_many(at);
		break;
	case 10:
		chaos_end(at);
		break;
	case 11:
	case 12:
		chaos_data(at);
		break;
	case 13:
	case 14:
		chaos_read(at);
		break;
	case 15:
	case 16:
		chaos_ack(at);
		break;
	case 17:
	case 18:
		chaos_answer_one();
		break;
	case 19:
		chaos_register(at);
		break;
	case 20:
		if (chaos_one_in(4))
			chaos_hooks();
		break;
	case 21:
		(void)sio_server_side_emit(chaos_nsp(chaos_nsp_name()), chaos_event_name(), "i", 1);
		break;
	case 22:
		if (at->step != NULL && chaos_one_in(3)) {
			chaos_answer(at->step);
			*at->step_answered = true;
		}
		break;
	default:
		if (chaos_one_in(at->request != NULL ? 20 : 200)) {
			chaos.closing = true;
			chaos.close(chaos.io);
		}
	}
}

static void
chaos_calls(const struct chaos_at *at)
{
	for (unsigned n = chaos_below(4); n > 0; n--)
		chaos_call(at);
}

/* ---------------------------------------------------------- begin and end */

static void
chaos_listen(sio_nsp *nsp)
{
	sio_on_connection(nsp, chaos_on_connection, NULL);
	sio_on_disconnecting(nsp, chaos_on_disconnecting, NULL);
	sio_on_disconnect(nsp, chaos_on_disconnect, NULL);
	sio_on_error(nsp, chaos_on_error, NULL);
	(void)sio_on(nsp, "e", chaos_on_event, NULL);
	(void)sio_on(nsp, "ack", chaos_on_event, NULL);
}

/* On a new server. `close` ends it; chaos.closing says that it was called. */
static inline void
chaos_begin(uint64_t seed, sio_server *io, void (*close)(sio_server *io))
{
	memset(&chaos, 0, sizeof chaos);
	chaos.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	chaos.io = io;
	chaos.close = close;
	for (unsigned i = 0; i < 10; i++)
		(void)chaos_random();
	chaos_listen(sio_of(io, "/"));
	chaos_listen(sio_of(io, "/a"));
	chaos_listen(sio_of(io, "/later"));
	sio_use(sio_of(io, "/later"), chaos_use, NULL);
	sio_use(sio_of(io, "/later"), chaos_use, NULL);
	chaos_listen(sio_of(io, "/strict"));
	sio_use_events(sio_of(io, "/strict"), chaos_use_events, NULL);
	sio_on_any(sio_of(io, "/strict"), chaos_on_event, NULL);
	sio_on_any_outgoing(sio_of(io, "/strict"), chaos_on_event, NULL);
	sio_on_room(sio_of(io, "/strict"), chaos_on_room, NULL);
	chaos_listen(sio_of_pattern(io, "/dyn-\\d", NULL));
	chaos_listen(sio_of_function(io, chaos_matches, NULL));
	sio_on_new_namespace(io, chaos_on_new, NULL);
	sio_allow_request(io, chaos_allow, NULL);
	sio_on_headers(io, chaos_on_headers, NULL);
	sio_on_connection_error(io, chaos_on_refused, NULL);
}

/* From a timer: calls that no event caused. */
static inline void
chaos_tick(void)
{
	chaos_seen[CHAOS_TIMER]++;
	chaos_within((struct chaos_at){0});
}

/* Before the server's end: what the application holds is given back. */
static inline void
chaos_let_go(void)
{
	chaos.closing = true;
	while (chaos.step_count > 0)
		chaos_answer_one();
	while (chaos.kept_count > 0)
		sio_event_release(chaos.kept[--chaos.kept_count]);
}

/* After all seeds: was every kind of callback reached? */
static inline void
chaos_check_kinds(void)
{
	static const char *const names[] = {
#define X(name) #name,
		CHAOS_KINDS(X)
#undef X
	};

	for (unsigned i = 0; i < CHAOS_KIND_COUNT; i++) {
		if (chaos_seen[i] == 0)
			fprintf(stderr, "chaos: no callback of the kind %s\n", names[i]);
		chaos_must(chaos_seen[i] > 0);
	}
}

/* After the server was freed. */
static inline void
chaos_check(void)
{
	chaos_must(chaos.asked == chaos.answered);
	chaos_must(chaos.leaving == chaos.left);
	chaos_must(chaos.users == chaos.users_freed);
	chaos_must(chaos.connected == chaos.left);
}

/*
 * The main of a program that plays seeds. No arguments: `seeds` fixed ones, which must reach every kind of callback
 * where `every_kind` says so;
 * `first [count]`: those; CHAOS_SECONDS in the environment: from a random one, for so long.
 */
static inline int
chaos_main(int argc, char **argv, unsigned seeds, bool every_kind, void (*play)(uint64_t seed))
{
	const char *seconds = getenv("CHAOS_SECONDS");
	uint64_t first = 1, count = seeds, calls = 0, n = 0;
	time_t end = 0;

	if (argc > 1) {
		first = strtoull(argv[1], NULL, 10);
		count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	} else if (seconds != NULL) {
		first = (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000;
		end = time(NULL) + atoi(seconds);
		count = UINT64_MAX;
	}
	for (; n < count && (end == 0 || time(NULL) < end); n++) {
		/* the last line before a crash says how to see it again */
		fprintf(stderr, "chaos: seed %llu\r", (unsigned long long)(first + n));
		play(first + n);
		calls += chaos.calls;
	}
	if (every_kind && argc == 1 && end == 0)
		chaos_check_kinds();
	fprintf(stderr, "chaos: %llu seeds from %llu, %llu calls\n", (unsigned long long)n, (unsigned long long)first,
		(unsigned long long)calls);
	return 0;
}

#endif
