/*
 * Recognises messages that a node has read before. A stream may contain a message twice. Its writer adds it again
 * (streams_writer.h) if a promoted replica lacks it, although readers had received it, or if the server executes the
 * first command late, on an old connection.
 *
 * A node numbers its entries and adds them in the order of their numbers. But if the server refuses a message and
 * accepts later ones, the writer adds the refused one after them. So a node remembers which of the 64 numbers before
 * the newest one of a sender it has read. The message of an older number counts as read. Node.js servers do not
 * number their entries. A third party that may write to the stream can make a node drop messages by a false number,
 * as it can by deleting entries.
 *
 * Recovery replays events from the stream (sio_stream_replay.h) and must skip repeats, so the last
 * STREAMS_REPEATS_MAX repeats are remembered.
 */
#ifndef BROKER_STREAMS_REPEATS_H
#define BROKER_STREAMS_REPEATS_H

#include "broker/bus_senders.h"
#include "broker/wire_stream.h"

#define STREAMS_REPEATS_MAX 4096

struct streams_repeat {
	unsigned stream;
	uint64_t entry;	 /* stream_number_of() its id */
	uint64_t before; /* the message was first read at this entry or before it */
};

struct streams_repeats {
	struct bus_senders senders; /* `at` is the entry of the newest message */
	struct streams_repeat *all; /* a ring, allocated at the first repeat; NULL before */
	uint64_t count;		    /* repeats so far */
	uint64_t newest;	    /* the newest entry that was a repeat */
	uint64_t forgotten;	    /* the newest one that the ring no longer has */
};

void streams_repeats_init(struct streams_repeats *repeats);
void streams_repeats_fini(struct streams_repeats *repeats);

/* Notes an entry of any node. Returns false if its message has been read before. */
bool streams_repeats_add(struct streams_repeats *repeats, unsigned stream, const struct wire_stream_entry *entry);

/*
 * Tells whether a client that has received everything up to the entry `from` has also received the message of the
 * later entry `entry`, because that entry is a repeat. Returns 1, 0, or ERROR_UNSUPPORTED if this is unknown. Both
 * are numbers of entries (stream_number.h).
 */
int streams_repeats_had(const struct streams_repeats *repeats, unsigned stream, uint64_t entry, uint64_t from);

#endif
