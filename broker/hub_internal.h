/*
 * Declarations shared by the files of the hub: hub.c accepts workers and reads their commands, hub_run.c runs the
 * commands and hands out messages, hub_reply.c answers.
 */
#ifndef BROKER_HUB_INTERNAL_H
#define BROKER_HUB_INTERNAL_H

#include "broker/hub.h"
#include "broker/hub_command.h"
#include "broker/hub_ear.h"
#include "broker/hub_history.h"
#include "broker/hub_topics.h"
#include "common/base/block.h"
#include "common/base/buffer.h"
#include "common/io/conn.h"
#include "common/io/listener.h"
#include "common/io/log.h"

struct hub {
	struct loop *loop;
	struct listener *listener;
	struct conn_limits limits;
	uint64_t max_message;
	uint32_t max_subscriptions;
	struct list clients;
	struct hub_topics topics;
	struct hub_ear *ear;	     /* NULL: workers publish to the hub */
	struct hub_keeper keeper;    /* zeroed: none */
	struct hub_history *history; /* NULL: none */
	struct hub_command command;
	struct buffer scratch; /* scratch buffer for prefixes and replies */
	struct hub_stats stats;
	struct log_limit log_limit;
};

/* A worker. */
struct hub_client {
	struct list link;
	struct hub *hub; /* NULL: the hub has been freed, or no longer hears Redis */
	struct conn *conn;
	struct table own; /* struct hub_subscription */
	struct list owed; /* struct hub_owed, oldest first */
	unsigned owed_count;
	size_t owed_bytes;
	struct buffer partial;
	uint64_t needed; /* bytes that `partial` needs before it is parsed again */
};

/* hub_run.c */
void hub_run_command(struct hub_client *client, const struct hub_command *command);
/* Ends a worker's subscriptions and forgets the confirmations that it waits for. */
void hub_drop_subscriptions(struct hub_client *client);
extern const struct hub_ear_ops hub_ear_ops; /* `arg` is the hub */

/* hub_reply.c */
/* Reports the memory that the hub holds for the worker to its connection. */
void hub_hold(struct hub_client *client);

/* hub.c */
/* Ends the connections of all workers, after what is queued for them. */
void hub_release_clients(struct hub *hub);

#endif
