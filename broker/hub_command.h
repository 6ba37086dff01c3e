/*
 * Commands to the hub: arrays of bulk strings of the Redis protocol (RESP 2, redis.io "Redis serialization protocol
 * specification"), and the patterns in them. A pure codec; nothing else of the protocol is accepted.
 */
#ifndef BROKER_HUB_COMMAND_H
#define BROKER_HUB_COMMAND_H

#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define HUB_ARGS_MAX 1024 /* of one command: a subscription names few channels at once */

struct hub_command {
	struct text args[HUB_ARGS_MAX]; /* point into the input */
	unsigned count;
};

/*
 * Parses one command at the start of `in`. > 0: bytes it takes; 0: more are needed, `*needed` in all at least;
 * ERROR_SYNTAX; ERROR_TOO_BIG: more than `max` bytes or HUB_ARGS_MAX arguments.
 */
int64_t hub_command_parse(struct hub_command *out, struct text in, uint64_t max, uint64_t *needed);

/*
 * Appends the prefix that a pattern means: literal bytes, "\" before special ones, and one "*" at the end. 0, or
 * ERROR_UNSUPPORTED for other patterns. `prefix` is then of no use.
 */
int hub_pattern_prefix(struct text pattern, struct buffer *prefix);

#endif
