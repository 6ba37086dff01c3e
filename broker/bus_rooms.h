/*
 * Interest routing: a namespace subscribes to the channels of the rooms that have sockets on this node, and to no
 * others. The server then sends each broadcast only to the nodes that need it. Other nodes notice nothing, because
 * they publish to the same channels as before.
 *
 *   a room gets its first socket    its channel is subscribed to
 *   a room loses its last socket    its channel stays subscribed for a while, as rooms often fill again; the channel
 *                                   of a socket's own room is left at once, as ids do not come back
 *   too many rooms, or no memory    the namespace subscribes to the pattern of all its rooms, for good
 *
 * A namespace with the pattern keeps the channels that it has, so the server sends it some messages twice. The copy
 * that came by the pattern is dropped if the channel of the room is confirmed: the server sends both copies on one
 * connection, and confirms a channel before it sends the first message of that channel.
 */
#ifndef BROKER_BUS_ROOMS_H
#define BROKER_BUS_ROOMS_H

#include "broker/bus.h"

struct bus_rooms;

struct bus_rooms_ops {
	/* A broadcast for exactly this room, or for several rooms if `room` is empty. */
	void (*on_message)(void *owner, struct text room, struct text channel, struct text payload);
};

/* The rooms of one namespace. The caller owns the storage, from bus_rooms_add() to bus_rooms_remove(). */
struct bus_rooms_member {
	struct bus_rooms *rooms;
	const struct bus_subscription *main_channel;
	struct bus_subscription pattern;
	bool subscribed_to_pattern;
	struct list channels; /* struct room_channel */
	void *owner;
};

/*
 * `max` is the maximum number of room channels of all namespaces together; `linger_ms` is how long the channel of an
 * empty room stays subscribed. `bus` and `ops` must outlive the result.
 */
struct bus_rooms *bus_rooms_new(
	struct loop *l, struct bus *bus, unsigned max, uint64_t linger_ms, const struct bus_rooms_ops *ops);
void bus_rooms_free(struct bus_rooms *rooms); /* accepts NULL; all members must have been removed */

/*
 * `main_channel` is the subscription to the channel of the namespace, whose name is the prefix of all its room
 * channels. Returns false if another namespace uses that name for a room: the caller then does not subscribe to the
 * channel, because the pattern covers it.
 */
bool bus_rooms_add(struct bus_rooms *rooms, struct bus_rooms_member *member,
	const struct bus_subscription *main_channel, void *owner);
void bus_rooms_remove(struct bus_rooms_member *member);

/*
 * A room of the namespace has got its first socket on this node, or has lost its last one. `channel` is the full name
 * of the room's channel; it is copied. `own`: the room is the own room of a socket. bus_wait() waits until the room's
 * messages arrive.
 */
void bus_rooms_appeared(struct bus_rooms_member *member, struct text channel, bool own);
void bus_rooms_empty(struct bus_rooms_member *member, struct text channel);

/* Adds the number of room channels and of namespaces that subscribe to their pattern. */
void bus_rooms_stats(const struct bus_rooms *rooms, struct bus_stats *out);

#endif
