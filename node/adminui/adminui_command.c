/*
 * The commands of the dashboard: emit, join, leave and _disconnect. Each one leaves one line in the log. A command is
 * for a namespace that exists; it never makes one. If only other servers of the cluster have the namespace (a child
 * of a dynamic namespace), the command is passed to them, and they carry it out among their own sockets.
 *
 *   ["emit", namespace, filter, name, ...args]      ["join", namespace, room, filter]
 *   ["_disconnect", namespace, close, filter]       ["leave", namespace, room, filter]
 *
 * The filter is a room or a socket's id; null, "" or nothing means all sockets of the namespace.
 */
#include <string.h>

#include "common/io/log.h"
#include "node/adminui/adminui_internal.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_raw.h"

#define ARGS_MAX 16

enum what { COMMAND_EMIT, COMMAND_JOIN, COMMAND_LEAVE, COMMAND_DISCONNECT };

static const char *const names[] = {[COMMAND_EMIT] = "emit",
	[COMMAND_JOIN] = "join",
	[COMMAND_LEAVE] = "leave",
	[COMMAND_DISCONNECT] = "_disconnect"};

/* A command that is well formed. Texts are valid as long as its event. */
struct command {
	enum what what;
	struct text nsp;
	const char *filter; /* NULL: all sockets */
	const char *word;   /* the room, or the event's name */
	bool close;
	const sio_event *event;
	unsigned args; /* index of the first argument of an emit */
};

/* Reads a text without NUL. */
static const char *
command_text(sio_value value, size_t *n)
{
	const char *at = sio_string(value, n);

	return at != NULL && memchr(at, '\0', *n) == NULL ? at : NULL;
}

static bool
command_read_filter(struct command *command, sio_value value)
{
	size_t n;

	if (sio_type_of(value) == SIO_NONE || sio_type_of(value) == SIO_NULL)
		return true;
	command->filter = command_text(value, &n);
	if (command->filter == NULL)
		return false;
	if (n == 0)
		command->filter = NULL;
	return true;
}

/* `first` is the index of the namespace's name among the arguments of the event. */
static bool
command_read(struct command *command, enum what what, const sio_event *event, unsigned first)
{
	bool emit = what == COMMAND_EMIT;
	sio_value second = sio_arg(event, first + 1), third = sio_arg(event, first + 2);
	size_t n;

	*command = (struct command){.what = what, .event = event, .args = first + 3};
	command->nsp.at = command_text(sio_arg(event, first), &command->nsp.n);
	if (command->nsp.at == NULL || !command_read_filter(command, emit ? second : third))
		return false;
	if (what == COMMAND_DISCONNECT) {
		command->close = sio_bool(second, false);
		return sio_type_of(second) == SIO_BOOL;
	}
	command->word = command_text(emit ? third : second, &n);
	if (command->word == NULL || (n == 0 && !emit))
		return false;
	return emit ? sio_argc(event) <= command->args + ARGS_MAX : sio_argc(event) <= command->args;
}

static int
command_emit(const struct command *command, sio_target target)
{
	char format[ARGS_MAX + 1] = "";
	sio_value v[ARGS_MAX];

	for (unsigned i = 0; i < ARGS_MAX; i++) {
		v[i] = sio_arg(command->event, command->args + i);
		if (command->args + i < sio_argc(command->event))
			format[i] = 'v';
	}
	return sio_emit(target, command->word, format, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9],
		v[10], v[11], v[12], v[13], v[14], v[15]);
}

static int
command_run(const struct command *command, sio_target target)
{
	if (command->filter != NULL)
		target = sio_to(target, command->filter);
	switch (command->what) {
	case COMMAND_EMIT:
		return command_emit(command, target);
	case COMMAND_JOIN:
		return sio_sockets_join(target, command->word);
	case COMMAND_LEAVE:
		return sio_sockets_leave(target, command->word);
	case COMMAND_DISCONNECT:
		break;
	}
	return sio_disconnect_sockets(target, command->close);
}

