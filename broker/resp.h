/*
 * What a Redis server answers (RESP 2), read by hiredis; and commands to it. The only files that know hiredis.
 *
 * Messages of subscriptions are by far the most: where one lies whole in the bytes just read it is cut out in place.
 * All else, and what a read brought in part, goes through hiredis' reader.
 */
#ifndef BROKER_RESP_H
#define BROKER_RESP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/text.h"

#define RESP_ITEMS_MAX 4 /* of an array: "pmessage", pattern, channel, payload */

enum resp_type { RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_ARRAY, RESP_BULK };

/* One answer; texts are good during the call. */
struct resp {
	enum resp_type type;
	struct text text;		   /* status, error or bulk string */
	int64_t integer;		   /* or the last integer in an array */
	unsigned item_count;		   /* of an array */
	struct text items[RESP_ITEMS_MAX]; /* bulk strings; TEXT_NONE: nil or an integer */
};

struct resp_reader;

/* `on_reply` returns false when the reader must not go on: it may be freed by then. */
struct resp_reader *resp_reader_new(
	uint64_t max_bulk, bool (*on_reply)(void *arg, const struct resp *reply), void *arg);
void resp_reader_free(struct resp_reader *r); /* accepts NULL */

/*
 * Takes bytes: how many, or ERROR_CLOSED: on_reply said stop; ERROR_SYNTAX, ERROR_TOO_BIG, ERROR_UNSUPPORTED: no
 * answer that makes sense here, the connection is of no use any more. Those not taken, less than RESP_LEFT_MAX, come
 * again in front of new ones.
 */
#define RESP_LEFT_MAX (32 * 1024)
int64_t resp_reader_feed(struct resp_reader *r, const uint8_t *bytes, size_t n);

/* A command, ready to send; NULL: there is no memory for it. */
struct block *resp_command(unsigned count, const struct text *args);

#endif
