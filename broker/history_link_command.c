/*
 * The commands of a history at a server: their text, and the queue in which they wait until the server has answered
 * them. A command belongs to the queue. Appends that are dropped are counted. Calls go to the link's connection only.
 */
#include <stdio.h>

#include "broker/history_link_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

void
history_link_warn(struct history_link *h, const char *what, const char *why)
{
	if (log_allow(&h->log_limit, 1, h->base.loop->now))
		log_event(LOG_WARN, "history", "error", LOG_STR(what), "reason", LOG_STR(why), NULL);
}

void
link_command_free(struct history_link *h, struct link_command *command)
{
	if (command->kind == LINK_APPEND)
		h->queued -= command->bytes->len;
	if (command->ask != NULL)
		command->ask->command = NULL;
	list_remove(&command->link);
	block_unref(command->bytes);
	mem_free(command);
}

void
link_command_abandon(struct history_link *h, struct link_command *command)
{
	command->ask->command = NULL;
	command->ask = NULL;
	if (!command->sent)
		link_command_free(h, command);
}

void
link_command_send(struct history_link *h, struct link_command *command)
{
	command->sent = true;
	command->sent_at = h->base.loop->now;
	command->refused = false;
	command->answers = command->kind == LINK_APPEND ? 2 : 1;
	conn_send(h->link.conn, command->bytes, 0, command->bytes->len);
	if (!wheel_armed(&h->stuck))
		loop_arm(h->base.loop, &h->stuck, HISTORY_TIMEOUT_MS);
}

void
link_command_trim(struct history_link *h)
{
	struct list *it, *next;

	list_each(it, next, &h->commands)
	{
		struct link_command *command = container_of(it, struct link_command, link);

		if (h->queued <= h->max_queue)
			return;
		if (command->kind != LINK_APPEND || command->sent)
			continue;
		if (h->stats.dropped++ == 0 || log_allow(&h->log_limit, 1, h->base.loop->now))
			log_event(LOG_WARN, "history", "error",
				LOG_STR("redisMaxQueue is full: the history loses its oldest waiting entries"),
				"dropped", LOG_INT(h->stats.dropped), NULL);
		link_command_free(h, command);
	}
}

void
link_command_add_arg(struct history_link *h, struct text arg)
{
	buffer_printf(&h->command, "$%zu\r\n", arg.n);
	buffer_add_text(&h->command, arg);
	buffer_add_text(&h->command, TEXT("\r\n"));
}

void
link_command_begin(struct history_link *h, const char *word, struct text key, unsigned args)
{
	buffer_printf(&h->command, "*%u\r\n", args);
	link_command_add_arg(h, text_from(word));
	buffer_reset(&h->name);
	buffer_add_text(&h->name, text_from(h->prefix));
	buffer_add_text(&h->name, key);
	link_command_add_arg(h, buffer_text(&h->name));
}

void
link_command_add_number(struct history_link *h, uint64_t number)
{
	char digits[24];

	link_command_add_arg(
		h, text_of(digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number)));
}

struct link_command *
link_command_queue(struct history_link *h, enum link_kind kind, struct link_ask *ask)
{
	struct link_command *command = mem_try_alloc(sizeof *command);
	struct block *bytes = buffer_error(&h->command) == 0 ? block_try_copy(h->command.data, h->command.len) : NULL;

	buffer_reset(&h->command);
	if (command == NULL || bytes == NULL) {
		loop_count_no_memory(h->base.loop);
		mem_free(command);
		block_unref(bytes);
		return NULL;
	}
	*command = (struct link_command){.kind = kind, .bytes = bytes, .ask = ask};
	list_add_tail(&h->commands, &command->link);
	if (kind == LINK_APPEND)
		h->queued += bytes->len;
	if (h->ready)
		link_command_send(h, command);
	else
		link_command_trim(h);
	return command;
}

void
history_link_append(
	struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	struct history_link *h = link_of(history);

	link_command_begin(h, "XADD", key, 7);
	if (h->seal != NULL) {
		buffer_reset(&h->sealed);
		buffer_add_text(&h->sealed, payload);
		seal_add(h->seal, buffer_text(&h->name), &h->sealed);
		payload = buffer_text(&h->sealed);
	}
	link_command_add_arg(h, TEXT("MAXLEN"));
	link_command_add_number(h, limits->count);
	link_command_add_arg(h, TEXT("*"));
	link_command_add_arg(h, TEXT("d"));
	link_command_add_arg(h, payload);
	if (limits->age_ms > 0) {
		link_command_begin(h, "PEXPIRE", key, 3);
		link_command_add_number(h, limits->age_ms);
	} else {
		link_command_begin(h, "PERSIST", key, 2);
	}
	if (h->ready && h->queued + h->command.len > h->max_queue) {
		buffer_reset(&h->command);
		h->stats.dropped++;
		history_link_warn(
			h, "redisMaxQueue is full: an entry of the history is dropped", "the server does not answer");
	} else if (link_command_queue(h, LINK_APPEND, NULL) == NULL) {
		h->stats.dropped++;
	}
}
