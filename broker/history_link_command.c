/*
 * The commands of a history at a server: their text, and the queue in which they wait until the server has answered
 * them. A command belongs to the queue. Appends that are dropped are counted. Calls go to the link's connection only.
 */
#include <stdio.h>

#include "broker/history_link_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

void
history_link_warn(struct history_link *remote, const char *what, const char *why)
{
	if (log_allow(&remote->log_limit, 1, remote->base.loop->now))
		log_event(LOG_WARN, "history", "error", LOG_STR(what), "reason", LOG_STR(why), NULL);
}

void
link_command_free(struct history_link *remote, struct link_command *command)
{
	if (command->kind == LINK_APPEND)
		remote->queued -= command->bytes->len;
	if (command->ask != NULL)
		command->ask->command = NULL;
	list_remove(&command->link);
	block_unref(command->bytes);
	mem_free(command);
}

void
link_command_abandon(struct history_link *remote, struct link_command *command)
{
	command->ask->command = NULL;
	command->ask = NULL;
	if (!command->sent)
		link_command_free(remote, command);
}

void
link_command_send(struct history_link *remote, struct link_command *command)
{
	command->sent = true;
	command->sent_at = remote->base.loop->now;
	command->refused = false;
	command->answers = command->kind == LINK_APPEND ? 2 : 1;
	conn_send(remote->link.conn, command->bytes, 0, command->bytes->len);
	if (!wheel_armed(&remote->stuck))
		loop_arm(remote->base.loop, &remote->stuck, HISTORY_TIMEOUT_MS);
}

void
link_command_trim(struct history_link *remote)
{
	struct list *it, *next;

	list_each(it, next, &remote->commands)
	{
		struct link_command *command = container_of(it, struct link_command, link);

		if (remote->queued <= remote->max_queue)
			return;
		if (command->kind != LINK_APPEND || command->sent)
			continue;
		if (remote->stats.dropped++ == 0 || log_allow(&remote->log_limit, 1, remote->base.loop->now))
			log_event(LOG_WARN, "history", "error",
				LOG_STR("redisMaxQueue is full: the history loses its oldest waiting entries"),
				"dropped", LOG_INT(remote->stats.dropped), NULL);
		link_command_free(remote, command);
	}
}

void
link_command_add_arg(struct history_link *remote, struct text arg)
{
	buffer_printf(&remote->command, "$%zu\r\n", arg.n);
	buffer_add_text(&remote->command, arg);
	buffer_add_text(&remote->command, TEXT("\r\n"));
}

void
link_command_begin(struct history_link *remote, const char *word, struct text key, unsigned args)
{
	buffer_printf(&remote->command, "*%u\r\n", args);
	link_command_add_arg(remote, text_from(word));
	buffer_reset(&remote->name);
	buffer_add_text(&remote->name, text_from(remote->prefix));
	buffer_add_text(&remote->name, key);
	link_command_add_arg(remote, buffer_text(&remote->name));
}

void
link_command_add_number(struct history_link *remote, uint64_t number)
{
	char digits[24];

	link_command_add_arg(
		remote, text_of(digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number)));
}

struct link_command *
link_command_queue(struct history_link *remote, enum link_kind kind, struct link_ask *ask)
{
	struct link_command *command = mem_try_alloc(sizeof *command);
	struct block *bytes = buffer_error(&remote->command) == 0
				      ? block_try_copy(remote->command.data, remote->command.len)
				      : NULL;

	buffer_reset(&remote->command);
	if (command == NULL || bytes == NULL) {
		loop_count_no_memory(remote->base.loop);
		mem_free(command);
		block_unref(bytes);
		return NULL;
	}
	*command = (struct link_command){.kind = kind, .bytes = bytes, .ask = ask};
	list_add_tail(&remote->commands, &command->link);
	if (kind == LINK_APPEND)
		remote->queued += bytes->len;
	if (remote->ready)
		link_command_send(remote, command);
	else
		link_command_trim(remote);
	return command;
}

void
history_link_append(
	struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	struct history_link *remote = link_of(history);

	link_command_begin(remote, "XADD", key, 7);
	if (remote->seal != NULL) {
		buffer_reset(&remote->sealed);
		buffer_add_text(&remote->sealed, payload);
		seal_add(remote->seal, buffer_text(&remote->name), &remote->sealed);
		payload = buffer_text(&remote->sealed);
	}
	link_command_add_arg(remote, TEXT("MAXLEN"));
	link_command_add_number(remote, limits->count);
	link_command_add_arg(remote, TEXT("*"));
	link_command_add_arg(remote, TEXT("d"));
	link_command_add_arg(remote, payload);
	if (limits->age_ms > 0) {
		link_command_begin(remote, "PEXPIRE", key, 3);
		link_command_add_number(remote, limits->age_ms);
	} else {
		link_command_begin(remote, "PERSIST", key, 2);
	}
	if (remote->ready && remote->queued + remote->command.len > remote->max_queue) {
		buffer_reset(&remote->command);
		remote->stats.dropped++;
		history_link_warn(remote, "redisMaxQueue is full: an entry of the history is dropped",
			"the server does not answer");
	} else if (link_command_queue(remote, LINK_APPEND, NULL) == NULL) {
		remote->stats.dropped++;
	}
}
