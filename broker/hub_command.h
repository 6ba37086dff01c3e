/*
 * Parser for commands to the hub: arrays of bulk strings (RESP 2, redis.io "Redis serialization protocol
 * specification") and the patterns in them. It is a pure codec and accepts nothing else of the protocol.
 */
#ifndef BROKER_HUB_COMMAND_H
#define BROKER_HUB_COMMAND_H

#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define HUB_ARGS_MAX 1024 /* maximum arguments of one command; a subscription names only few channels */

struct hub_command {
	struct text args[HUB_ARGS_MAX]; /* point into the parsed bytes */
	unsigned count;
};

/*
 * Parses the command at the start of `in`. Returns the bytes it takes (> 0); 0 if more bytes are needed, with the
 * minimum total in `*needed`; ERROR_SYNTAX; or ERROR_TOO_BIG for more than `max` bytes or HUB_ARGS_MAX arguments.
 */
int64_t hub_command_parse(struct hub_command *out, struct text in, uint64_t max, uint64_t *needed);

/*
 * Appends the prefix that a pattern stands for. The pattern consists of literal bytes, "\" before special ones, and
 * one "*" at the end. Returns 0, or ERROR_UNSUPPORTED for any other pattern; `prefix` then has undefined contents.
 */
int hub_pattern_prefix(struct text pattern, struct buffer *prefix);

#endif
