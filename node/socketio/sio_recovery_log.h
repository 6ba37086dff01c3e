/*
 * The log of a namespace: its recent recorded events, in order. A client that was away gets its missed events from
 * the log. All logs of a server share one store, which limits their bytes. The log uses neither sockets nor a clock.
 *
 * Clients keep an offset, a text: the epoch of the log and the number of an entry. With several workers, a position
 * (struct sio_recovery_position) replaces the number, and with a vault a place follows (sio_vault_place.h). In
 * streams mode, an offset is the id of an entry. The epoch is random, or derived from a key (sio_keeper_epoch()).
 *
 * A log lists its entries by room, so a search visits only the entries of the wanted rooms.
 *
 *   floor <= offset <= head    the entries after the offset are complete
 *   offset < floor             some entries after the offset were dropped
 *   offset > head              this log has not given the offset out
 */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_LOG_H
#define NODE_SOCKETIO_SIO_RECOVERY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/json_msgpack.h"
#include "common/base/list.h"
#include "common/base/table.h"
#include "common/base/text.h"

struct sio_nsp;
struct sio_recovery_rooms;
struct sio_recovery_session;
struct sio_selector;
struct stream_queue;

#define SIO_EPOCH_LENGTH 8
#define SIO_ORIGIN_LENGTH 8
#define SIO_OFFSET_MAX (SIO_EPOCH_LENGTH + 20 + 1 + SIO_ORIGIN_LENGTH + 20) /* bytes of an offset without a place */
#define SIO_PLACE_MAX 160						    /* bytes of a place (sio_vault_place.h) */
#define SIO_OFFSET_LONG (SIO_OFFSET_MAX + 1 + SIO_PLACE_MAX)

/* Appends a place in the log of Redis to each offset. */
struct sio_recovery_placer {
	/*
	 * Writes at most SIO_PLACE_MAX bytes. Returns their number. `own`: the offset is that of a new event of this
	 * worker.
	 */
	size_t (*write)(const struct sio_recovery_placer *placer, bool own, char *out);
};

_Static_assert(SIO_OFFSET_MAX + 1 >= 42, "the id of a stream's entry must fit");

/*
 * How far a client of one of several workers has got. It has received the events of other workers up to the number
 * `heard`, and those of its own worker up to the number `local`. `heard` is counted by the hub, or with a vault by
 * the worker; `local` is counted by the worker.
 */
struct sio_recovery_position {
	uint64_t heard, local;
	uint64_t origin; /* the characters of the worker's name; 0: no position */
};

/* The entries of all logs, oldest first. `bytes` includes the stored sessions. */
struct sio_recovery_store {
	struct list entries; /* struct sio_recovery_entry by `all` */
	uint64_t count, bytes, max_bytes;
};

struct sio_recovery_log {
	struct sio_recovery_store *store;
	struct list entries;	/* struct sio_recovery_entry by `link` */
	struct table topics;	/* struct sio_recovery_topic by the name of the room */
	struct list to_all;	/* struct sio_recovery_mark of the entries that name no room */
	struct list kept;	/* the namespace's stored sessions (with Redis: struct sio_expiring), which keep it */
	uint64_t head, floor;	/* head: with several workers, heard + local, which grows with each event */
	uint64_t heard, origin; /* position and name of this worker; origin 0: events get no offsets */
	/* several workers: called for a new or changed session; one worker: NULL */
	void (*touched)(struct sio_recovery_session *session);
	const struct sio_recovery_placer *placer; /* NULL: offsets have no place */
	/* called when the socket of a session stops getting events; NULL: see sio_recovery_session_deaf() */
	void (*deaf)(struct sio_recovery_session *session);
	/* streams mode (sio_stream.h): numbers are those of entries, and the head lags behind the position */
	uint64_t (*position)(const struct sio_nsp *nsp);
	uint64_t early;		    /* see sio_stream_early(); 0: none */
	struct stream_queue *queue; /* of sio_stream_hold.c: waiting events; NULL: none */
	bool by_entries;	    /* offsets are the ids of entries */
	uint64_t moves;		    /* counts the joins and leaves of sockets, for the user of the log */
	uint64_t searches;	    /* the number of the last search, which marks the entries that it found */
	char epoch[SIO_EPOCH_LENGTH];
};

/* A room that an entry names. It lives as long as it has entries. */
struct sio_recovery_topic {
	struct table_node node;
	struct list marks; /* struct sio_recovery_mark, oldest entry first */
	char name[];
};

