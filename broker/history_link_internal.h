/*
 * What the files of history_link.c share: the link, its commands and its asks. Calls go one way:
 *
 *   history_link.c           the link to the server: its states, loss and reconnects
 *   history_link_answer.c    reads the server's answers
 *   history_link_ask.c       reads and removals until they end: their deadlines, the parts of a read
 *   history_link_command.c   writes the commands, and keeps them until they are answered
 *
 * The link owns its commands and asks. They end no later than the link.
 */
#ifndef BROKER_HISTORY_LINK_INTERNAL_H
#define BROKER_HISTORY_LINK_INTERNAL_H

#include "broker/bus_link.h"
#include "broker/history.h"
#include "broker/resp_tree.h"
#include "broker/seal.h"
#include "broker/sentinel.h"
#include "common/base/buffer.h"
#include "common/base/list.h"
#include "common/io/log.h"

#define LINK_PART 100 /* most entries of one answer */

enum link_kind { LINK_APPEND, LINK_READ, LINK_REMOVE };

/* A command that waits for its answer. */
struct link_command {
	struct list link;
	enum link_kind kind;
	unsigned answers; /* number of answers that are still to come on this connection */
	bool sent, refused;
	uint64_t sent_at; /* loop time */
	struct block *bytes;
	struct link_ask *ask; /* NULL: LINK_APPEND, or the ask has ended */
};

/* An ask, and what it has found so far, in the order of the answers. */
struct link_ask {
	struct list link; /* in history_link.asks, in order of their deadlines */
	struct history_ask *ask;
	struct link_command *command; /* the waiting command, or NULL */
	uint64_t deadline;	      /* loop time */
	struct history_query query;   /* the entries that are still wanted */
	struct history_item *items;   /* payload.at is NULL until the end: `starts` has the offsets in `bytes` */
	size_t *starts;
	unsigned count, size;
	struct buffer bytes;
	size_t key_n;
	char key[];
};

struct history_link {
	struct history base;
	struct bus_url url;
	struct bus_access *access;
	struct sentinel *sentinel; /* NULL: the URL names no sentinels */
	struct bus_link link;
	struct seal *seal;
	char *prefix;
	uint64_t max_queue;
	bool ready;
	unsigned attempts;
	struct list commands; /* struct link_command */
	uint64_t queued;      /* bytes of all appends in the queue */
	struct list asks;     /* struct link_ask */
	struct buffer input, name, sealed, command;
	struct resp_tree tree;
	struct wheel_entry retry; /* connects */
	struct wheel_entry late;  /* fires at the deadline of the first ask */
	struct wheel_entry stuck; /* checks whether the server answers */
	struct log_limit log_limit;
	struct history_stats stats;
};

static inline struct history_link *
link_of(struct history *history)
{
	return container_of(history, struct history_link, base);
}

/* Logs a warning, limited in rate. */
void history_link_warn(struct history_link *remote, const char *what, const char *why);

/*
 * Write a command into remote->command. link_command_begin() comes first, with the command's word, the key of the
 * room and the number of arguments, word and key included. One call for each further argument follows.
 */
void link_command_begin(struct history_link *remote, const char *word, struct text key, unsigned args);
void link_command_add_arg(struct history_link *remote, struct text arg);
void link_command_add_number(struct history_link *remote, uint64_t number);
/*
 * Queues the written command, and sends it if the link is ready. `ask` is borrowed; NULL: an append. Returns the
 * command, which the queue owns, or NULL if memory is short.
 */
struct link_command *link_command_queue(struct history_link *remote, enum link_kind kind, struct link_ask *ask);
void link_command_send(struct history_link *remote, struct link_command *command);
/* Drops the oldest unsent appends until the others fit into max_queue. */
void link_command_trim(struct history_link *remote);
/* The ask of a command ends. A command that was sent stays in the queue until its answer arrives. */
void link_command_abandon(struct history_link *remote, struct link_command *command);
void link_command_free(struct history_link *remote, struct link_command *command);

/* Asks for the next part of the entries that are still wanted. If memory is short, the ask fails in a later turn. */
void link_ask_send(struct history_link *remote, struct link_ask *ask);
/* Answers and frees the ask. `removed`: the number of entries that a removal reports. */
void link_ask_end(struct history_link *remote, struct link_ask *ask, int error, unsigned removed);
/* Frees the ask without an answer. */
void link_ask_free(struct history_link *remote, struct link_ask *ask);
/* The timer `late`: fails the asks whose deadline has passed. */
void history_link_on_late(struct wheel_entry *entry);

/* The callback of bus_link for all bytes of the server. */
void history_link_on_bytes(struct bus_link *link, struct text bytes);

/* Functions of struct history_form. */
void history_link_append(
	struct history *history, struct text key, const struct history_limits *limits, struct text payload);
void history_link_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *query, struct history_ask *asked);
void history_link_remove(struct history *history, struct text key, struct history_id id, struct history_ask *asked);
void history_link_cancel(struct history *history, struct history_ask *asked);

#endif
