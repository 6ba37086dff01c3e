/*
 * The log of a bus: recorded messages (bus_record.h) go out by a transaction that appends them to a bounded stream of
 * the server and publishes them in one step (bus_log_write.c). A bus that was away reads from the stream what it has
 * missed before it goes on.
 *
 *   what is lost or unknown                  what the log does
 *   messages that other nodes published      After the subscription link has come back, the bus holds what it hears,
 *   while the subscription link was away     reads the stream from the last position that it has handled, delivers
 *                                            what it subscribes to, and then what it held.
 *   own messages that were sent but not      The bus looks for them in the stream and sends the missing ones again.
 *   answered when the command link broke     First it ends the old connection, so that the server does not execute
 *                                            what is left there.
 *   the same message twice                   Senders number their messages and send them in order. Receivers drop
 *                                            a message whose number is not above the newest one of its sender.
 *
 * A position is valid as long as its entry is in the stream. If the entry is missing because the stream was trimmed,
 * emptied or lost, the bus counts a gap and delivers what it can be sure of. Check messages carry the newest
 * position, so the position of an idle node stays fresh.
 *
 * If the server has no streams, transactions or scripts, or refuses them, the bus publishes without the log, logs a
 * warning once for each connection, and stats say so (log_active). It is up in this state.
 *
 * This is a part of struct bus; all calls go down except that messages read from the log come up through their
 * subscriptions.
 */
#ifndef BROKER_BUS_LOG_H
#define BROKER_BUS_LOG_H

#include "broker/bus_record.h"
#include "broker/bus_internal.h"

/* `key` is the prefix of the stream's name, "<key>-log"; the stream keeps the last `length` messages, or a few more.
 */
struct bus_log *bus_log_new(struct bus *bus, const char *key, uint64_t length, bool sealed);
void bus_log_free(struct bus_log *log); /* accepts NULL */

/*
 * Longest `key` in bytes. The names of the log and of the sessions beside it begin with the key, and the memory for
 * these names is limited (BUS_STORE_PREFIX_MAX).
 */
#define BUS_LOG_KEY_MAX 474

/*
 * Returns the key of the log's counter, which shares a slot with its stream if bus_log_has_slot(). The caller frees
 * it with mem_free().
 */
char *bus_log_counter(const char *key);
/* Returns false if the log cannot be kept in a Redis Cluster: braces in `key` do not enclose a text. */
bool bus_log_has_slot(const char *key);

/* Adds the log's counters to those of the bus in `out`. */
void bus_log_stats(const struct bus_log *log, struct bus_stats *out);

/* ---------------------------------------------------------------- sending */

/* Returns false if the server keeps no log on this connection: recorded messages are then published as others are. */
bool bus_log_active(const struct bus_log *log);
/* Returns true if a recorded message may leave now. */
bool bus_log_may_send(const struct bus_log *log);
/* The kind of a message (bus_record.h), or 0 if it cannot be recorded. */
char bus_log_kind(const struct bus_log *log, struct text message);
/* Sends the first messages of bus->waiting, which are recorded ones, by one transaction. */
void bus_log_send_waiting(struct bus_log *log);
/* Schedules what waits to be sent at the end of the turn. */
void bus_log_flush_later(struct bus_log *log);
/* Returns true if all that waits is sent at the end of this turn. */
bool bus_log_flushes(const struct bus_log *log);

/* Publishes the check message `nonce` with the newest position. */
void bus_log_send_check(struct bus_log *log, struct text nonce);
/* An answer to a command of this file; `records` messages were in it. Returns false if the bus is lost. */
bool bus_log_on_answer(struct bus_log *log, enum expected_kind kind, unsigned records, const struct resp *reply);

/* --------------------------------------------------------------- hearing */

/*
 * Handles a message that came by the subscription to the channel or, with `prefix`, to the prefix `name`. Takes the
 * position from its stamp, and cuts the stamp off a sealed message. Returns false if the message must not be
 * delivered now: it is held, or it has been delivered before.
 */
bool bus_log_on_message(
	struct bus_log *log, bool prefix, struct text name, struct text channel, struct text *message);

/* Returns true if `message` is the check message `nonce`, and takes over the position that it carries. */
bool bus_log_on_check(struct bus_log *log, struct text message, struct text nonce);

/* Returns true if this node may have missed messages that it has yet to read from the log. */
bool bus_log_is_behind(const struct bus_log *log);

/*
 * Returns the earliest time of messages that a new subscription gets from the log, in milliseconds by the server's
 * clock. 0: that clock is unknown, and the subscription gets all messages that are newer than the position.
 */
uint64_t bus_log_since(const struct bus_log *log);
/*
 * A room has got its first socket or lost its last one on this node. If a room gets its first socket while the bus is
 * away, the log delivers no older messages to it. `channel` is copied.
 */
void bus_log_room_appeared(struct bus_log *log, struct text channel);
void bus_log_room_empty(struct bus_log *log, struct text channel);

/* ------------------------------------------------------------ catching up */

/* The subscription link is lost: from now on, other nodes may publish messages that this node misses. */
void bus_log_subscriptions_lost(struct bus_log *log);
/* The command link is lost: the messages that it sent and that are not answered become doubtful. */
void bus_log_commands_lost(struct bus_log *log);
/* Frees the messages that older connections sent and the server never answered. Counts them as uncertain. */
void bus_log_write_off(struct bus_log *log);
/*
 * Called when a check message has come back after a connect. Returns true if it was sent without the log, and has to
 * be sent again with the log: the server may have refused every command for a moment.
 */
bool bus_log_checks_again(struct bus_log *log);
/*
 * Called when the check message has come back after a connect. Returns true if the bus must catch up first; it then
 * calls bus_came_up() later.
 */
bool bus_log_catch_up(struct bus_log *log);

#endif
