/*
 * Decoding never grows the text, yields UTF-8, works over its own input, and agrees with the look-up by key, whose
 * result contains no NUL.
 */
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/http/http_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A look-up of several keys finds what a look-up of each finds. */
static void
check_find(struct text query)
{
	static const struct text keys[] = {{"sid", 3}, {"EIO", 3}, {"s", 1}, {"transport", 9}};
	struct text raw[4];
	char out[4097], again[4097];

	http_query_find(query, keys, 4, raw);
	for (unsigned i = 0; i < 4; i++) {
		int n = http_query_value(raw[i], out, sizeof(out));

		must(http_query_get(query, keys[i].at, again, sizeof(again)) == n);
		must(n <= 0 || memcmp(out, again, (size_t)n) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text query = text_of((const char *)data, size), rest = query, key, value;
	size_t pairs = 0;

	if (size > 4096)
		return 0;
	check_find(query);
	while (http_query_next(&rest, &key, &value)) {
		char *in_place = mem_copy(value.at, value.n), *other = mem_alloc(value.n),
		     *name = mem_alloc(key.n + 1);
		size_t n = http_query_decode(value, other), name_n = http_query_decode(key, name);
		char found[4097];
		int got;

		must(n <= value.n && name_n <= key.n && utf8_valid(other, n) && utf8_valid(name, name_n));
		must(http_query_decode(text_of(in_place, value.n), in_place) == n);
		must(n == 0 || memcmp(in_place, other, n) == 0);
		name[name_n] = '\0';
		got = http_query_get(query, name, found, sizeof(found));
		/* the last of equal keys wins, so only the value of the last pair is known */
		must(memchr(name, '\0', name_n) || got >= 0 || got == ERROR_SYNTAX);
		must(got < 0 || !memchr(found, '\0', (size_t)got));
		if (rest.n == 0 && !memchr(name, '\0', name_n)) {
			if (n > 0 && memchr(other, '\0', n))
				must(got == ERROR_SYNTAX);
			else
				must((size_t)got == n && memcmp(found, other, n) == 0 && found[n] == '\0');
			must(n == 0 || http_query_get(query, name, found, n) == ERROR_TOO_BIG);
		}
		mem_free(in_place);
		mem_free(other);
		mem_free(name);
		if (++pairs == 64)
			break;
	}
	return 0;
}
