/*
 * Where a client is in the log of Redis (bus_log.h), and what the session's record says about it. Pure; all texts
 * that are read are untrusted.
 *
 * A place follows the position of an offset (sio_recovery_log.h), behind a colon:
 *
 *   place = <entry> [ "." <sender> "." <number> ] [ "~" <newest> "~" <open> "~" <floor> ]
 *
 * The client has got everything up to the entry, and everything up to the message that is named by sender and number,
 * which lies behind the entry. `newest` is the number of the last event of the client's worker. `open` of these
 * events were not known to be in the log yet; if they are there, they are behind `floor`.
 *
 * A mark is a line of the record. It says that a client which has got the event of the bound has got everything up to
 * the place, too, or needed nothing of it:
 *
 *   mark = <bound origin or -> <bound sum> <start> <origin> <sum> <local> <place>
 *
 * Sums are heard + local of struct sio_recovery_position, which grows with each event of one worker. `start` is the
 * sum when the session came to its worker.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_PLACE_H
#define NODE_SOCKETIO_SIO_VAULT_PLACE_H

#include "broker/bus_record.h"
#include "node/socketio/sio_recovery_log.h"

struct sio_vault_place {
	struct bus_position entry;
	uint64_t number; /* 0: no message behind the entry */
	char sender[BUS_SENDER_LENGTH];
	uint64_t newest, open; /* open 0: all events of the worker are in the log */
	struct bus_position floor;
};

/* Writes at most SIO_PLACE_MAX bytes. Returns their number. */
size_t sio_vault_place_write(const struct sio_vault_place *place, char out[SIO_PLACE_MAX + 1]);
/* Returns false unless writing the place gives the same text again. */
bool sio_vault_place_read(struct text text, struct sio_vault_place *place);

/* An offset of a client. */
struct sio_vault_offset {
	struct sio_recovery_position at;
	struct sio_vault_place place;
};

/* Returns false if the epoch or the form is wrong. */
bool sio_vault_offset_read(const char epoch[SIO_EPOCH_LENGTH], struct text text, struct sio_vault_offset *offset);

#define SIO_MARK_MAX (SIO_PLACE_MAX + 128)
struct sio_vault_mark {
	uint64_t bound_origin, bound_sum; /* origin 0: every client has got it */
	uint64_t start, origin, sum, local;
	struct sio_vault_place place;
};

size_t sio_vault_mark_write(const struct sio_vault_mark *mark, char out[SIO_MARK_MAX]);
bool sio_vault_mark_read(struct text text, struct sio_vault_mark *mark);

/* Where the log has to be read from for a client. */
struct sio_vault_from {
	uint64_t origin, local; /* the events of this worker up to the number `local` are skipped */
	struct sio_vault_place place;
};

/*
 * Chooses the last place that the client has reached: of its offset (NULL: it sent none), or of one of the marks.
 * `changed`: made when the session was made or its rooms changed. `quiet`: made later; NULL: none. Returns false if
 * the client has missed an event from before its rooms changed.
 */
bool sio_vault_choose(const struct sio_vault_mark *changed, const struct sio_vault_mark *quiet,
	const struct sio_vault_offset *offset, struct sio_vault_from *out);

#endif
