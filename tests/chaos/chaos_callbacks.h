/* The callbacks of the application in chaos.h. Each one checks its arguments, counts, and makes random calls. */
#ifndef TESTS_CHAOS_CHAOS_CALLBACKS_H
#define TESTS_CHAOS_CHAOS_CALLBACKS_H

#include "tests/chaos/chaos_state.h"

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

/* A listener of its own counts, because others of "connection" may be added and removed. */
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
	/* those calls may have answered the step, which removes it from the list */
	for (unsigned i = 0; i < chaos.step_count; i++) {
		if (chaos.steps[i] == step && chaos_one_in(2)) {
			chaos_forget_step(step);
			chaos_answer(step);
		}
	}
}

/* In a middleware: answers the step here, perhaps twice, or keeps it. */
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

/* The steps of requests are mostly answered here: a waiting session is useless to the clients of the test. */
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

/* Mostly the server makes the id, sometimes the application, rarely one that is taken or malformed. */
static const char *
chaos_id(sio_server *io, sio_request *request, void *arg)
{
	static char id[SIO_SESSION_ID_LENGTH + 1];

	(void)io;
	(void)arg;
	chaos_within((struct chaos_at){.request = request});
	if (chaos_one_in(20))
		return chaos_one_in(2) ? "no id" : "the-same-again-1";
	for (unsigned i = 0; i < SIO_SESSION_ID_LENGTH; i++)
		id[i] = (char)('a' + chaos_below(26));
	return chaos_one_in(2) ? NULL : id;
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

#endif
