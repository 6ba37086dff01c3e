/*
 * The chat, a first Socket.IO application in C. chat.js is the same application in JavaScript.
 *
 *     sockeye --app build/apps/chat.so --public node/apps/public --connection-state-recovery \
 *         --history "everyone=100/1d,room:*=100/1d"
 *
 * With --history, new users get the last messages. With --connection-state-recovery, a user who loses the connection
 * for a moment misses nothing. Both are off without these options.
 *
 * The environment variable CHAT_TOKEN sets the token of the /admin namespace; the default is "sesame".
 */
#include <sockeye.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Everybody's room, because histories belong to rooms. room_name() keeps clients from naming it. */
#define EVERYONE "everyone"
#define PAST_MAX 50 /* earlier messages that a new user gets */
#define ID_MAX_BYTES 64
#define ROOM_MAX 64
#define NAME_MAX_BYTES 120
#define WHO_MAX 200

/* The chat's rooms have the prefix "room:", because each socket is also in a room named by its own id. */
static bool
room_name(sio_value value, char out[ROOM_MAX])
{
	size_t n = 0;
	const char *name = sio_string(value, &n);

	if (!name || n == 0 || strlen(name) != n || n + sizeof "room:" > ROOM_MAX)
		return false;
	snprintf(out, ROOM_MAX, "room:%s", name);
	return true;
}

/* The name is part of the socket's data, so every server of the cluster can list it. An empty name removes it. */
static bool
set_name(sio_socket *socket, sio_value name)
{
	if (sio_type_of(name) != SIO_STRING || sio_length(name) > NAME_MAX_BYTES)
		return false;
	if (sio_length(name) == 0)
		return sio_set_data(socket, "{}") == 0;
	return sio_set_data(socket, "{s:v}", "name", name) == 0;
}

static sio_value
name_of(const sio_socket *socket)
{
	return sio_get(sio_data(socket), "name");
}

/*
 * A client may give its message an id. Then everyone gets the message with the id and the time, so that a page knows
 * which messages it has shown, and when each message was said.
 */
static bool
has_id(sio_value message)
{
	sio_value id = sio_get(message, "id");

	return sio_type_of(id) == SIO_STRING && sio_length(id) <= ID_MAX_BYTES;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	timespec_get(&now, TIME_UTC);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sends the received arguments, unchanged, to everyone: io.emit(). */
static void
on_chat_message_text(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_everyone(socket), "chat message", "*", event);
}

static void
on_chat_message(sio_socket *socket, sio_event *event, void *arg)
{
	sio_value sent = sio_arg(event, 0), message = sio_get(sent, "message");
	const char *name = sio_string(sio_get(sent, "user"), NULL);
	sio_target everyone = sio_to(sio_everyone(socket), EVERYONE);

	(void)arg;
	if (!name || !*name)
		name = "Anonymous";
	if (has_id(sent))
		sio_emit(everyone, "chatMessage", "{s:s,s:v,s:v,s:I}", "user", name, "message", message, "id",
			sio_get(sent, "id"), "time", now_ms());
	else
		sio_emit(everyone, "chatMessage", "{s:s,s:v}", "user", name, "message", message);
	sio_emit(sio_everyone(socket), "reply", "{s:s,s:v}", "user", name, "message", message);
	sio_ack(event, "s", "received"); /* the client's callback, if it passed one */
}

static void
on_send_notification(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_everyone(socket), "notification", "*", event);
}

/* The acknowledgement follows the last messages of the room. If these cannot be read, the client joins without them.
 */
static void
on_joined(sio_socket *socket, int error, unsigned sent, void *arg)
{
	sio_event *event = arg;

	(void)error;
	(void)sent;
	sio_ack(event, "{s:b}", "ok", socket != NULL);
	sio_event_release(event);
}

/* A client that is in the room already has its messages. */
static void
on_join(sio_socket *socket, sio_event *event, void *arg)
{
	char room[ROOM_MAX];
	bool ok = room_name(sio_arg(event, 0), room);

	(void)arg;
	if (ok && !sio_in_room(socket, room)) {
		sio_event *kept = sio_event_keep(event);

		if (sio_join_with_history(socket, room, PAST_MAX, on_joined, kept) == 0)
			return;
		sio_event_release(kept);
		ok = sio_join(socket, room) == 0; /* too many joins wait: without the last messages */
	}
	sio_ack(event, "{s:b}", "ok", ok);
}

