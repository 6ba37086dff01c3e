/*
 * A team chat: login by token against a slow database, a list of present users, history in Redis, private messages
 * with receipts, a rate limit, a typing indicator and kick. docs/tutorial.md explains the program.
 *
 *     sockeye --app build/examples/team.so --public node/examples/team/public
 */
#include <hiredis/async.h>
#include <hiredis/adapters/libev.h>
#include <pthread.h>
#include <sockeye.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 2000
#define LOGINS_MAX 32	 /* threads that ask the database at the same time */
#define COMMANDS_MAX 200 /* commands that may wait for Redis; further messages are not stored */
#define BURST 10	 /* events that a client may send at once */
#define PER_SECOND 2	 /* events that a client may send per second on average */

const sio_option sio_app_options[] = {
	{.name = "teamRedisPort",
		.kind = SIO_OPTION_NUMBER,
		.initial = "6379",
		.min = 1,
		.max = 65535,
		.help = "Port of the Redis on this machine that keeps the history"},
	{0},
};

struct user {
	char token[64], name[32], room[40]; /* the room has all sockets of the user, on all servers */
	bool admin;
	double credit; /* events that the user may still send */
	ev_tstamp seen;
	sio_step *step; /* while the login is underway */
	pthread_t thread;
	struct user *next;
};

static struct ev_loop *loop;
static sio_nsp *team;
static redisAsyncContext *redis; /* NULL: not connected */
static unsigned commands;	 /* commands without an answer */
static bool outage;		 /* a failure of Redis has been logged */
static ev_async found;
static _Atomic(struct user *) found_users; /* the threads' results; everything else belongs to the loop's thread */
static unsigned logins;

/*
 * Runs in a thread of its own and may therefore block; the sleep and the loop stand for a query of a database. A
 * thread must not call functions of sockeye.h; ev_async_send() wakes the loop.
 */
static void *find_user(void *arg) {
	static const char *const rows[][3] = {
		{"ada-token", "Ada", "admin"}, {"bob-token", "Bob", ""}, {"eve-token", "Eve", ""}};
	struct user *user = arg;
	usleep(100000);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i][0], user->token) == 0) {
			snprintf(user->name, sizeof user->name, "%s", rows[i][1]);
			user->admin = rows[i][2][0] != '\0';
		}
	user->next = found_users;
	while (!atomic_compare_exchange_weak(&found_users, &user->next, user))
		;
	ev_async_send(loop, &found);
	return NULL;
}

/* A middleware that decides later. It keeps the step and not the socket, because the client may leave meanwhile. */
static void check_token(sio_socket *socket, sio_step *step, void *arg) {
	const char *token = sio_string(sio_get(sio_auth(socket), "token"), NULL);
	struct user *user = calloc(1, sizeof *user);
	user->step = step;
	snprintf(user->token, sizeof user->token, "%s", token ? token : "");
	if (logins >= LOGINS_MAX || pthread_create(&user->thread, NULL, find_user, user) != 0) {
		sio_refuse(step, "Busy", NULL);
		free(user);
		return;
	}
	logins++;
}

/* The server calls free(user) when the socket has ended. */
static void set_user(sio_socket *socket, struct user *user) {
	snprintf(user->room, sizeof user->room, "user:%s", user->name);
	user->credit = BURST;
	user->seen = ev_now(loop);
	sio_set_user_free(socket, user, free);
}

static void on_found(struct ev_loop *l, ev_async *async, int events) {
	for (struct user *user = atomic_exchange(&found_users, NULL), *next; user; user = next) {
		sio_socket *socket = sio_step_socket(user->step);
		next = user->next;
		pthread_join(user->thread, NULL); /* the thread is at its end, so this does not block */
		logins--;
		if (!socket || !user->name[0]) {
			sio_refuse(user->step, "Unauthorized", NULL);
			free(user);
			continue;
		}
		set_user(socket, user);
		sio_set_data(socket, "{s:s,s:b}", "name", user->name, "admin", user->admin);
		sio_join(socket, user->room);
		sio_next(user->step);
	}
}

static void connect_redis(sio_server *io, void *arg);

/* The connection to Redis is established, has failed or has closed. After the last two, hiredis frees the context. */
static void on_redis(const redisAsyncContext *context, int status) {
	if (status != REDIS_OK && !outage)
		sio_log(sio_nsp_server(team), "team-redis", "error", context->errstr, NULL);
	outage = status != REDIS_OK;
	if (status == REDIS_OK) return;
	redis = NULL;
	sio_timer_once(sio_nsp_server(team), 1000, connect_redis, NULL);
}

static void connect_redis(sio_server *io, void *arg) {
	redis = redisAsyncConnect("127.0.0.1", (int)sio_option_number(io, "teamRedisPort"));
	if (redis->err) {
		redisAsyncContext *failed = redis;
		on_redis(failed, REDIS_ERR);
		redisAsyncFree(failed);
		return;
	}
	redisLibevAttach(loop, redis);
	redisAsyncSetConnectCallback(redis, on_redis);
	redisAsyncSetDisconnectCallback(redis, on_redis);
}

/* hiredis keeps commands until they are answered, also while Redis hangs. Their number therefore has a limit. */
static bool redis_takes(unsigned n) {
	if (!redis || commands + n > COMMANDS_MAX) return false;
	commands += n;
	return true;
}

/* Called for each command: with its answer, or without one when the connection has ended. */
static void on_answer(redisAsyncContext *context, void *answer, void *arg) { commands--; }

