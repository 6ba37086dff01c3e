/*
 * A node of a test cluster: a client can request each operation that concerns other nodes. Its twin in JavaScript is
 * tests/cluster/support/peer.mjs. PEER_NAME names the node.
 */
#include <sockeye.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/clients/app/driven.h"

static const char *
node_name(void)
{
	const char *name = getenv("PEER_NAME");

	return name ? name : "unnamed";
}

static void
on_connection(sio_socket *socket, void *arg)
{
	(void)arg;
	if (!sio_recovered(socket))
		sio_set_data(socket, "{s:s}", "node", node_name());
}

static void
on_join(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_join(socket, text(sio_arg(event, 0)));
	sio_ack(event, "n");
}

static void
on_leave(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_leave(socket, text(sio_arg(event, 0)));
	sio_ack(event, "n");
}

static void
on_data(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_set_data(socket, "v", sio_arg(event, 0));
	sio_ack(event, "n");
}

/* Arguments come as an array of up to four. With `times`, the number of each repetition is appended. */
static void
on_emit(sio_socket *socket, sio_event *event, void *arg)
{
	sio_value spec = sio_arg(event, 0), args = sio_arg(event, 2);
	sio_target target = target_of(socket, spec);
	const char *name = text(sio_arg(event, 1));
	int64_t times = sio_int(sio_get(spec, "times"), 0);
	int rc = 0;

	(void)arg;
	for (int i = 0; i < times && rc == 0; i++)
		rc = sio_emit(target, name, "i", i);
	if (times == 0 && sio_length(args) == 0)
		rc = sio_emit(target, name, NULL);
	else if (times == 0 && sio_length(args) == 1)
		rc = sio_emit(target, name, "v", sio_at(args, 0));
	else if (times == 0)
		rc = sio_emit(
			target, name, "vvvv", sio_at(args, 0), sio_at(args, 1), sio_at(args, 2), sio_at(args, 3));
	sio_ack(event, "i", rc);
}

/* ------------------------------------------------------------- questions */

/* Collects the answers and sends them to the asker in one acknowledgement, as JSON that the client parses. */
static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	sio_event *asked = arg;
	unsigned n = sio_answers_count(answers);
	sio_value a[8] = {{NULL, 0, NULL}};

	(void)io;
	for (unsigned i = 0; i < n && i < 8; i++)
		a[i] = sio_answer(answers, i);
	if (n > 8) {
		sio_ack(asked, "{s:s,s:u,s:u}", "error", "more answers than this test asks for", "count", n, "silent",
			sio_answers_silent(answers));
	} else {
		static const char *const formats[] = {"{s:s,s:u,s:[]}", "{s:s,s:u,s:[v]}", "{s:s,s:u,s:[vv]}",
			"{s:s,s:u,s:[vvv]}", "{s:s,s:u,s:[vvvv]}", "{s:s,s:u,s:[vvvvv]}", "{s:s,s:u,s:[vvvvvv]}",
			"{s:s,s:u,s:[vvvvvvv]}", "{s:s,s:u,s:[vvvvvvvv]}"};

		sio_ack(asked, formats[n], "error", error ? sio_error_text(error) : NULL, "silent",
			sio_answers_silent(answers), "answers", a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
	}
	sio_event_release(asked);
}

static void
on_ask(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *asked = sio_event_keep(event);

	(void)arg;
	if (sio_emit_ack(target_of(socket, sio_arg(event, 0)), on_answers, asked, text(sio_arg(event, 1)), "v",
		    sio_arg(event, 2)) != 0)
		sio_event_release(asked);
}

static void
on_server_ask(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *asked = sio_event_keep(event);

	(void)arg;
	if (sio_server_side_emit_ack(sio_socket_nsp(socket), 0, on_answers, asked, text(sio_arg(event, 0)), "v",
		    sio_arg(event, 1)) != 0)
		sio_event_release(asked);
}

