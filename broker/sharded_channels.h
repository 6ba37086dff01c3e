/*
 * The sharded channels that this node subscribes to. A namespace uses its own channel, the channel of the answers to
 * its questions, and the channels of its rooms. Since names of namespaces and rooms may contain "#", two uses may
 * have the same channel. The node then subscribes to the channel once, and each use gets its messages.
 *
 * The channel of a room that has become empty stays subscribed for a while, as rooms often fill again.
 */
#ifndef BROKER_SHARDED_CHANNELS_H
#define BROKER_SHARDED_CHANNELS_H

#include "broker/shards.h"

struct sharded_channel;
struct sharded_channels;

/* What a use is for. */
enum sharded_kind { SHARDED_NAMESPACE, SHARDED_ANSWERS, SHARDED_ROOM };

/* One use of a channel. */
struct sharded_use {
	struct list link;      /* private: in the channel's uses */
	struct list link_mine; /* private: in the list of the owner */
	struct list lingering; /* private: the room is empty */
	uint64_t empty_since;  /* private: loop time */
	uint64_t round;	       /* private: the last message that it got */
	struct sharded_channel *channel;
	enum sharded_kind kind;
	bool fleeting; /* set by the owner: it does not linger when the room is empty */
	void *owner;
};

struct sharded_channels_ops {
	/* The callee may remove uses, this one included. */
	void (*on_message)(struct sharded_use *use, struct text channel, struct text payload);
	void (*on_confirmed)(struct sharded_use *use);
};

/* `shards` and `ops` must outlive the result. */
struct sharded_channels *sharded_channels_new(
	struct loop *l, struct shards *shards, uint64_t linger_ms, const struct sharded_channels_ops *ops);
void sharded_channels_free(struct sharded_channels *channels); /* accepts NULL; all uses must have been removed */

/*
 * Adds a use, subscribing to the channel if it is the first. `name` is copied, and the use is added to `mine`, a list
 * of the owner. Returns NULL if memory is short.
 */
struct sharded_use *sharded_channels_add(
	struct sharded_channels *channels, struct text name, enum sharded_kind kind, struct list *mine, void *owner);
void sharded_channels_remove(struct sharded_channels *channels, struct sharded_use *use);

/* Returns the owner's use of that kind, or NULL. */
struct sharded_use *sharded_channels_find(
	const struct sharded_channels *channels, struct text name, enum sharded_kind kind, const void *owner);

/*
 * The room of the use has become empty, or has sockets again. A use whose room stays empty is removed after
 * linger_ms.
 */
void sharded_channels_linger(struct sharded_channels *channels, struct sharded_use *use);
void sharded_channels_keep(struct sharded_use *use);

/* Returns the name of the use's channel. */
struct text sharded_use_channel(const struct sharded_use *use);
/* Returns the block of the message that is being delivered: see struct bus_subscription. */
struct block *sharded_use_block(const struct sharded_use *use);
/* As bus_awaits(), for the use's subscription. */
bool sharded_use_awaits(const struct sharded_channels *channels, const struct sharded_use *use);

/* Returns the number of channels of rooms. */
uint64_t sharded_channels_rooms(const struct sharded_channels *channels);

#endif