/* The link of an entry in the list of one room, or in the list of the entries for all sockets. */
struct sio_recovery_mark {
	struct list link;
	struct sio_recovery_entry *entry;
	struct sio_recovery_topic *topic; /* NULL: the entry names no room */
};

struct sio_recovery_entry {
	struct list link, all;
	struct sio_recovery_log *log;
	uint64_t number, at;	/* at: ms, by the clock of the caller */
	uint64_t origin, local; /* several workers: the emitting worker and its number; origin 0: other */
	uint64_t bytes;
	uint64_t found; /* the last search that found the entry */
	struct attachments attachments;
	uint32_t json_n, mark_count, except_count;
	bool compress;
	/* after the marks: the event with its offset; then each excluded room (sio_recovery_room_write()) */
	struct sio_recovery_mark marks[];
};

void sio_recovery_store_init(struct sio_recovery_store *store, uint64_t max_bytes);
/* Drops the oldest entry and raises the floor of its log. Returns false if the store is empty. */
bool sio_recovery_store_drop(struct sio_recovery_store *store);

struct sio_recovery_log *sio_recovery_log_new(struct sio_recovery_store *store);
void sio_recovery_log_free(struct sio_recovery_log *log); /* accepts NULL */

/*
 * Adds an event for the sockets that `who` selects. `json` is the checked array without white space at its end; the
 * entry contains it with the offset as an additional element. Returns the entry, which lives until the caller drops
 * entries of the store. Returns NULL if memory is short; the floor then rises, so that older offsets cannot be
 * recovered.
 */
struct sio_recovery_entry *sio_recovery_log_add(struct sio_recovery_log *log, uint64_t at,
	const struct sio_selector *who, struct text json, const struct attachments *attachments, bool compress);

/*
 * As sio_recovery_log_add(), for the keeper's log: `body` is kept unchanged, under `number`, which must be greater
 * than all earlier numbers.
 */
struct sio_recovery_entry *sio_recovery_log_keep(struct sio_recovery_log *log, uint64_t at, uint64_t number,
	uint64_t origin, uint64_t local, const struct sio_selector *who, struct text body);

static inline struct text
sio_recovery_entry_json(const struct sio_recovery_entry *entry)
{
	return text_of((const char *)(entry->marks + entry->mark_count), entry->json_n);
}

/* The result of a search: entries in the order of the log, valid until an entry is dropped. */
struct sio_recovery_found {
	const struct sio_recovery_entry **at;
	unsigned count, size;
};

/*
 * Finds the entries after the number `after` for a socket in `rooms`. Returns 0, ERROR_MEMORY, or ERROR_TOO_BIG if
 * the entries have more than `max_bytes` or if too many entries exclude the socket. So `max_bytes` also limits the
 * work in a long log. The caller calls sio_recovery_found_fini() in any case.
 */
int sio_recovery_log_find(struct sio_recovery_log *log, uint64_t after, const struct sio_recovery_rooms *rooms,
	uint64_t max_bytes, struct sio_recovery_found *out);
void sio_recovery_found_fini(struct sio_recovery_found *found);

/* Writes the offset for a number. `own`: as in struct sio_recovery_placer. Returns its length. */
size_t sio_recovery_offset_write(
	const struct sio_recovery_log *log, uint64_t number, bool own, char out[SIO_OFFSET_LONG + 1]);
/* Appends the place to the first `n` bytes of an offset, if the log has a placer. Returns the new length. */
size_t sio_recovery_offset_place(const struct sio_recovery_log *log, bool own, char *out, size_t n);
/* Returns the maximum length of the log's offsets. */
static inline size_t
sio_recovery_offset_max(const struct sio_recovery_log *log)
{
	return log->placer != NULL ? SIO_OFFSET_LONG : SIO_OFFSET_MAX;
}
/*
 * Write and read the position of an offset, with several workers. The reader returns false if the epoch or the form
 * is wrong.
 */
size_t sio_recovery_position_write(const char epoch[SIO_EPOCH_LENGTH], const struct sio_recovery_position *position,
	char out[SIO_OFFSET_MAX + 1]);
bool sio_recovery_position_read(
	const char epoch[SIO_EPOCH_LENGTH], struct text offset, struct sio_recovery_position *position);

/*
 * Reads an offset from a client. Returns false if this log has not issued it: the epoch or the form is wrong, or the
 * number is above the head.
 */
bool sio_recovery_offset_read(const struct sio_recovery_log *log, struct text offset, uint64_t *number);

#endif
