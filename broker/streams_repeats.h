/*
 * Recognizes entries that a node has read before. A message may stand in a stream a second time: a promoted replica
 * lacks it although readers had got it, or the server has executed it late on an old connection. Its writer did not
 * find it there and has added it again (streams_writer.h).
 *
 * A node numbers its entries, and adds them in the order of their numbers. So an entry whose number is not greater
 * than the newest one of its sender has been read before. Node.js servers do not number theirs. A third party that
 * may write to the stream can make a node drop messages by a false number, as it can by deleting entries.
 *
 * Connections are recovered from the stream (sio_stream_replay.h), so repeats are remembered: the last
 * STREAMS_REPEATS_MAX of them.
 */
#ifndef BROKER_STREAMS_REPEATS_H
#define BROKER_STREAMS_REPEATS_H

#include "broker/bus_senders.h"
#include "broker/wire_stream.h"

#define STREAMS_REPEATS_MAX 4096

struct streams_repeat {
	unsigned stream;
	uint64_t entry;	 /* stream_number_of() its id */
	uint64_t before; /* the message stood at this entry or before it */
};

struct streams_repeats {
	struct bus_senders senders; /* `at` is the entry of the newest message */
	struct streams_repeat *all; /* a ring, made when it is needed; NULL: there was no repeat yet */
	uint64_t count;		    /* repeats so far */
	uint64_t forgotten;	    /* the newest entry that the ring no longer has */
};

void streams_repeats_init(struct streams_repeats *repeats);
void streams_repeats_fini(struct streams_repeats *repeats);

/* Takes note of an entry of another node, or of this one. Returns false if its message has been read before. */
bool streams_repeats_add(struct streams_repeats *repeats, unsigned stream, const struct wire_stream_entry *entry);

/*
 * Tells whether a client that has got its messages up to the entry `from` has got that of a later entry, because the
 * later entry is a repeat. Returns 1, 0, or ERROR_UNSUPPORTED if that cannot be told. Both are numbers of entries
 * (stream_number.h).
 */
int streams_repeats_had(const struct streams_repeats *repeats, unsigned stream, uint64_t entry, uint64_t from);

#endif
