/*
 * The log of a namespace: the recent broadcasts, in order, from which a client that was away gets what it missed. All
 * logs of a server share one store, which limits their bytes. An offset names an entry; it is the text that clients
 * keep: the epoch of the log, which is random, and the number of the entry. The log knows no sockets and no clock.
 *
 *   floor <= offset <= head    the entries after the offset are complete
 *   offset < floor             entries after it are gone
 *   offset > head              never given out
 */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_LOG_H
#define NODE_SOCKETIO_SIO_RECOVERY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/json_msgpack.h"
#include "common/base/list.h"
#include "common/base/text.h"

struct sio_selector;

#define SIO_EPOCH_LENGTH 8
#define SIO_OFFSET_MAX (SIO_EPOCH_LENGTH + 20) /* bytes of an offset */

/* The entries of all logs, oldest first, and the bytes that they and others have charged. */
struct sio_recovery_store {
	struct list entries; /* struct sio_recovery_entry by `all` */
	uint64_t count, bytes, max_bytes;
};

struct sio_recovery_log {
	struct sio_recovery_store *store;
	struct list entries; /* struct sio_recovery_entry by `link` */
	uint64_t head, floor;
	uint64_t moves; /* counts the joins and leaves of sockets, for the user of the log */
	char epoch[SIO_EPOCH_LENGTH];
};

struct sio_recovery_entry {
	struct list link, all;
	struct sio_recovery_log *log;
	uint64_t number, at; /* at: ms, by the clock of the caller */
	uint64_t bytes;
	struct attachments attachments;
	uint32_t json_n, room_count, except_count;
	bool compress;
	char json[]; /* the event with its offset; then each room, as its length in 4 bytes and its name */
};

void sio_recovery_store_init(struct sio_recovery_store *store, uint64_t max_bytes);
/* Drops the oldest entry, which raises the floor of its log. Returns false if there is no entry. */
bool sio_recovery_store_drop(struct sio_recovery_store *store);

struct sio_recovery_log *sio_recovery_log_new(struct sio_recovery_store *store);
void sio_recovery_log_free(struct sio_recovery_log *log); /* accepts NULL */

/*
 * Adds an event for the sockets that `who` selects. `json` is the checked array without white space at its end; the
 * entry has it with the offset as one more element. Returns the entry, which lives until the caller drops entries of
 * the store; or NULL without memory: then the floor is raised, so that no older offset can be recovered.
 */
struct sio_recovery_entry *sio_recovery_log_add(struct sio_recovery_log *log, uint64_t at,
	const struct sio_selector *who, struct text json, const struct attachments *attachments, bool compress);

static inline struct text
sio_recovery_entry_json(const struct sio_recovery_entry *entry)
{
	return text_of(entry->json, entry->json_n);
}

/* Is the entry for a socket that is in the rooms for which `in_room` returns true? */
bool sio_recovery_entry_is_for(
	const struct sio_recovery_entry *entry, bool (*in_room)(void *arg, struct text room), void *arg);

/* Returns the oldest entry after that number, or NULL. */
struct sio_recovery_entry *sio_recovery_log_after(const struct sio_recovery_log *log, uint64_t number);
/* Returns the next entry of the log, or NULL. */
struct sio_recovery_entry *sio_recovery_log_next(const struct sio_recovery_entry *entry);

/* Writes the offset of that number; returns its length. */
size_t sio_recovery_offset_write(const struct sio_recovery_log *log, uint64_t number, char out[SIO_OFFSET_MAX + 1]);
/*
 * Reads an offset, which comes from a client. Returns false if this log has not written it: another epoch, another
 * form, or a number above the head.
 */
bool sio_recovery_offset_read(const struct sio_recovery_log *log, struct text offset, uint64_t *number);

#endif
