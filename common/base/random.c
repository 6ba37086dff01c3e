/*
 * Each thread has its own pool. Used bytes are wiped at once, so that ids cannot be recovered from memory. A forked
 * child discards the pool of its parent; otherwise both would produce the same ids.
 */
#include "common/base/random.h"

#include <pthread.h>
#include <string.h>

#include <openssl/rand.h>

#include "common/base/base64.h"
#include "common/base/must.h"

#define RANDOM_POOL 1024

static _Thread_local uint8_t pool[RANDOM_POOL];
static _Thread_local size_t pool_left; /* unused bytes at the end of the pool */

static void
random_forget(void)
{
	explicit_bzero(pool, sizeof pool);
	pool_left = 0;
}

static void
random_watch_forks(void)
{
	must(pthread_atfork(NULL, NULL, random_forget) == 0);
}

static void
random_refill(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, random_watch_forks) == 0);
	must(RAND_bytes(pool, sizeof pool) == 1);
	pool_left = sizeof pool;
}

void
random_bytes(void *out, size_t n)
{
	uint8_t *to = out;

	while (n > 0) {
		uint8_t *from;
		size_t part;

		if (pool_left == 0)
			random_refill();
		part = n < pool_left ? n : pool_left;
		from = pool + sizeof pool - pool_left;
		memcpy(to, from, part);
		explicit_bzero(from, part);
		pool_left -= part;
		to += part;
		n -= part;
	}
}

void
random_id(char *out, size_t n)
{
	random_bytes(out, n);
	for (size_t i = 0; i < n; i++)
		out[i] = base64url_alphabet[(unsigned char)out[i] & 63];
}

uint32_t
random_below(uint32_t bound)
{
	uint32_t draw, skip;

	must(bound > 0);
	/* Draws below 2^32 mod bound are rejected; otherwise small results would be more frequent. */
	skip = (0 - bound) % bound;
	do
		random_bytes(&draw, sizeof draw);
	while (draw < skip);
	return draw % bound;
}
