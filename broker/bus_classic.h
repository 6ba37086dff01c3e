/*
 * The part that the forms with publish and subscribe share: the channels of @socket.io/redis-adapter in classic mode
 * (wire.h), over a bus (bus.h). Each namespace subscribes to its own channel, to the channels of its rooms
 * (bus_rooms.h) or to one pattern for all of them, and to three channels of requests and answers. A form supplies the
 * server's address and puts these functions into its table.
 */
#ifndef BROKER_BUS_CLASSIC_H
#define BROKER_BUS_CLASSIC_H

#include "broker/bus.h"
#include "broker/bus_presence.h"
#include "broker/wire_codec.h"

/* Ownership of `server` passes to the callee. `replicated` is explained in bus.h. */
struct bus_end *bus_classic_open(struct loop *l, struct bus_url *server, bool replicated,
	const struct bus_form_options *options, const struct bus_form_ops *ops);

/* Implementations of the functions of struct bus_form. */
void bus_classic_close(struct bus_end *end, uint64_t flush_ms, void (*closed)(void *arg), void *arg);
void bus_classic_stats(const struct bus_end *end, struct bus_stats *out);
void bus_classic_subscribe(struct bus_end *end, struct bus_member *member);
void bus_classic_unsubscribe(struct bus_end *end, struct bus_member *member);
bool bus_classic_awaits(struct bus_end *end, struct bus_member *member);
bool bus_classic_up(const struct bus_end *end);
bool bus_classic_flows(const struct bus_end *end);
struct text bus_classic_channel(
	struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address);
int bus_classic_publish(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
	struct block *payload);
int bus_classic_record(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
	struct block *payload, uint64_t event);
void bus_classic_count(struct bus_end *end, struct bus_count *query, const struct bus_member *member);

void bus_classic_room_appeared(struct bus_end *end, struct bus_member *member, struct text room, bool own);
void bus_classic_room_empty(struct bus_end *end, struct bus_member *member, struct text room);
bool bus_classic_wait(struct bus_end *end, struct bus_wait *wait);

void bus_classic_enter(struct bus_end *end, struct bus_presence *presence);
void bus_classic_depart(struct bus_end *end, struct bus_presence *presence);
bool bus_classic_announce(struct bus_end *end, struct bus_presence *presence, struct block *payload);
void bus_classic_count_present(struct bus_end *end, struct bus_count *query, struct text id);
/* For a hub that has a keeper. bus_classic_store() is for a Redis server. */
void bus_classic_keep_open(struct bus_end *end, struct bus_keep *keep);
void bus_classic_keep_close(struct bus_end *end, struct bus_keep *keep);
int bus_classic_keep_send(struct bus_end *end, struct bus_keep *keep, struct block *message);
struct bus *bus_classic_store(struct bus_end *end);
void bus_classic_count_strangers(
	struct bus_end *end, struct bus_count *query); /* for a Redis server, not for a hub */

/* All members of a struct bus_form except its id, its name, open() and count_strangers(). */
#define BUS_CLASSIC                                                                                                  \
	.codec = &wire_classic, .close = bus_classic_close, .stats = bus_classic_stats,                              \
	.subscribe = bus_classic_subscribe, .unsubscribe = bus_classic_unsubscribe, .awaits = bus_classic_awaits,    \
	.up = bus_classic_up, .flows = bus_classic_flows, .channel = bus_classic_channel,                            \
	.publish = bus_classic_publish, .record = bus_classic_record, .count = bus_classic_count,                    \
	.room_appeared = bus_classic_room_appeared, .room_empty = bus_classic_room_empty, .wait = bus_classic_wait,  \
	.enter = bus_classic_enter, .depart = bus_classic_depart, .announce_channel = bus_presence_channel,          \
	.announce = bus_classic_announce, .count_present = bus_classic_count_present

#endif
