/*
 * Reads the answers to stream commands as their bytes arrive: entry by entry, so that an answer of any length needs
 * memory for one entry only. It knows no connection and no clock.
 *
 * An answer does not say which command it answers, so the owner says for each answer what its command returns. An
 * entry that is too big is skipped. Every callback may return false to stop the parser, for example because the owner
 * has closed its connection; the parser must not be freed in a callback.
 */
#ifndef BROKER_STREAMS_PARSER_H
#define BROKER_STREAMS_PARSER_H

#include "broker/resp_tree.h"
#include "broker/wire_stream.h"

enum streams_shape {
	STREAMS_NOTHING, /* no answer is expected */
	STREAMS_SCALAR,	 /* a status, an integer, a bulk string or nil */
	STREAMS_ENTRIES, /* of XRANGE and XREVRANGE: an array of entries */
	STREAMS_READ	 /* of XREAD: an array of streams with their entries, or nil */
};

struct streams_parser_ops {
	/* An answer begins. The callee says what the oldest unanswered command returns. */
	enum streams_shape (*expects)(void *arg);
	/* The entries of this stream follow. */
	bool (*on_stream)(void *arg, struct text name, unsigned entries);
	bool (*on_entry)(void *arg, const struct wire_stream_entry *entry);
	bool (*on_too_big)(void *arg, struct wire_stream_id id);
	/*
	 * An answer has ended: an error, a scalar, nil, or RESP_ARRAY with the number of its entries or streams.
	 */
	bool (*on_answer)(void *arg, const struct resp_item *answer);
};

struct streams_parser {
	const struct streams_parser_ops *ops;
	void *arg;
	enum { PARSER_START, PARSER_STREAM, PARSER_ENTRY, PARSER_SKIP } state;
	enum streams_shape shape;
	unsigned streams, entries; /* still to come; `entries` of the current stream */
	struct resp_item answer;
	uint64_t skip_items, skip_bytes; /* of an entry that is too big */
	struct buffer partial;		 /* beginning of an item that has not arrived whole */
};

void streams_parser_init(struct streams_parser *parser, const struct streams_parser_ops *ops, void *arg);
void streams_parser_fini(struct streams_parser *parser);
/* Forgets a partial answer, before a new connection. */
void streams_parser_reset(struct streams_parser *parser);

/*
 * Returns 0; ERROR_CLOSED if a callback returned false; or ERROR_SYNTAX, ERROR_TOO_BIG or ERROR_MEMORY, after which
 * the connection must be closed. The parser keeps the bytes that it has not used.
 */
int streams_parser_feed(struct streams_parser *parser, const uint8_t *bytes, size_t n);

#endif