static void
on_leave(sio_socket *socket, sio_event *event, void *arg)
{
	char room[ROOM_MAX];
	bool ok = room_name(sio_arg(event, 0), room);

	(void)arg;
	if (ok)
		sio_leave(socket, room);
	sio_ack(event, "{s:b}", "ok", ok);
}

/* { room, user, message, id }: only members of the room can send to it, and only they receive it. */
static void
on_room_message(sio_socket *socket, sio_event *event, void *arg)
{
	char room[ROOM_MAX];
	sio_value sent = sio_arg(event, 0);
	bool ok = room_name(sio_get(sent, "room"), room) && sio_in_room(socket, room);

	(void)arg;
	if (ok && has_id(sent))
		sio_emit(sio_to(sio_everyone(socket), room), "room message", "{s:v,s:v,s:v,s:v,s:I}", "room",
			sio_get(sent, "room"), "user", sio_get(sent, "user"), "message", sio_get(sent, "message"),
			"id", sio_get(sent, "id"), "time", now_ms());
	else if (ok)
		sio_emit(sio_to(sio_everyone(socket), room), "room message", "*", event);
	sio_ack(event, "{s:b}", "ok", ok);
}

static void
on_name(sio_socket *socket, sio_event *event, void *arg)
{
	bool ok = set_name(socket, sio_arg(event, 0));

	(void)arg;
	if (ok)
		sio_emit(sio_everyone(socket), "user renamed", "{s:s,s:v}", "id", sio_id(socket), "name",
			name_of(socket));
	sio_ack(event, "{s:b}", "ok", ok);
}

/* Somebody types, for everyone or for a room. Clients that cannot receive it at once do not need it later. */
static void
on_typing(sio_socket *socket, sio_event *event, void *arg)
{
	sio_target target = sio_volatile(sio_others(socket));
	char room[ROOM_MAX];

	(void)arg;
	if (sio_argc(event) > 0) {
		if (!room_name(sio_arg(event, 0), room) || !sio_in_room(socket, room))
			return;
		target = sio_to(target, room);
	}
	sio_emit(target, "typing", "{s:s,s:v,s:v}", "id", sio_id(socket), "name", name_of(socket), "room",
		sio_arg(event, 0));
}

/*
 * Lists who is here: the sockets of all servers, with their data. The answer to a question must not be older than the
 * question, as the client may have joined since. So questions that come while the servers are asked wait for the next
 * round, and share it.
 */
struct question {
	sio_event *event;
	struct question *next;
};

static struct question *waiting;
static bool asking;

static void
answer_all(struct question *questions, sio_value list)
{
	struct question *next;

	for (; questions; questions = next) {
		next = questions->next;
		if (sio_type_of(list) != SIO_NONE)
			sio_ack(questions->event, "v", list);
		sio_event_release(questions->event);
		free(questions);
	}
}

static void ask_servers(sio_server *io);

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)error; /* the sockets of a server that does not answer are missing */
	(void)silent;
	answer_all(arg, sio_format(io, "F", sockets, n < WHO_MAX ? n : WHO_MAX));
	asking = false;
	ask_servers(io);
}

static void
ask_servers(sio_server *io)
{
	struct question *questions = waiting;

	if (asking || !questions)
		return;
	waiting = NULL;
	asking = sio_fetch(sio_all(sio_of(io, "/")), on_fetched, questions) == 0;
	if (!asking)
		answer_all(questions, (sio_value){0});
}

static void
on_who(sio_socket *socket, sio_event *event, void *arg)
{
	struct question *question = malloc(sizeof *question);

	(void)arg;
	if (!question)
		return;
	*question = (struct question){sio_event_keep(event), waiting};
	waiting = question;
	ask_servers(sio_socket_server(socket));
}

/* Answers another server that asks for the number of clients here. */
static void
on_count(sio_nsp *chat, sio_event *event, void *arg)
{
	(void)arg;
	sio_ack(event, "u", sio_nsp_count(chat));
}

/*
 * Adds the clients of this server to the counts that the other servers answered. If an announcement caused the count,
 * reports the total to its author, otherwise to everyone.
 */
