/*
 * Declarations shared by the files of the bus: bus.c has the states, bus_check.c proves the links by a check message,
 * bus_publish.c sends and queues publishes, bus_answers.c counts nodes and handles the answers to commands,
 * bus_settle.c holds the queue after an outage, bus_subscribe.c handles subscriptions and incoming messages, and
 * bus_hear.c waits until subscriptions are confirmed.
 */
#ifndef BROKER_BUS_INTERNAL_H
#define BROKER_BUS_INTERNAL_H

#include <time.h>

#include "broker/bus.h"
#include "broker/bus_link.h"
#include "broker/sentinel.h"
#include "common/base/buffer.h"
#include "common/io/log.h"

#define BUS_NONCE_LENGTH 16

enum bus_state { BUS_WAITING, BUS_CONNECTING, BUS_SUBSCRIBING, BUS_PROVING, BUS_CATCHING_UP, BUS_UP, BUS_CLOSING };

/* What an answer on the command link is for. The kinds from EXPECT_RECORDS on belong to the log (bus_log.h). */
enum expected_kind {
	EXPECT_PUBLISHES,
	EXPECT_COUNT,
	EXPECT_ROLE,
	EXPECT_CALL,
	EXPECT_OWNER,
	EXPECT_RECORDS,
	EXPECT_QUEUED,
	EXPECT_CHECK,
	EXPECT_READ,
	EXPECT_SERVER,
	EXPECT_CLIENT,
	EXPECT_KILL
};

/* A publish that waits for the bus, or a recorded one that waits for its answer. */
struct waiting_publish {
	struct list link;
	struct block *payload;
	uint64_t since;	 /* loop time of bus_publish() */
	uint32_t after;	 /* ticket that must be heard before (bus_hear.c) */
	char kind;	 /* of a recorded message (bus_record.h); 0: not recorded */
	uint64_t number; /* of a recorded message that has been sent (struct bus_stamp); 0: not sent yet */
	uint64_t event;	 /* its number among the recorded events (struct bus_stamp); 0: it is not an event */
	bool hole;	 /* as in struct bus_stamp; set when it is sent for the first time */
	size_t n;
	char channel[];
};

/* The commands of a bus and the messages that the server pushes for them. */
struct bus_words {
	const char *publish; /* begins the command in RESP: its number of arguments and its name */
	struct text subscribe, unsubscribe, count;
	struct text message, confirmed, ended; /* pushed */
};
extern const struct bus_words bus_plain_words, bus_sharded_words; /* bus.c */

struct bus {
	struct loop *loop;
	struct bus_url url;
	struct bus_url ear; /* hub to subscribe through; its path is NULL: the server itself */
	const char *event;
	struct bus_access *access;   /* NULL: the server needs no password and no TLS */
	struct sentinel *sentinel;   /* NULL: the URL names no sentinels */
	struct bus_cluster *cluster; /* NULL: the URL names no Redis Cluster */
	const struct bus_words *words;
	const struct bus_ops *ops;
	void *arg;
	uint64_t max_queue, max_age_ms, check_ms, timeout_ms;
	/* interval of check messages that keeps the server from closing an idle connection */
	uint64_t keep_alive_ms;
	uint64_t used; /* loop time of the last write to the command link */
	enum bus_state state;
	struct bus_link commands, subscriptions;
	struct wheel_entry timer; /* the pause, the deadline of a step, or the next check */
	unsigned attempts;
	bool replicated;
	bool role_hidden; /* the server hides its role; logged once */
	bool hopeless;	  /* the bus has failed and is not up again yet */
	struct log_limit log_limit;

	struct table channels, prefixes; /* struct bus_subscription */
	struct list unsent;		 /* subscriptions not sent yet */
	struct list unconfirmed;	 /* sent but not confirmed, in the order of sending */
	uint64_t sent, confirmed;	 /* SUBSCRIBE commands on this connection */
	bool listening;			 /* new subscriptions are sent at once */
	struct buffer name;		 /* scratch buffer for patterns */

	bool ordered;		 /* publishes wait for the subscriptions that were asked for before */
	uint32_t asked, heard;	 /* the last ticket given, and the last one that counts as heard (bus_hear.c) */
	uint32_t expected_heard; /* the ticket that has to be heard when hear_timer runs */
	struct list waits;	 /* struct bus_wait in the order of their tickets */
	struct wheel_entry hear_timer;

