/* A request read whole and in pieces must be the same request. */
#include "tests/unit/http/http_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
whole(void *arg)
{
	(void)arg;
	return SIZE_MAX;
}

static size_t
single(void *arg)
{
	(void)arg;
	return 1;
}

static size_t
varied(void *arg)
{
	uint32_t *seed = arg;

	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 28;
}

/* The first byte seeds the sizes of the pieces. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message a, b, c;
	uint32_t seed;

	if (size < 1 || size > 16384)
		return 0;
	seed = data[0];
	message_read(&a, data + 1, size - 1, whole, NULL);
	message_read(&b, data + 1, size - 1, single, NULL);
	message_read(&c, data + 1, size - 1, varied, &seed);
	must(message_same(&a, &b));
	must(message_same(&a, &c));
	message_fini(&a);
	message_fini(&b);
	message_fini(&c);
	return 0;
}
