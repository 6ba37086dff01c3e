/*
 * Declarations shared by the files of the shards: shards.c has the calls and the end, shards_slots.c gives each slot
 * its shard, shards_publish.c has the queue.
 */
#ifndef BROKER_SHARDS_INTERNAL_H
#define BROKER_SHARDS_INTERNAL_H

#include "broker/bus_internal.h"
#include "broker/cluster_count.h"
#include "broker/cluster_map.h"
#include "broker/shards.h"
#include "broker/topology.h"

#define SHARDS_MAX 256 /* masters in use; the slots of further ones are not served */

/* The bus to one master. */
struct shard {
	struct list link; /* in shards.all or shards.closing */
	struct shards *shards;
	struct bus *bus;
	char *host;
	uint16_t port;
	unsigned slots;	     /* number of slots whose home it is */
	unsigned proof_slot; /* lowest slot of the master */
	char *roll_name;
	struct bus_subscription roll; /* channel by which nodes are counted */
	struct list sent;	      /* struct shards_publish without an answer, in order */
	uint64_t sent_bytes;
	bool careful;	   /* the server refused a publish: send one at a time until one is accepted */
	bool paused;	   /* the cluster is down: wait for `timer` */
	uint64_t pause_ms; /* of the last pause, until a publish is accepted; 0: the cluster is not down */
	struct wheel_entry timer;
	struct bus_wait wait; /* of the current round */
};

/* All zero: a slot that is not used. */
struct shards_slot {
	struct shard *home;    /* its subscriptions are there; NULL: they are in shards.homeless */
	struct shard *next;    /* its new home, during shards_arrange() */
	struct shard *sent_to; /* shard of its unanswered publishes; compared, never dereferenced */
	uint32_t subscriptions, waiting, sent;
	uint64_t moved_at; /* loop time of the last redirection; 0: none lately */
	uint8_t redirects; /* since the last map */
	bool evicted;	   /* its home does not own it any more, and shards_arrange() will run */
	bool moving;	   /* during shards_arrange() */
};

struct shards {
	struct bus *plain; /* the only bus; everything below is unused. NULL: a cluster with sharded channels */
	void (*closed)(void *arg);
	void *closed_arg;

	struct loop *loop;
	struct bus_url url;
	struct bus_access *access;  /* NULL: the servers need no password and no TLS */
	struct bus_options options; /* of each shard, without server and members */
	const struct bus_ops *ops;
	void *arg;
	struct topology *topology;
	struct cluster_counts *counts;
	struct list all, closing; /* struct shard */
	unsigned count;		  /* of `all` */
	struct table homeless;	  /* subscriptions whose slot has no shard */
	bool hopeless;		  /* something has failed since all was up */
	bool was_up;
	bool arrange;	     /* shards_arrange() runs at the end of the turn */
	struct list waiting; /* struct shards_publish, in order */
	uint64_t waiting_bytes, published;
	struct list waits;   /* struct bus_wait, in the order of their rounds */
	uint64_t round;	     /* number of the current round or, if round_open is 0, of the last one */
	unsigned round_open; /* shards that the current round waits for */
	bool subscribed;     /* a subscription was made since the current round began */
	struct list refused; /* struct bus_count to fail at the end of the turn */
	bool ending;	     /* shards_close() */
	uint64_t flush_until;
	struct wheel_entry timer; /* the end of flushing */
	struct loop_call call;
	struct log_limit log_limit;
	struct bus_stats stats;	   /* of closed shards, and of the set itself */
	uint64_t returned;	   /* publishes that a shard has counted as published, but that were refused */
	struct shards_slot *slots; /* CLUSTER_SLOTS of them */
};

/* shards.c */
/* Notices that the shards have come up or gone down; `why` may be NULL. */
void shards_check_up(struct shards *shards, const char *why);

/* Something has failed, so shards_awaits() may not hold any more. */
void shards_fail(struct shards *shards, const char *why);
/* Adds the counters of `one` to `sum`, but not the measured values such as lag_us. */
void shards_add_stats(struct bus_stats *sum, const struct bus_stats *one);

/* shards_slots.c */
extern const struct bus_ops shards_bus_ops;
extern const struct topology_ops shards_topology_ops;
/* Returns the shard of a slot, which is made if the map has the owner; or NULL. */
struct shard *shards_home(struct shards *shards, unsigned slot);
/* Gives each slot in use the shard of its owner. */
void shards_arrange(struct shards *shards);
/* `error` says that a slot of the shard has moved. */
void shards_on_moved(struct shard *shard, struct text error);
/* Closes the bus within flush_ms; the shard is freed from the loop. */
void shard_close(struct shard *shard, uint64_t flush_ms);

/* shards_wait.c */
void shard_wait_init(struct shard *shard);
void shard_wait_end(struct shard *shard); /* the shard closes */
/* Returns the round that confirms all subscriptions so far, which may begin with this call; 0: they are confirmed. */
uint64_t shards_next_round(struct shards *shards);
bool shards_round_is_done(const struct shards *shards, uint64_t round);
void shards_end_rounds(struct shards *shards);
/* Called at the end of a turn in which a round has ended. */
void shards_advance_rounds(struct shards *shards);

/* shards_publish.c */
/* Returns true if nothing waits but for the confirmation of subscriptions. */
bool shards_queue_moves(const struct shards *shards);
/* Sends what waits, as far as the shards take it. */
void shards_flush(struct shards *shards);
/* Drops what waits, at the end. */
void shards_drop_waiting(struct shards *shards);
bool shard_on_published(void *arg, struct text error);
void shard_on_unanswered(void *arg);
void shard_on_timer(struct wheel_entry *entry);

#endif