/* Returns true if the command was carried out or passed on. `*result` says more, for the log. */
static bool
command_do(struct adminui *ui, const struct command *command, const char **result)
{
	sio_nsp *nsp = sio_raw_nsp(ui->io, command->nsp);
	int rc;

	if (nsp == NULL && ui->nsp->broker == NULL) { /* this server is alone */
		*result = "unknown namespace";
		return false;
	}
	if (nsp != NULL)
		rc = command_run(command, sio_all(nsp));
	else
		rc = sio_server_side_emit(
			ui->nsp, ADMINUI_SAY_COMMAND, "s*", names[command->what], (sio_event *)command->event);
	*result = rc != 0 ? sio_error_text(rc) : nsp != NULL ? "ok" : "passed to the other servers";
	return rc == 0;
}

static void
command_log(const struct command *command, sio_socket *socket, const char *result, bool done)
{
	const struct adminui_admin *admin = sio_user(socket);

	log_event(done ? LOG_INFO : LOG_WARN, "admin_ui_command", "command", LOG_STR(names[command->what]), "user",
		LOG_STR(admin != NULL ? admin->user : ""), "address", LOG_STR(sio_address(socket)), "socket",
		LOG_STR(sio_id(socket)), "namespace", LOG_STR(command->nsp.at != NULL ? command->nsp.at : ""),
		"filter", LOG_STR(command->filter != NULL ? command->filter : ""),
		command->what == COMMAND_EMIT	      ? "name"
		: command->what == COMMAND_DISCONNECT ? "close"
						      : "room",
		LOG_STR(command->word != NULL ? command->word
			: command->close      ? "yes"
					      : "no"),
		"result", LOG_STR(result), NULL);
}

static void
command_handle(sio_socket *socket, sio_event *event, struct adminui *ui, enum what what)
{
	const char *result = "malformed";
	struct command command;
	bool done = command_read(&command, what, event, 0) && command_do(ui, &command, &result);

	counter_add(&ui->loop->counters, done ? COUNT_ADMINUI_COMMANDS : COUNT_ADMINUI_COMMANDS_REFUSED, 1);
	command_log(&command, socket, result, done);
}

static void
command_on_emit(sio_socket *socket, sio_event *event, void *arg)
{
	command_handle(socket, event, arg, COMMAND_EMIT);
}

static void
command_on_join(sio_socket *socket, sio_event *event, void *arg)
{
	command_handle(socket, event, arg, COMMAND_JOIN);
}

static void
command_on_leave(sio_socket *socket, sio_event *event, void *arg)
{
	command_handle(socket, event, arg, COMMAND_LEAVE);
}

static void
command_on_disconnect(sio_socket *socket, sio_event *event, void *arg)
{
	command_handle(socket, event, arg, COMMAND_DISCONNECT);
}

/* Carries out a command that another server has logged and passed on, because it lacks the namespace. */
static void
command_on_passed(sio_nsp *admin_nsp, sio_event *event, void *arg)
{
	const char *name = sio_string(sio_arg(event, 0), NULL);
	struct adminui *ui = arg;
	struct command command;
	sio_nsp *nsp;

	(void)admin_nsp;
	for (unsigned what = 0; name != NULL && what < sizeof names / sizeof names[0]; what++) {
		if (strcmp(name, names[what]) != 0 || !command_read(&command, (enum what)what, event, 1))
			continue;
		nsp = sio_raw_nsp(ui->io, command.nsp);
		if (nsp != NULL)
			(void)command_run(&command, sio_local(sio_all(nsp)));
	}
}

void
adminui_command_init(struct adminui *ui)
{
	static sio_event_fn *const functions[] = {[COMMAND_EMIT] = command_on_emit,
		[COMMAND_JOIN] = command_on_join,
		[COMMAND_LEAVE] = command_on_leave,
		[COMMAND_DISCONNECT] = command_on_disconnect};

	if (ui->options->readonly)
		return;
	for (unsigned what = 0; what < sizeof names / sizeof names[0]; what++)
		sio_on(ui->nsp, names[what], functions[what], ui);
	sio_on_server_event(ui->nsp, ADMINUI_SAY_COMMAND, command_on_passed, ui);
}
