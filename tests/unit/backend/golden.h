/* The golden frames of backends/golden/frames.json, for tests that run in the project's top directory. */
#ifndef TESTS_UNIT_BACKEND_GOLDEN_H
#define TESTS_UNIT_BACKEND_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/json.h"
#include "node/backend/backend_frame.h"

#define GOLDEN_BYTES_MAX (1 << 20)
#define GOLDEN_ITEMS_MAX 64

struct golden {
	struct buffer file;
	struct text frames, malformed; /* JSON lists: walk them with json_array_next() */
};

static inline void
golden_open(struct golden *g)
{
	FILE *file = fopen("backends/golden/frames.json", "re");
	uint8_t *room;

	assert_non_null(file);
	buffer_init(&g->file, GOLDEN_BYTES_MAX);
	room = buffer_room(&g->file, GOLDEN_BYTES_MAX);
	g->file.len = fread(room, 1, GOLDEN_BYTES_MAX, file);
	fclose(file);
	assert_int_equal(json_check(buffer_text(&g->file), 16), 0);
	g->frames = json_object_get(buffer_text(&g->file), TEXT("frames"));
	g->malformed = json_object_get(buffer_text(&g->file), TEXT("malformed"));
	assert_true(g->frames.n > 0 && g->malformed.n > 0);
}

static inline void
golden_close(struct golden *g)
{
	buffer_fini(&g->file);
}

static inline int64_t
golden_number(struct text object, const char *key)
{
	int64_t number = 0;
	struct text value = json_object_get(object, text_from(key));

	assert_true(value.n > 0 && json_number_int(value, &number));
	return number;
}

/* Memory for decoded parts, cut from one piece that lives until the program ends. */
static inline char *
golden_room(size_t n)
{
	static char all[GOLDEN_BYTES_MAX];
	static size_t used;

	assert_true(n <= sizeof all - used);
	used += n;
	return all + used - n;
}

/* Decodes a JSON string. */
static inline struct text
golden_string(struct text quoted)
{
	char *out = golden_room(quoted.n);

	return text_of(out, json_string_decode(quoted, out));
}

static inline struct text
golden_unhex(struct text quoted)
{
	struct text hex = golden_string(quoted);
	char *out = golden_room(hex.n / 2);

	for (size_t i = 0; i + 1 < hex.n; i += 2) {
		char pair[3] = {hex.at[i], hex.at[i + 1], '\0'};

		out[i / 2] = (char)strtoul(pair, NULL, 16);
	}
	return text_of(out, hex.n / 2);
}

/* Decodes the strings of a list with `decode`. */
static inline unsigned
golden_list(struct text list, struct text (*decode)(struct text), struct text out[GOLDEN_ITEMS_MAX])
{
	struct text item;
	unsigned n = 0;

	while (json_array_next(&list, &item)) {
		assert_true(n < GOLDEN_ITEMS_MAX);
		out[n++] = decode(item);
	}
	return n;
}

#define assert_text_equal(a, b)                                                                                      \
	do {                                                                                                         \
		struct text one_ = (a), other_ = (b);                                                                \
		if (!text_is(one_, other_))                                                                          \
			fail_msg("\"%.*s\" is not \"%.*s\"", (int)one_.n, one_.at, (int)other_.n, other_.at);        \
	} while (0)

#endif
