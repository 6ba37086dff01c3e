/*
 * Reads the answers of a Redis server with hiredis and writes commands. Only resp.h and resp.c depend on hiredis. Of
 * RESP 3, which hiredis 0.14 does not know, it reads pushed messages as arrays and skips maps.
 *
 * Most answers are messages of subscriptions, and statuses and results of transactions. If such an answer lies whole
 * in the bytes just read, it is parsed in place. The payload of a long message is collected in a block, so that its
 * receiver can keep it without a copy. Everything else, and any other answer that arrives in parts, goes through
 * hiredis's reader.
 */
#ifndef BROKER_RESP_H
#define BROKER_RESP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/text.h"

#define RESP_ITEMS_MAX 4  /* items of an array that are kept: "pmessage", pattern, channel, payload */
#define RESP_ARRAY_MAX 64 /* maximum items of an array: the results of a transaction */

enum resp_type { RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_ARRAY, RESP_BULK, RESP_NIL, RESP_MAP };

/* One answer. Texts are valid during the call. */
struct resp {
	enum resp_type type;
	struct text text; /* text of a status, an error or a bulk string; the first error in an array, or TEXT_NONE */
	int64_t integer;  /* value of an integer, or the last integer in an array */
	unsigned item_count; /* items of an array */
	/* the first items of an array, if they are bulk strings; TEXT_NONE for nil, an integer or an error */
	struct text items[RESP_ITEMS_MAX];
	/* the block with the last item of a long message and the "\r\n" behind it; NULL: it was not collected in one */
	struct block *block;
};

struct resp_reader;

/*
 * `max_bulk` is the maximum length of a bulk string in bytes. `on_reply` returns false to stop the reader, which it
 * may have freed.
 */
struct resp_reader *resp_reader_new(
	uint64_t max_bulk, bool (*on_reply)(void *arg, const struct resp *reply), void *arg);
void resp_reader_free(struct resp_reader *reader); /* accepts NULL */

/*
 * Reads bytes and calls on_reply for each answer. Returns the number of bytes taken; ERROR_CLOSED if on_reply
 * returned false; or ERROR_SYNTAX, ERROR_TOO_BIG or ERROR_UNSUPPORTED if the bytes are not an acceptable answer,
 * after which the connection must be closed. The caller passes the bytes that were not taken, fewer than
 * RESP_LEFT_MAX, again in front of the next ones.
 */
#define RESP_LEFT_MAX (32 * 1024)
#define RESP_LONG (256 * 1024) /* bytes of a payload that is collected in a block, unless it has come whole */
int64_t resp_reader_feed(struct resp_reader *reader, const uint8_t *bytes, size_t n);

/* Returns an encoded command, or NULL if memory is short. */
struct block *resp_command(unsigned count, const struct text *args);

#endif