	struct block *crlf; /* line end that follows every published payload */
	struct list waiting;
	uint64_t waiting_bytes;
	struct list expected;
	struct list refused;	       /* struct bus_count to fail at the end of the turn */
	bool careful;		       /* the server refused a publish: send one at a time until one is accepted */
	struct waiting_publish *trial; /* the publish being tried; stays in `waiting` until it is answered */
	uint64_t trial_number;
	uint64_t sent_publishes, answered_publishes; /* PUBLISH commands on this connection */
	uint64_t check_number;			     /* the check message's number among them */
	uint64_t announce_number;		     /* the number of the last bus_announce() */
	bool announce_refused;			     /* on the current connection */
	bool aside_refused;			     /* logged once */
	struct loop_call call;

	char *members_channel; /* channel that every node subscribes to; NULL: the queue is never held */
	struct bus_count members_count;
	int64_t members; /* subscribers at the last count while up */
	bool uncounted;	 /* the server refuses to count; logged once */
	bool holding;	 /* publishes wait until as many nodes are back, or until settle_until */
	uint64_t settle_ms, settle_until;
	struct wheel_entry settle_timer;

	struct bus_log *log;  /* NULL: nothing is recorded */
	uint64_t open_events; /* recorded events that the server has not answered yet */
	struct list calls;    /* struct bus_call that could not be sent; they fail at the end of the turn */

	struct bus_subscription check;
	char *check_channel;
	char nonce[BUS_NONCE_LENGTH];
	bool checking;
	bool check_refused; /* by a cluster that is down: the bus is lost when all publishes are answered */
	struct timespec checked;
	uint64_t check_due; /* deadline of the check message in loop time */
	/* bytes read on the subscription and command links, and bytes queued to write, when check_due was set */
	uint64_t read_before, answers_before;
	size_t queued;
	unsigned extensions; /* of the deadline of the current check message */

	struct bus_stats stats;
	void (*closed)(void *arg);
	void *closed_arg;
};

/*
 * bus.c: closes both links, since the faulty one is unknown, and reconnects after a pause. `malformed` is true if the
 * server's bytes could not be parsed.
 */
void bus_lost(struct bus *bus, const char *why, bool malformed);
/* The server has answered that it is a master, or it hides its role. */
void bus_trusted(struct bus *bus);
/* Every subscription is confirmed. */
void bus_subscribed(struct bus *bus);
/*
 * The address of the server to use has been found, or not; `why` is a short text for the log. Without effect unless
 * the bus has asked.
 */
void bus_found_server(struct bus *bus, const char *host, uint16_t port);
void bus_found_no_server(struct bus *bus, const char *why);
/* Returns true while an open link keeps the bus at its server, for some attempts to reopen the other link. */
bool bus_keeps_host(const struct bus *bus);
/* The first check message on these links has come back. The bus is up, or catches up with the log before. */
void bus_proved(struct bus *bus);
/* The bus has caught up with the log. */
void bus_came_up(struct bus *bus);
/* All answers have come, or the bus stops waiting for them. */
void bus_finish_closing(struct bus *bus);

/* bus_check.c */

/*
 * Subscribes to a new channel for the check message. Its name begins with `key` and contains `tag` in braces, which
 * decides on the slot in a cluster; `tag` NULL: no braces.
 */
void bus_subscribe_check(struct bus *bus, const char *key, const char *tag);
/*
 * Moves the proof to other channels: the check message to one named after `key` and `tag`, and the count of the nodes
 * to `members`. For the meaning of the arguments see bus_subscribe_check() and bus_options.members.
 */
void bus_set_proof(struct bus *bus, const char *key, const char *tag, struct text members);
/* Publishes a check message and starts its deadline. */
void bus_send_check(struct bus *bus);
/* Starts the pause before the next check message. */
void bus_arm_next_check(struct bus *bus);
/*
 * The timer has expired while the bus proves itself or is up. Sends the next check message, or extends the deadline
 * of the one under way, or gives up both links.
 */
void bus_check_timer(struct bus *bus);

