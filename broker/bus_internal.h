/*
 * What the files of the bus share: bus.c has the states, bus_publish.c what goes out by the command link and its
 * answers, bus_subscribe.c the subscriptions and what comes in by them.
 */
#ifndef BROKER_BUS_INTERNAL_H
#define BROKER_BUS_INTERNAL_H

#include <time.h>

#include "broker/bus.h"
#include "broker/bus_link.h"
#include "common/base/buffer.h"
#include "common/io/log.h"

#define BUS_NONCE_LENGTH 16

enum bus_state { BUS_WAITING, BUS_CONNECTING, BUS_SUBSCRIBING, BUS_PROVING, BUS_UP, BUS_CLOSING };

struct bus {
	struct loop *loop;
	struct bus_url url;
	struct tls_context *tls;
	const struct bus_ops *ops;
	void *arg;
	uint64_t max_queue, check_ms, timeout_ms;
	uint64_t keep_alive_ms; /* a server that cuts idle connections asks for more messages to oneself */
	uint64_t used;		/* when the command link was last written to */
	enum bus_state state;
	struct bus_link commands, subscriptions;
	struct wheel_entry timer; /* the pause, the deadline of a step, the next check */
	unsigned attempts;
	bool replicated;
	bool role_hidden; /* the server does not tell whether it is a replica; said once */
	bool hopeless;	  /* it has failed, and is not up again yet */
	struct log_limit log_limit;

	struct table channels, prefixes; /* struct bus_subscription */
	struct list unsent;		 /* those the server has not been told of */
	struct list unconfirmed;	 /* those that it has not confirmed, in order */
	uint64_t sent, confirmed;	 /* commands to subscribe on this connection */
	bool listening;			 /* they are sent as they come */
	struct buffer name;		 /* scratch */

	struct block *crlf; /* the end of every publish */
	struct list waiting;
	uint64_t waiting_bytes;
	struct list expected;
	struct list refused;   /* struct bus_count to be answered at the end of the turn */
	bool careful;	       /* a publish was refused: they go out one at a time until one is taken */
	struct waiting *trial; /* the one that went out, still in `waiting` */
	uint64_t trial_number;
	uint64_t sent_publishes, answered_publishes; /* on this connection */
	uint64_t check_number;			     /* of the message to oneself among them */
	struct loop_call call;

	struct bus_subscription check;
	char *check_channel;
	char nonce[BUS_NONCE_LENGTH];
	bool checking;
	struct timespec checked;
	uint64_t check_due;		      /* on the loop's clock */
	uint64_t read_before, answers_before; /* bytes of messages and of answers, */
	size_t queued;			      /* and those that waited to be written, when last looked at */
	unsigned extensions;		      /* of the deadline, for this message to oneself */

	struct bus_stats stats;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* bus.c: both links end and a pause begins, as nobody knows which one is at fault. `malformed`: the server's bytes
 * made no sense. */
void bus_lost(struct bus *b, const char *why, bool malformed);
/* The server is a master, or does not tell. */
void bus_trusted(struct bus *b);
/* Every subscription is in force. */
void bus_subscribed(struct bus *b);
/* Everything is answered, or it is not waited for any more. */
void bus_finish_closing(struct bus *b);

/* bus_publish.c */
void bus_publish_init(struct bus *b);
void bus_publish_fini(struct bus *b);
void bus_send_publish(struct bus *b, struct text channel, struct block *payload);
/* Asks whether it is a replica. */
void bus_send_role(struct bus *b);
/* As much of what waits as the connection may hold. */
void bus_send_waiting(struct bus *b);
void bus_on_answer(struct bus_link *link, const struct resp *reply);
/* The command link is gone: whoever waits for an answer will get none. */
void bus_forget_answers(struct bus *b);
/* Counts that could not be asked for are answered; end of turn. */
void bus_answer_refused(struct bus *b);

/* bus_subscribe.c */
void bus_subscribe_init(struct bus *b);
void bus_subscribe_fini(struct bus *b);
void bus_subscribe_all(struct bus *b); /* the link is new */
void bus_forget_subscriptions(struct bus *b);
void bus_on_pushed(struct bus_link *link, const struct resp *reply);

#endif
