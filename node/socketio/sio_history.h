/*
 * The history of rooms (sio_history_state.h): stores events and reads them. The process layer supplies the store,
 * which depends on how the servers of the cluster are connected.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_H
#define NODE_SOCKETIO_SIO_HISTORY_H

#include "node/socketio/sio_history_entry.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_payload.h"

#define SIO_HISTORY_ASKS_MAX 10000 /* waiting reads and joins; another one is refused with SIO_ERR_TOO_MANY */

/* Makes io->history if the option is set. The option must have been checked (sio_history_rules_parse()). */
void sio_history_start(struct sio_server *io);
/* Returns io->history. If it is missing, makes one without rules. */
struct sio_history *sio_history_get(struct sio_server *io);
/* Requires that sio_history_set_store(NULL) was called and that its job has run. Accepts NULL. */
void sio_history_free(struct sio_history *history);
/* Sets the store, which is borrowed. With NULL, waiting reads and joins end with SIO_ERR_STATE, in a job. */
void sio_history_set_store(struct sio_history *history, struct history *store);

/* An entry that was read, valid during the call. */
struct sio_history_record {
	struct history_id id;
	struct sio_history_entry entry;
	struct text json; /* the checked array of the event */
	const struct attachments *attachments;
};

/* The decoded entries of an answer. Malformed entries are left out and counted. */
struct sio_history_records {
	struct sio_history_record *at;
	unsigned count;
	struct buffer *texts;		 /* one for each record */
	struct attachments *attachments; /* the same */
	bool cut;			 /* older items were left out */
};
/*
 * Decodes the newest items whose payloads have at most `max_bytes` together. Returns 0 or ERROR_MEMORY. The caller
 * calls sio_history_records_fini() in any case.
 */
int sio_history_decode(struct sio_history *history, const struct history_item *items, unsigned count,
	size_t max_bytes, struct sio_history_records *out);
void sio_history_records_fini(struct sio_history_records *records);

/*
 * Read or remove entries of a room. Return 0, SIO_ERR_NOT_FOUND (the room has no history), SIO_ERR_STATE (the server
 * has not joined the other nodes) or SIO_ERR_TOO_MANY. After 0, `fn` is called once, never from within this call;
 * `error` is 0, SIO_ERR_TIMEOUT, SIO_ERR_REFUSED, SIO_ERR_STATE or SIO_ERR_SYSTEM. After a removal, `count` is the
 * number of removed entries.
 */
typedef void sio_history_records_fn(void *arg, int error, const struct sio_history_record *records, unsigned count);
int sio_history_read_raw(struct sio_nsp *nsp, struct text room, const struct history_query *query,
	sio_history_records_fn *fn, void *arg);
int sio_history_remove_raw(
	struct sio_nsp *nsp, struct text room, struct history_id id, sio_history_records_fn *fn, void *arg);
/* The same by the name of a namespace. This server need not have the namespace. */
int sio_history_read_named(struct sio_server *io, struct text nsp, struct text room,
	const struct history_query *query, sio_history_records_fn *fn, void *arg);
int sio_history_remove_named(struct sio_server *io, struct text nsp, struct text room, struct history_id id,
	sio_history_records_fn *fn, void *arg);

/* Returns the error of sockeye.h for the `error` of an answer of the store (broker/history.h), or 0. */
int sio_history_error(int error);

void sio_history_stats(const struct sio_history *history, struct sio_history_stats *out);

#endif