/* The answer to LRANGE: the newest message first. The socket may have left, so its id comes along. */
static void on_history(redisAsyncContext *context, void *answer, void *id) {
	sio_socket *socket = sio_find(team, id);
	redisReply *reply = answer;
	commands--;
	sio_list *messages = sio_list_new(sio_nsp_server(team));
	for (size_t i = reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0; i-- > 0;)
		sio_list_add(messages, "j", reply->element[i]->str);
	if (socket) sio_emit(sio_only(socket), "history", "L", messages);
	free(id);
}

static const char *name_of(const sio_socket *socket) { return ((struct user *)sio_user(socket))->name; }

static void on_connection(sio_socket *socket, void *arg) {
	if (!sio_user(socket)) { /* a recovered socket: it did not log in again, but it has its data */
		struct user *user = calloc(1, sizeof *user);
		snprintf(user->name, sizeof user->name, "%s", sio_string(sio_get(sio_data(socket), "name"), NULL));
		user->admin = sio_bool(sio_get(sio_data(socket), "admin"), false);
		set_user(socket, user);
	}
	sio_emit(sio_others(socket), "joined", "s", name_of(socket));
	if (redis_takes(1)) redisAsyncCommand(redis, on_history, strdup(sio_id(socket)), "LRANGE team:history 0 49");
}

/* Before each event. A client that sends too much is told so, and the event is dropped. */
static void limit_rate(sio_socket *socket, sio_event *event, sio_step *step, void *arg) {
	struct user *user = sio_user(socket);
	ev_tstamp now = ev_now(loop);
	user->credit += (now - user->seen) * PER_SECOND;
	user->credit = user->credit < BURST ? user->credit : BURST;
	user->seen = now;
	if (user->credit >= 1) {
		user->credit--;
		sio_next(step);
	} else {
		sio_ack(event, "{s:s}", "error", "too fast");
		sio_refuse(step, "too fast", NULL);
	}
}

static void on_message(sio_socket *socket, sio_event *event, void *arg) {
	struct user *user = sio_user(socket);
	sio_value text = sio_arg(event, 0);
	const char *json;
	if (sio_type_of(text) != SIO_STRING || sio_length(text) > TEXT_MAX) {
		sio_ack(event, "{s:s}", "error", "not a text");
		return;
	}
	json = sio_format_text(
		sio_nsp_server(team), "{s:s,s:v,s:d}", "from", user->name, "text", text, "at", ev_now(loop));
	sio_emit(sio_all(team), "message", "j", json);
	if (redis_takes(2)) {
		redisAsyncCommand(redis, on_answer, NULL, "LPUSH team:history %s", json);
		redisAsyncCommand(redis, on_answer, NULL, "LTRIM team:history 0 49");
	}
	sio_ack(event, "{s:b}", "ok", true);
}

/* How many windows of the receiver have shown the private message. */
static void on_receipts(sio_server *io, int error, const sio_answers *answers, void *arg) {
	sio_ack(arg, "{s:u}", "delivered", sio_answers_count(answers));
	sio_event_release(arg);
}

/* The room of the user whom the first argument names. */
static sio_target user_named(sio_event *event, char room[40]) {
	const char *name = sio_string(sio_arg(event, 0), NULL);
	snprintf(room, 40, "user:%.30s", name ? name : "");
	return sio_to(sio_all(team), room);
}

static void on_private(sio_socket *socket, sio_event *event, void *arg) {
	sio_event *kept = sio_event_keep(event);
	char room[40];
	if (sio_emit_ack(sio_timeout(user_named(kept, room), 2000), on_receipts, kept, "private", "{s:s,s:v}", "from",
		    name_of(socket), "text", sio_arg(kept, 1)) != 0)
		sio_event_release(kept);
}

static void on_typing(sio_socket *socket, sio_event *event, void *arg) {
	sio_emit(sio_volatile(sio_others(socket)), "typing", "s", name_of(socket));
}

static void on_kick(sio_socket *socket, sio_event *event, void *arg) {
	struct user *user = sio_user(socket);
	char room[40];
	if (user->admin) {
		sio_emit(user_named(event, room), "kicked", "s", user->name);
		sio_disconnect_sockets(user_named(event, room), true);
	}
	sio_ack(event, "{s:b}", "ok", user->admin);
}

static void on_fetched(
	sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *question) {
	sio_ack(question, "F", sockets, n);
	sio_event_release(question);
}

static void on_who(sio_socket *socket, sio_event *event, void *arg) {
	sio_event *kept = sio_event_keep(event);
	if (sio_fetch(sio_all(team), on_fetched, kept) != 0) sio_event_release(kept);
}

static void on_disconnect(sio_socket *socket, const char *reason, void *arg) {
	sio_emit(sio_all(team), "left", "s", name_of(socket));
}

/* The threads use the loop, and this program's memory, so they must have ended before both are gone. */
static void on_stop(sio_server *io, void *arg) {
	for (; logins > 0; usleep(1000)) on_found(loop, &found, 0);
	ev_async_stop(loop, &found);
	if (redis) redisAsyncFree(redis);
}

int sio_app(sio_server *io) {
	loop = sio_loop(io);
	team = sio_of(io, "/");
	ev_async_init(&found, on_found);
	ev_async_start(loop, &found);
	connect_redis(io, NULL);
	sio_use(team, check_token, NULL);
	sio_use_events(team, limit_rate, NULL);
	sio_on_connection(team, on_connection, NULL);
	sio_on_disconnect(team, on_disconnect, NULL);
	sio_on(team, "message", on_message, NULL);
	sio_on(team, "private", on_private, NULL);
	sio_on(team, "typing", on_typing, NULL);
	sio_on(team, "kick", on_kick, NULL);
	sio_on(team, "who", on_who, NULL);
	sio_on_stop(io, on_stop, NULL);
	return 0;
}