static void
on_counts(sio_server *io, int error, const sio_answers *counts, void *arg)
{
	sio_nsp *chat = sio_of(io, "/");
	sio_event *announced = arg;
	int64_t users = sio_nsp_count(chat);

	(void)error; /* a server that does not answer counts as having no clients */
	for (unsigned i = 0; i < sio_answers_count(counts); i++)
		users += sio_int(sio_answer(counts, i), 0);
	if (announced)
		sio_ack(announced, "{s:I}", "users", users);
	else
		sio_emit(sio_all(chat), "users", "I", users);
	sio_event_release(announced);
}

static void
count_users(sio_nsp *chat, sio_event *announced)
{
	if (sio_server_side_emit_ack(chat, 0, on_counts, announced, "count", "") != 0)
		sio_event_release(announced);
}

/* Tells the client that it has got the last messages of everyone, or that they could not be read. */
static void
on_past(sio_socket *socket, int error, unsigned sent, void *arg)
{
	(void)sent;
	(void)arg;
	if (socket)
		sio_emit(sio_only(socket), "caught up", "{s:b}", "ok", error == 0);
}

/* A client that was recovered is still in its rooms, and has got what it missed. */
static void
welcome(sio_socket *socket)
{
	if (sio_recovered(socket))
		return;
	sio_emit(sio_only(socket), "welcome", "s", "Hello! Welcome to the server.");
	if (sio_join_with_history(socket, EVERYONE, PAST_MAX, on_past, NULL) == 0)
		return;
	sio_join(socket, EVERYONE);
	on_past(socket, SIO_ERR_TIMEOUT, 0, NULL);
}

static void
on_connection(sio_socket *socket, void *arg)
{
	(void)arg;
	sio_log(sio_socket_server(socket), "connection", "id", sio_id(socket), NULL);
	welcome(socket);
	set_name(socket, sio_get(sio_auth(socket), "name"));
	sio_emit(sio_others(socket), "user joined", "{s:s,s:v}", "id", sio_id(socket), "name", name_of(socket));
	count_users(sio_socket_nsp(socket), NULL);
}

static void
on_disconnect(sio_socket *socket, const char *reason, void *arg)
{
	(void)arg;
	sio_log(sio_socket_server(socket), "disconnect", "id", sio_id(socket), "reason", reason, NULL);
	sio_emit(sio_everyone(socket), "user left", "{s:s,s:v}", "id", sio_id(socket), "name", name_of(socket));
	count_users(sio_socket_nsp(socket), NULL);
}

/* A middleware: a client without the token cannot enter /admin and gets connect_error "Unauthorized". */
static void
check_token(sio_socket *socket, sio_step *step, void *arg)
{
	const char *wanted = getenv("CHAT_TOKEN");
	const char *token = sio_string(sio_get(sio_auth(socket), "token"), NULL);

	(void)arg;
	if (token && strcmp(token, wanted ? wanted : "sesame") == 0)
		sio_next(step);
	else
		sio_refuse(step, "Unauthorized", NULL);
}

static void
on_announce(sio_socket *socket, sio_event *event, void *arg)
{
	sio_nsp *chat = arg;

	(void)socket;
	sio_emit(sio_all(chat), "notification", "v", sio_arg(event, 0));
	count_users(chat, sio_event_keep(event));
}

int
sio_app(sio_server *io)
{
	sio_nsp *chat = sio_of(io, "/");
	sio_nsp *admin = sio_of(io, "/admin");

	sio_on_connection(chat, on_connection, NULL);
	sio_on_disconnect(chat, on_disconnect, NULL);
	sio_on_server_event(chat, "count", on_count, NULL);
	sio_on(chat, "chat message", on_chat_message_text, NULL);
	sio_on(chat, "chatMessage", on_chat_message, NULL);
	sio_on(chat, "sendNotification", on_send_notification, NULL);
	sio_on(chat, "join", on_join, NULL);
	sio_on(chat, "leave", on_leave, NULL);
	sio_on(chat, "room message", on_room_message, NULL);
	sio_on(chat, "name", on_name, NULL);
	sio_on(chat, "typing", on_typing, NULL);
	sio_on(chat, "who", on_who, NULL);

	sio_use(admin, check_token, NULL);
	sio_on(admin, "announce", on_announce, chat);
	return 0;
}