/* JSON built as text, because values from other nodes have any length. */
static void
add_value(FILE *out, sio_value value)
{
	size_t n;
	const char *json = sio_json(value, &n);

	if (json)
		fwrite(json, 1, n, out);
	else
		fputs("null", out);
}

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	sio_event *asked = arg;
	char *json = NULL;
	size_t size;
	FILE *out = open_memstream(&json, &size);

	(void)io;
	fprintf(out, "{\"silent\":%u,\"error\":", silent);
	fprintf(out, error ? "\"%s\"" : "null", sio_error_text(error));
	fputs(",\"sockets\":[", out);
	for (unsigned i = 0; i < n; i++) {
		fprintf(out, "%s{\"id\":\"%s\",\"rooms\":[", i ? "," : "", sockets[i].id);
		for (unsigned r = 0; r < sockets[i].rooms_count; r++)
			fprintf(out, "%s\"%s\"", r ? "," : "", sockets[i].rooms[r]);
		fputs("],\"data\":", out);
		add_value(out, sockets[i].data);
		fputs(",\"query\":", out);
		add_value(out, sio_get(sockets[i].handshake, "query"));
		fputs("}", out);
	}
	fputs("]}", out);
	fclose(out);
	sio_ack(asked, "j", json);
	free(json);
	sio_event_release(asked);
}

static void
on_fetch(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *asked = sio_event_keep(event);

	(void)arg;
	if (sio_fetch(target_of(socket, sio_arg(event, 0)), on_fetched, asked) != 0)
		sio_event_release(asked);
}

static void
on_disconnect_sockets(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_ack(event, "i",
		sio_disconnect_sockets(target_of(socket, sio_arg(event, 0)), sio_bool(sio_arg(event, 1), false)));
}

static void
on_rooms(sio_socket *socket, sio_event *event, void *arg)
{
	const char *room;
	size_t cursor = 0, size;
	char *json = NULL;
	FILE *out = open_memstream(&json, &size);

	(void)arg;
	fputs("[", out);
	for (unsigned i = 0; (room = sio_room_next(socket, &cursor)) != NULL; i++)
		fprintf(out, "%s\"%s\"", i ? "," : "", room);
	fputs("]", out);
	fclose(out);
	sio_ack(event, "j", json);
	free(json);
}

static void
on_all_rooms_known(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	sio_event *asked = arg;
	char *json = NULL;
	size_t size;
	FILE *out = open_memstream(&json, &size);

	(void)io;
	(void)error;
	(void)silent;
	fputs("[", out);
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "%s\"%s\"", i ? "," : "", rooms[i]);
	fputs("]", out);
	fclose(out);
	sio_ack(asked, "j", json);
	free(json);
	sio_event_release(asked);
}

static void
on_all_rooms(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *asked = sio_event_keep(event);

	(void)arg;
	if (sio_all_rooms(sio_socket_nsp(socket), on_all_rooms_known, asked) != 0)
		sio_event_release(asked);
}

/* ------------------------------------------------------------------- nodes */

#define NODES 16

static void
write_node(FILE *out, const sio_node *node)
{
	static const char *const states[] = {"serving", "draining", "silent", "lost", "left"};

	fprintf(out, "{\"node\":%u,\"worker\":%u,\"state\":\"%s\",\"self\":%s,\"clients\":%u}", node->node,
		node->worker, states[node->state], node->self ? "true" : "false", node->clients);
}

static void
on_nodes(sio_socket *socket, sio_event *event, void *arg)
{
	sio_server *io = sio_socket_server(socket);
	sio_node nodes[NODES];
	unsigned n = sio_nodes(io, nodes, NODES);
	char *json = NULL;
	size_t size;
	FILE *out = open_memstream(&json, &size);

	(void)arg;
	fprintf(out, "{\"foreign\":%d,\"nodes\":[", sio_foreign_servers(io));
	for (unsigned i = 0; i < n && i < NODES; i++) {
		fputs(i ? "," : "", out);
		write_node(out, &nodes[i]);
	}
	fputs("]}", out);
	fclose(out);
	sio_ack(event, "j", json);
	free(json);
}

