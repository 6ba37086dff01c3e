/*
 * Where a client is in the log of Redis (bus_log.h), and what the session's record says about it. The code is pure,
 * and all texts that it reads are untrusted.
 *
 * In an offset, a place follows the position (sio_recovery_log.h), after a colon:
 *
 *   place = <entry> [ "." <sender> "." <number> ] [ "~" <newest> "~" <open> "~" <floor> ]
 *
 * The client has received everything up to the entry. If a sender and a number name a message after the entry, the
 * client has received everything up to that message. `newest` is the number of the last event of the client's
 * worker. The last `open` events up to `newest` were not yet known to be in the log. If they are there, they come
 * after `floor`.
 *
 * A mark is a field of the record. It states: a client that has received the event of the bound has missed nothing
 * up to the place.
 *
 *   mark = <bound origin or -> <bound sum> <start> <origin> <sum> <local> <place> [ <before> ]
 *   before = <offset's origin or -> <offset's sum> <origin or -> <local> <place>
 *
 * A sum is heard + local of struct sio_recovery_position. It grows with each event that the worker delivers or
 * replays. `start` is the sum at which the session came to its worker.
 *
 * `before` is written when missed events are replayed, whose last one is the bound. If they are lost on the way, the
 * client comes back with the offset that it had before, and the log is read from this origin, local and place again.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_PLACE_H
#define NODE_SOCKETIO_SIO_VAULT_PLACE_H

#include "broker/bus_record.h"
#include "node/socketio/sio_recovery_log.h"

struct sio_vault_place {
	struct bus_position entry;
	uint64_t number; /* 0: no message after the entry */
	char sender[BUS_SENDER_LENGTH];
	uint64_t newest, open; /* open 0: all events of the worker are known to be in the log */
	struct bus_position floor;
};

/* Writes at most SIO_PLACE_MAX bytes. Returns their number. */
size_t sio_vault_place_write(const struct sio_vault_place *place, char out[SIO_PLACE_MAX + 1]);
/* Returns true if the text is exactly what sio_vault_place_write() writes for a place. */
bool sio_vault_place_read(struct text text, struct sio_vault_place *place);

/* An offset of a client. */
struct sio_vault_offset {
	struct sio_recovery_position at;
	struct sio_vault_place place;
};

/* Returns false if the epoch or the form is wrong. */
bool sio_vault_offset_read(const char epoch[SIO_EPOCH_LENGTH], struct text text, struct sio_vault_offset *offset);

/* The place from which the log is read for a client. */
struct sio_vault_from {
	uint64_t origin, local; /* the first `local` events of this worker are skipped */
	struct sio_vault_place place;
};

/* What a client has from before a replay. */
struct sio_vault_before {
	uint64_t offset_origin, offset_sum; /* of its offset; origin 0: it had none */
	struct sio_vault_from from;	    /* the place from which the log was read for it */
};

#define SIO_MARK_MAX (2 * (SIO_PLACE_MAX + 128))
struct sio_vault_mark {
	uint64_t bound_origin, bound_sum; /* bound_origin 0: every client has received the bound */
	uint64_t start, origin, sum, local;
	struct sio_vault_place place;
	bool replayed; /* `before` is there */
	struct sio_vault_before before;
};

size_t sio_vault_mark_write(const struct sio_vault_mark *mark, char out[SIO_MARK_MAX]);
bool sio_vault_mark_read(struct text text, struct sio_vault_mark *mark);

/*
 * Chooses the last place that the client has reached: that of its offset (NULL: the client sent none) or that of a
 * mark. `changed` was written when the session began or its rooms changed; `quiet` was written later (NULL: none).
 * Returns false if the client has missed an event that precedes the change of its rooms, has received only a part of
 * a replay, or has received events from a worker that the marks do not name.
 */
bool sio_vault_choose(const struct sio_vault_mark *changed, const struct sio_vault_mark *quiet,
	const struct sio_vault_offset *offset, struct sio_vault_from *out);

#endif
