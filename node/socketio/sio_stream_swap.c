#include "node/socketio/sio_stream_swap.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * KEYS: session. ARGV: what it was, what it becomes or '', its milliseconds. With full memory, or if an ACL forbids
 * SET, the session is removed, which claims it, too.
 */
static const char script[] = "local v = redis.call('GET', KEYS[1])\n"
			     "if not v then return -2 end\n"
			     "if v ~= ARGV[1] then return -1 end\n"
			     "if ARGV[2] ~= '' and not redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]).err then\n"
			     "  return 1\n"
			     "end\n"
			     "redis.call('DEL', KEYS[1])\n"
			     "return 0\n";

void
sio_stream_swap_write(struct text args[SIO_STREAM_SWAP_ARGS], char digits[SIO_STREAM_SWAP_MS], struct text key,
	struct text old, struct text new, uint64_t ms)
{
	args[0] = TEXT("EVAL");
	args[1] = text_of(script, sizeof script - 1);
	args[2] = TEXT("1");
	args[3] = key;
	args[4] = old;
	args[5] = new;
	args[6] = text_of(digits, (size_t)snprintf(digits, SIO_STREAM_SWAP_MS, "%" PRIu64, ms));
}

enum sio_stream_swapped
sio_stream_swap_read(const struct resp_item *answer)
{
	if (answer->type != RESP_INTEGER)
		return SIO_STREAM_GONE;
	switch (answer->integer) {
	case 1:
		return SIO_STREAM_REPLACED;
	case 0:
		return SIO_STREAM_REMOVED;
	case -1:
		return SIO_STREAM_CHANGED;
	default:
		return SIO_STREAM_GONE;
	}
}