static void
on_silence_known(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	sio_event *asked = arg;
	const sio_node *nodes;
	unsigned named = sio_silent_nodes(io, &nodes);
	char *json = NULL;
	size_t size;
	FILE *out = open_memstream(&json, &size);

	(void)sockets;
	fprintf(out, "{\"error\":%d,\"sockets\":%u,\"silent\":%u,\"named\":[", error, n, silent);
	for (unsigned i = 0; i < named; i++)
		fprintf(out, "%s%u", i ? "," : "", nodes[i].node);
	fputs("]}", out);
	fclose(out);
	sio_ack(asked, "j", json);
	free(json);
	sio_event_release(asked);
}

/* Fetches the sockets of all servers and tells which servers did not answer. */
static void
on_silence(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *asked = sio_event_keep(event);

	(void)arg;
	if (sio_fetch(sio_all(sio_socket_nsp(socket)), on_silence_known, asked) != 0)
		sio_event_release(asked);
}

/* ------------------------------------------------------ events of other servers */

static void
on_note(sio_nsp *nsp, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_local(sio_all(nsp)), "note", "sv", node_name(), sio_arg(event, 0));
}

static void
on_question(sio_nsp *nsp, sio_event *event, void *arg)
{
	(void)nsp;
	(void)arg;
	sio_ack(event, "{s:s,s:v}", "node", node_name(), "value", sio_arg(event, 0));
}

static void
on_mute(sio_nsp *nsp, sio_event *event, void *arg)
{
	(void)nsp;
	(void)event;
	(void)arg;
}

static void
serve(sio_nsp *nsp)
{
	static const struct {
		const char *name;
		sio_event_fn *fn;
	} handlers[] = {
		{"join", on_join},
		{"leave", on_leave},
		{"data", on_data},
		{"emit", on_emit},
		{"ask", on_ask},
		{"fetch", on_fetch},
		{"nodes", on_nodes},
		{"silence", on_silence},
		{"socketsJoin", on_sockets_join},
		{"socketsLeave", on_sockets_leave},
		{"disconnectSockets", on_disconnect_sockets},
		{"serverEmit", on_server_emit},
		{"serverAsk", on_server_ask},
		{"allRooms", on_all_rooms},
		{"rooms", on_rooms},
	};

	sio_on_connection(nsp, on_connection, NULL);
	for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
		sio_on(nsp, handlers[i].name, handlers[i].fn, NULL);
	sio_on_server_event(nsp, "note", on_note, NULL);
	sio_on_server_event(nsp, "question", on_question, NULL);
	sio_on_server_event(nsp, "mute", on_mute, NULL);
}

/* ----------------------------------------------------------------- history */

static void
on_joined(sio_socket *socket, int error, unsigned sent, void *arg)
{
	(void)socket;
	sio_ack(arg, "{s:i,s:u}", "error", error, "sent", sent);
	sio_event_release(arg);
}

static void
on_join_with_history(sio_socket *socket, sio_event *event, void *arg)
{
	sio_event *kept = sio_event_keep(event);
	int rc = sio_join_with_history(
		socket, text(sio_arg(event, 0)), (unsigned)sio_int(sio_arg(event, 1), 0), on_joined, kept);

	(void)arg;
	if (rc == 0)
		return;
	sio_ack(event, "{s:i}", "error", rc);
	sio_event_release(kept);
}

static void
on_history_read(sio_server *io, int error, const sio_history_entry *entries, unsigned count, void *arg)
{
	sio_list *list = sio_list_new(io);

	for (unsigned i = 0; i < count; i++)
		sio_list_add(list, "{s:s,s:I,s:s,s:v}", "id", entries[i].id, "time", (int64_t)entries[i].time,
			"event", entries[i].event, "args", entries[i].args);
	sio_ack(arg, "{s:i,s:L}", "error", error, "entries", list);
	sio_event_release(arg);
}

