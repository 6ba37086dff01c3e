/* The random calls of the application in chaos.h, one function for each group of the public API. */
#ifndef TESTS_CHAOS_CHAOS_CALLS_H
#define TESTS_CHAOS_CHAOS_CALLS_H

#include "tests/chaos/chaos_callbacks.h"

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
	(void)sio_rate_allows(s, 5, 1);
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

/* Changes rooms and sockets while the sockets are listed. */
static void
chaos_on_local(sio_socket *s, void *arg)
{
	(void)arg;
	chaos_must(sio_connected(s));
	if (chaos_one_in(3))
		sio_leave(s, chaos_room());
	if (chaos_one_in(3))
		(void)sio_join(s, chaos_room());
	if (chaos_one_in(30))
		sio_disconnect(s, chaos_one_in(3));
}

static void
chaos_many(const struct chaos_at *at)
{
	sio_target t = chaos_target(at);

	switch (chaos_below(9)) {
	case 0:
		if (chaos_one_in(6))
			(void)sio_disconnect_sockets(t, chaos_one_in(3));
		break;
	case 8:
		(void)sio_local_sockets(t, chaos_on_local, NULL);
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
		(void)sio_disconnect_details(s);
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
	} else if (e != NULL && chaos_one_in(4)) {
		(void)(chaos_one_in(2) ? sio_ack_sockets(e, chaos_target(at))
				       : sio_ack_answers(e, chaos_target(at), chaos_event_name(), "*", e));
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
chaos_unregister(const struct chaos_at *at, sio_nsp *nsp, const char *name)
{
	(void)sio_off(nsp, name, chaos_on_event, NULL);
	(void)sio_off_server_event(nsp, name, chaos_on_server_event, NULL);
	switch (chaos_below(7)) {
	case 0:
		(void)sio_off_any(nsp, chaos_on_event, NULL);
		break;
	case 1:
		(void)sio_off_any_outgoing(nsp, chaos_on_event, NULL);
		break;
	case 2:
		(void)sio_off_room(nsp, chaos_on_room, NULL);
		break;
	case 3:
		(void)sio_off_error(nsp, chaos_on_error, NULL);
		break;
	case 4:
		(void)sio_unuse(nsp, chaos_use, NULL);
		break;
	case 5:
		(void)sio_unuse_events(nsp, chaos_use_events, NULL);
		break;
	default:
		if (at->socket == NULL)
			break;
		(void)sio_socket_off(at->socket, name, chaos_on_event, NULL);
		(void)sio_socket_unuse(at->socket, chaos_use_events, NULL);
		(void)(chaos_one_in(2) ? sio_socket_off_any : sio_socket_off_any_outgoing)(
			at->socket, chaos_on_event, NULL);
	}
}

static void
chaos_listen_to_all(sio_socket *socket)
{
	int (*const register_on[])(sio_socket *, sio_event_fn *, void *) = {sio_socket_on_any, sio_socket_prepend_any,
		sio_socket_on_any_outgoing, sio_socket_prepend_any_outgoing};

	if (socket != NULL)
		(void)register_on[chaos_below(4)](socket, chaos_on_event, NULL);
}

static void
chaos_register(const struct chaos_at *at)
{
	sio_nsp *nsp = chaos_nsp(chaos_nsp_name());
	const char *name = chaos_event_name();

	if (chaos_one_in(2)) {
		chaos_unregister(at, nsp, name);
		return;
	}
	if (chaos.listeners >= CHAOS_LISTENERS)
		return;
	chaos.listeners++;
	switch (chaos_below(13)) {
	case 10:
		chaos_listen_to_all(at->socket);
		break;
	case 0:
		(chaos_one_in(2) ? sio_on_any : sio_prepend_any)(nsp, chaos_on_event, NULL);
		break;
	case 1:
		(chaos_one_in(2) ? sio_on_any_outgoing : sio_prepend_any_outgoing)(nsp, chaos_on_event, NULL);
		break;
	case 8:
	case 9:
		if (at->socket != NULL)
			(void)(chaos_one_in(2) ? sio_socket_on : sio_socket_once)(
				at->socket, name, chaos_on_event, NULL);
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
	switch (chaos_below(6)) {
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
	case 4:
		sio_generate_id(chaos.io, chaos_one_in(3) ? NULL : chaos_id, NULL);
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

#endif
