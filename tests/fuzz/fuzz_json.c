/*
 * JSON text: check, walk, decode, to MessagePack and back.
 *
 * - A text that json_check() accepts can be walked, and becomes MessagePack that msgpack_to_json() reads completely.
 *   Converting the resulting JSON once more changes nothing.
 * - A text that json_check() refuses is refused by json_array_split() too.
 */
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define OUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Elements come without surrounding blanks; the whole text may have some. */
static struct text
without_blanks(struct text t)
{
	while (t.n > 0 && strchr(" \t\r\n", t.at[0]) != NULL)
		t = text_of(t.at + 1, t.n - 1);
	while (t.n > 0 && strchr(" \t\r\n", t.at[t.n - 1]) != NULL)
		t.n--;
	return t;
}

static void
walk(struct text value)
{
	struct text rest = value, key, element;
	size_t children = 0;

	if (json_type(value) == JSON_ARRAY) {
		while (json_array_next(&rest, &element)) {
			must(json_check(element, JSON_DEPTH_MAX) == 0);
			children++;
		}
	} else if (json_type(value) == JSON_OBJECT) {
		while (json_object_next(&rest, &key, &element)) {
			char *plain = mem_alloc(key.n + 1);
			size_t len = json_string_decode(key, plain);

			must(len <= key.n);
			must(json_string_is(key, text_of(plain, len)));
			must(json_object_get(value, text_of(plain, len)).at != NULL);
			mem_free(plain);
			if (++children > 64)
				break; /* looking up members is quadratic in this test */
		}
	} else if (json_type(value) == JSON_NUMBER) {
		int64_t whole;

		if (json_number_int(value, &whole))
			must(json_number_double(value) == (double)whole);
	}
}

static void
there_and_back(struct text json, struct buffer *out)
{
	struct buffer packed;
	int64_t n;

	buffer_init(&packed, OUT_MAX);
	must(json_to_msgpack(json, NULL, &packed) == 0);
	n = msgpack_to_json(packed.data, packed.len, JSON_DEPTH_MAX, NULL, out);
	must(n == (int64_t)packed.len);
	must(json_check(buffer_text(out), JSON_DEPTH_MAX) == 0);
	buffer_fini(&packed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct text json = text_of((const char *)data, n), elements[32];
	struct buffer once, twice;
	int rc = json_check(json, JSON_DEPTH_MAX);

	if (rc != 0) {
		must(rc == ERROR_SYNTAX || rc == ERROR_UTF8 || rc == ERROR_TOO_DEEP);
		must(json_array_split(json, elements, 32, JSON_DEPTH_MAX) < 0);
		return 0;
	}
	must(json_value_length(json, JSON_DEPTH_MAX) > 0);
	walk(without_blanks(json));
	if (n > OUT_MAX / 16)
		return 0;
	buffer_init(&once, OUT_MAX);
	buffer_init(&twice, OUT_MAX);
	there_and_back(json, &once);
	there_and_back(buffer_text(&once), &twice);
	must(text_is(buffer_text(&once), buffer_text(&twice)));
	buffer_fini(&once);
	buffer_fini(&twice);
	return 0;
}