/* (room, {count, before, after}) */
static void
on_history(sio_socket *socket, sio_event *event, void *arg)
{
	sio_value spec = sio_arg(event, 1);
	sio_event *kept = sio_event_keep(event);
	int rc = sio_history(sio_socket_nsp(socket), text(sio_arg(event, 0)),
		(unsigned)sio_int(sio_get(spec, "count"), 0), sio_string(sio_get(spec, "before"), NULL),
		sio_string(sio_get(spec, "after"), NULL), on_history_read, kept);

	(void)arg;
	if (rc == 0)
		return;
	sio_ack(event, "{s:i}", "error", rc);
	sio_event_release(kept);
}

static void
on_history_removed(sio_server *io, int error, unsigned removed, void *arg)
{
	(void)io;
	sio_ack(arg, "{s:i,s:u}", "error", error, "removed", removed);
	sio_event_release(arg);
}

/* (room, id); without an id, all entries are removed. */
static void
on_history_remove(sio_socket *socket, sio_event *event, void *arg)
{
	const char *id = sio_string(sio_arg(event, 1), NULL);
	sio_event *kept = sio_event_keep(event);
	sio_nsp *nsp = sio_socket_nsp(socket);
	const char *room = text(sio_arg(event, 0));
	int rc = id != NULL ? sio_history_remove(nsp, room, id, on_history_removed, kept)
			    : sio_history_clear(nsp, room, on_history_removed, kept);

	(void)arg;
	if (rc == 0)
		return;
	sio_ack(event, "{s:i}", "error", rc);
	sio_event_release(kept);
}

static void
serve_history(sio_nsp *nsp)
{
	sio_on(nsp, "join with history", on_join_with_history, NULL);
	sio_on(nsp, "history", on_history, NULL);
	sio_on(nsp, "history remove", on_history_remove, NULL);
}

/* ---------------------------------------------------------------- presence */

static void
on_present(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_ack(event, "i", sio_set_present(socket, sio_string(sio_arg(event, 0), NULL), "v", sio_arg(event, 1)));
}

static void
add_user(const char *user, sio_value data, void *arg)
{
	sio_list_add(arg, "{s:s,s:v}", "user", user, "data", data);
}

static void
on_who(sio_socket *socket, sio_event *event, void *arg)
{
	sio_list *users = sio_list_new(sio_socket_server(socket));

	(void)arg;
	sio_present(sio_socket_nsp(socket), text(sio_arg(event, 0)), add_user, users);
	sio_ack(event, "L", users);
}

static void
serve_presence(sio_nsp *nsp)
{
	sio_presence(nsp, "room", "presence");
	sio_on(nsp, "join", on_join, NULL);
	sio_on(nsp, "leave", on_leave, NULL);
	sio_on(nsp, "present", on_present, NULL);
	sio_on(nsp, "who", on_who, NULL);
}

/* --------------------------------------------------------- slow middlewares */

static void
on_waited(sio_server *io, void *step)
{
	(void)io;
	sio_next(step);
}

/* Accepts a client after as many milliseconds as the `delay` of its auth. */
static void
wait_first(sio_socket *socket, sio_step *step, void *arg)
{
	int64_t delay = sio_int(sio_get(sio_auth(socket), "delay"), 0);

	(void)arg;
	if (delay > 0)
		sio_timer_once(sio_socket_server(socket), (uint32_t)delay, on_waited, step);
	else
		sio_next(step);
}

static void
serve_slowly(sio_nsp *nsp)
{
	sio_use(nsp, wait_first, NULL);
	serve(nsp);
}

int
sio_app(sio_server *io)
{
	serve_presence(
		sio_of_pattern(io, "/presence.*", NULL)); /* costs no subscription until a client asks for it */
	serve(sio_of(io, "/"));
	serve_history(sio_of(io, "/"));
	serve(sio_of(io, "/team"));
	serve(sio_of_pattern(io, "/new-.*", NULL));
	serve_slowly(sio_of_pattern(io, "/slow-.*", NULL));
	return 0;
}