/* bus_publish.c */
void bus_publish_init(struct bus *bus);
void bus_publish_fini(struct bus *bus);
void bus_send_publish(struct bus *bus, struct text channel, struct block *payload);
size_t waiting_publish_cost(const struct waiting_publish *waiting);
/* Returns true if subscriptions that were asked for before the publish are not confirmed yet. */
bool waiting_publish_is_early(const struct bus *bus, const struct waiting_publish *waiting);
/* Frees a publish that is in no list. */
void waiting_publish_free(struct bus *bus, struct waiting_publish *waiting);
/* Puts publishes that were sent back to the front of the queue. `from` is left empty. */
void bus_wait_again(struct bus *bus, struct list *from);
/* Drops the publishes that have waited longer than max_age_ms. */
void bus_expire_waiting(struct bus *bus);
/* Sends waiting publishes until the connection's queue is full. */
void bus_send_waiting(struct bus *bus);
/* The server has accepted the trial: the other publishes follow. */
void bus_trial_passed(struct bus *bus);
/* The link was lost before the trial was answered. The trial is not sent again, because it may have been delivered.
 */
void bus_drop_trial(struct bus *bus);

/* bus_answers.c */
void bus_answers_init(struct bus *bus);
void bus_answers_fini(struct bus *bus);
/* A command was sent; `records` is the number of recorded messages in it, or of the answers for EXPECT_QUEUED. */
void bus_expect(struct bus *bus, enum expected_kind kind, unsigned records);
struct bus_call;
struct bus_script;
/* The answer to a script of bus_store.h is expected next. */
void bus_expect_call(struct bus *bus, struct bus_call *call, struct bus_script *script);
/* Asks the server whether it is a replica; in a cluster, whether it is cut off, and whether it has the log. */
void bus_send_role(struct bus *bus);
/* The server refuses what the bus can do without (bus_subscription.aside). Logs the first time. */
void bus_refuse_aside(struct bus *bus, const char *what, struct text error);
void bus_on_answer(struct bus_link *link, const struct resp *reply);
bool bus_expects_status(const struct bus_link *link);
/* The command link is lost: pending counts end with ERROR_CLOSED, unanswered publishes are counted as uncertain. */
void bus_forget_answers(struct bus *bus);
/* Ends the counts that could not be asked for; called at the end of the turn. */
void bus_answer_refused(struct bus *bus);

/* bus_store.c. `call` NULL: it was cancelled. Returns false if the bus is lost. */
bool bus_store_on_answer(struct bus *bus, struct bus_call *call, struct bus_script *script, const struct resp *reply);
/* Ends the calls that could not be sent, or have lost their link; called at the end of the turn. */
void bus_store_fail_calls(struct bus *bus);

/* bus_settle.c. `channel` is copied. Without a channel, or with settle_ms 0, the queue is never held. */
void bus_settle_init(struct bus *bus, uint64_t settle_ms, struct text channel);
void bus_settle_fini(struct bus *bus);
void bus_settle_set_channel(struct bus *bus, struct text channel); /* copied */
void bus_settle_begin(struct bus *bus);	  /* the bus came up: holds the queue if nodes are missing */
void bus_settle_measure(struct bus *bus); /* counts the nodes; called at intervals while up */
void bus_settle_stop(struct bus *bus);	  /* the bus went down */

/* bus_hear.c */
void bus_hear_init(struct bus *bus);
void bus_hear_fini(struct bus *bus);
/* Gives a subscription its ticket. */
void bus_hear_ask(struct bus *bus, struct bus_subscription *subscription);
bool bus_has_heard(const struct bus *bus, uint32_t ticket);
/* Sends publishes and ends waits whose subscriptions are confirmed now. Makes up-calls. */
void bus_hear_update(struct bus *bus);
/* All waits end at the end of the turn. bus_hear_give_up() counts and logs it. */
void bus_hear_all(struct bus *bus);
void bus_hear_give_up(struct bus *bus, const char *why);

/* bus_subscribe.c */
void bus_subscribe_init(struct bus *bus);
void bus_subscribe_fini(struct bus *bus);
void bus_subscribe_all(struct bus *bus); /* after the subscription link has connected */
void bus_forget_subscriptions(struct bus *bus);
/* Removes a subscription that the server does not have any more. */
void bus_forget_subscription(struct bus *bus, struct bus_subscription *subscription);
void bus_on_pushed(struct bus_link *link, const struct resp *reply);
/*
 * Delivers a message to a subscription, which may be gone. `name` is that of the subscription. `block` is as in
 * struct bus_subscription.
 */
void bus_deliver(struct bus *bus, bool prefix, struct text name, struct text channel, struct text payload,
	struct block *block);

#endif
