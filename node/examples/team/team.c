/*
 * A team chat: login by token against a slow database, a list of present users, history in Redis, private messages
 * with receipts, a rate limit, a typing indicator and kick. docs/tutorial.md explains the program.
 *
 *     sockeye --app build/examples/team.so --public node/examples/team/public
 */
#include <hiredis/adapters/libev.h>
#include <sockeye.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const sio_option sio_app_options[] = {
	{"teamRedisPort", SIO_OPTION_NUMBER, "6379", .help = "Port of the Redis of the history", .max = 65535},
	{0},
};

struct user {
	const char *token, *name;
	bool admin;
};

struct login {
	sio_step *step;
	char token[64];
	const struct user *user; /* NULL: the token is unknown */
};

static sio_nsp *team;
static redisAsyncContext *redis; /* NULL: not connected */
static unsigned commands;	 /* commands without an answer */
static bool outage;		 /* a failure of Redis has been logged */

static const char *name_of(const sio_socket *socket) { return sio_string(sio_get(sio_data(socket), "name"), NULL); }

/* The first argument names a user. All sockets of a user, on all servers, are in the room of that name. */
static sio_target user_named(const sio_event *event) {
	const char *name = sio_string(sio_arg(event, 0), NULL);
	return sio_to(sio_all(team), name ? name : "");
}

/* Runs in a thread and may therefore block; the sleep and the loop stand for a query of a database. */
static void find_user(void *arg) {
	static const struct user users[] = {
		{"ada-token", "Ada", true}, {"bob-token", "Bob", false}, {"eve-token", "Eve", false}};
	struct login *login = arg;
	usleep(100000);
	for (size_t i = 0; i < sizeof users / sizeof *users; i++)
		if (strcmp(users[i].token, login->token) == 0) login->user = &users[i];
}

/* Runs on the loop again. The client may have left meanwhile. */
static void on_found(sio_server *io, void *arg) {
	struct login *login = arg;
	sio_socket *socket = sio_step_socket(login->step);
	if (socket && login->user) {
		sio_set_data(socket, "{s:s,s:b}", "name", login->user->name, "admin", login->user->admin);
		sio_join(socket, login->user->name);
		sio_next(login->step);
	} else {
		sio_refuse(login->step, "Unauthorized", NULL);
	}
	free(login);
}

/* A middleware that decides later. It keeps the step and not the socket, because the client may leave meanwhile. */
static void check_token(sio_socket *socket, sio_step *step, void *arg) {
	const char *token = sio_string(sio_get(sio_auth(socket), "token"), NULL);
	struct login *login = calloc(1, sizeof *login);
	login->step = step;
	snprintf(login->token, sizeof login->token, "%s", token ? token : "");
	if (sio_work(sio_socket_server(socket), find_user, on_found, login) != 0) {
		sio_refuse(step, "Busy", NULL);
		free(login);
	}
}

/* The connection to Redis is established, has failed or has closed. After the last two, hiredis frees the context. */
static void on_redis(const redisAsyncContext *context, int status) {
	if (status != REDIS_OK) redis = NULL;
	if (status != REDIS_OK && !outage)
		sio_log(sio_nsp_server(team), "team_redis", "error", context->errstr, NULL);
	outage = status != REDIS_OK;
}

/* Called every second. */
static void connect_redis(sio_server *io, void *arg) {
	if (redis) return;
	redisAsyncContext *context = redisAsyncConnect("127.0.0.1", (int)sio_option_number(io, "teamRedisPort"));
	if (context->err) {
		on_redis(context, REDIS_ERR);
		redisAsyncFree(context);
	} else {
		redis = context;
		redisLibevAttach(sio_loop(io), context);
		redisAsyncSetConnectCallback(context, on_redis);
		redisAsyncSetDisconnectCallback(context, on_redis);
	}
}

/* hiredis keeps commands until they are answered, also while Redis hangs. Beyond 200, messages are not stored. */
static bool redis_takes(unsigned n) {
	if (!redis || commands + n > 200) return false;
	commands += n;
	return true;
}

/* Called for each command: with its answer, or without one when the connection has ended. */
static void on_answer(redisAsyncContext *context, void *answer, void *arg) { commands--; }

/* The newest message comes first. The socket may have left, so its id comes along. */
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

static void on_connection(sio_socket *socket, void *arg) {
	sio_emit(sio_others(socket), "joined", "s", name_of(socket));
	if (redis_takes(1)) redisAsyncCommand(redis, on_history, strdup(sio_id(socket)), "LRANGE team:history 0 49");
}

/* Before each event: 10 at once, and 2 per second. A client that sends more is told so, and the event is dropped. */
static void limit_rate(sio_socket *socket, sio_event *event, sio_step *step, void *arg) {
	if (sio_rate_allows(socket, 10, 2)) {
		sio_next(step);
	} else {
		sio_ack(event, "{s:s}", "error", "too fast");
		sio_refuse(step, "too fast", NULL);
	}
}

static void on_message(sio_socket *socket, sio_event *event, void *arg) {
	sio_value text = sio_arg(event, 0);
	if (sio_type_of(text) != SIO_STRING || sio_length(text) > 2000) {
		sio_ack(event, "{s:s}", "error", "not a text");
		return;
	}
	const char *json = sio_format_text(sio_nsp_server(team), "{s:s,s:v,s:d}", "from", name_of(socket), "text",
		text, "at", ev_now(sio_loop(sio_nsp_server(team))));
	sio_emit(sio_all(team), "message", "j", json);
	if (redis_takes(2)) {
		redisAsyncCommand(redis, on_answer, NULL, "LPUSH team:history %s", json);
		redisAsyncCommand(redis, on_answer, NULL, "LTRIM team:history 0 49");
	}
	sio_ack(event, "{s:b}", "ok", true);
}

/* The sender gets one answer from each window of the receiver. */
static void on_private(sio_socket *socket, sio_event *event, void *arg) {
	sio_ack_answers(event, sio_timeout(user_named(event), 2000), "private", "{s:s,s:v}", "from", name_of(socket),
		"text", sio_arg(event, 1));
}

static void on_typing(sio_socket *socket, sio_event *event, void *arg) {
	sio_emit(sio_volatile(sio_others(socket)), "typing", "s", name_of(socket));
}

static void on_kick(sio_socket *socket, sio_event *event, void *arg) {
	bool admin = sio_bool(sio_get(sio_data(socket), "admin"), false);
	if (admin) {
		sio_emit(user_named(event), "kicked", "s", name_of(socket));
		sio_disconnect_sockets(user_named(event), true);
	}
	sio_ack(event, "{s:b}", "ok", admin);
}

static void on_who(sio_socket *socket, sio_event *event, void *arg) { sio_ack_sockets(event, sio_all(team)); }

static void on_disconnect(sio_socket *socket, const char *reason, void *arg) {
	sio_emit(sio_all(team), "left", "s", name_of(socket));
}

static void on_stop(sio_server *io, void *arg) {
	if (redis) redisAsyncFree(redis);
}

int sio_app(sio_server *io) {
	team = sio_of(io, "/");
	connect_redis(io, NULL);
	sio_timer_every(io, 1000, connect_redis, NULL);
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
