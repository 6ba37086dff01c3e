#include "node/backend/backend_hello.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"

#define DEPTH_MAX 8
#define VERSION 1
#define WEIGHT_MAX 1000
#define WORKER_MAX 65535
#define UPSTREAM_MAX 256
#define LOG_TEXT_MAX 256

/* Memory for the decoded texts. A text is never longer than its JSON, so the size of the whole JSON is enough. */
struct text_pool {
	char *at;
};

static struct text
hello_decode(struct text_pool *pool, struct text quoted)
{
	size_t n = json_string_decode(quoted, pool->at);

	pool->at += n;
	return text_of(pool->at - n, n);
}

/*
 * Reads a string. Leaves `*out` unchanged if the key is absent or null. Returns false if the value has another type
 * or is longer than `max`.
 */
static bool
hello_read_string(struct text object, struct text key, size_t max, struct text_pool *pool, struct text *out)
{
	struct text value = json_object_get(object, key);

	if (value.n == 0 || json_type(value) == JSON_NULL)
		return true;
	if (json_type(value) != JSON_STRING || json_string_length(value) > max)
		return false;
	*out = hello_decode(pool, value);
	return true;
}

static bool
hello_read_number(struct text object, struct text key, int64_t min, int64_t max, int64_t *out)
{
	struct text value = json_object_get(object, key);

	if (value.n == 0 || json_type(value) == JSON_NULL)
		return true;
	return json_type(value) == JSON_NUMBER && json_number_int(value, out) && *out >= min && *out <= max;
}

static bool
hello_read_flag(struct text object, struct text key, bool *out)
{
	struct text value = json_object_get(object, key);

	if (value.n == 0 || json_type(value) == JSON_NULL)
		return true;
	*out = json_type(value) == JSON_TRUE;
	return *out || json_type(value) == JSON_FALSE;
}

static bool
is_instance(struct text name)
{
	if (name.n == 0)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
			    c == '-' || c == '.'))
			return false;
	}
	return true;
}

static bool
has_version(struct text versions)
{
	struct text one;
	int64_t number;

	if (versions.n == 0 || json_type(versions) != JSON_ARRAY)
		return false;
	while (json_array_next(&versions, &one)) {
		if (json_type(one) == JSON_NUMBER && json_number_int(one, &number) && number == VERSION)
			return true;
	}
	return false;
}

/* The array of names lies before the texts in the same allocation. */
static bool
hello_read_namespaces(struct text list, struct text *names, struct text_pool *pool, struct backend_hello *out)
{
	struct text one;

	if (list.n == 0 || json_type(list) == JSON_NULL)
		return true;
	if (json_type(list) != JSON_ARRAY)
		return false;
	out->namespaces = names;
	while (json_array_next(&list, &one)) {
		if (json_type(one) != JSON_STRING || out->namespace_count == BACKEND_NAMESPACES_MAX)
			return false;
		one = hello_decode(pool, one);
		if (one.n == 0 || one.at[0] != '/')
			return false;
		names[out->namespace_count++] = one;
	}
	return true;
}

/* The default is "reattach". */
static bool
hello_read_on_loss(struct text json, enum backend_on_loss *out)
{
	static const struct {
		struct text word;
		enum backend_on_loss meaning;
	} words[] = {
		{{"reattach", 8}, BACKEND_ON_LOSS_REATTACH},
		{{"reconnect", 9}, BACKEND_ON_LOSS_RECONNECT},
		{{"close", 5}, BACKEND_ON_LOSS_CLOSE},
	};
	struct text word = json_object_get(json, TEXT("onLoss"));

	if (word.n == 0 || json_type(word) == JSON_NULL)
		return true;
	for (size_t i = 0; i < sizeof words / sizeof words[0] && json_type(word) == JSON_STRING; i++) {
		*out = words[i].meaning;
		if (json_string_is(word, words[i].word))
			return true;
	}
	return false;
}

static unsigned
count_namespaces(struct text list)
{
	struct text one;
	unsigned n = 0;

	if (list.n > 0 && json_type(list) == JSON_ARRAY) {
		while (json_array_next(&list, &one))
			n++;
	}
	return n;
}

static bool
hello_read_all(struct text json, struct text *names, struct text_pool *pool, struct backend_hello *out)
{
	struct text hooks = json_object_get(json, TEXT("hooks"));
	int64_t weight = 1, worker = 0, pid = 0;

	if (!hello_read_string(json, TEXT("instance"), BACKEND_NAME_MAX, pool, &out->instance) ||
		!is_instance(out->instance) ||
		!hello_read_string(json, TEXT("group"), BACKEND_NAME_MAX, pool, &out->group) ||
		!hello_read_string(json, TEXT("proof"), LOG_TEXT_MAX, pool, &out->proof) ||
		!hello_read_string(json, TEXT("upstream"), UPSTREAM_MAX, pool, &out->upstream) ||
		!hello_read_string(json, TEXT("app"), LOG_TEXT_MAX, pool, &out->app) ||
		!hello_read_string(json, TEXT("language"), LOG_TEXT_MAX, pool, &out->language) ||
		!hello_read_number(json, TEXT("weight"), 1, WEIGHT_MAX, &weight) ||
		!hello_read_number(json, TEXT("worker"), 0, WORKER_MAX, &worker) ||
		!hello_read_number(json, TEXT("pid"), 0, INT32_MAX, &pid) ||
		!hello_read_on_loss(json, &out->on_loss) ||
		!hello_read_flag(json, TEXT("recovery"), &out->recovers) ||
		!hello_read_namespaces(json_object_get(json, TEXT("namespaces")), names, pool, out))
		return false;
	if (hooks.n > 0 && json_type(hooks) == JSON_OBJECT) {
		if (!hello_read_flag(hooks, TEXT("request"), &out->wants_requests) ||
			!hello_read_flag(hooks, TEXT("errors"), &out->wants_errors))
			return false;
	} else if (hooks.n > 0 && json_type(hooks) != JSON_NULL) {
		return false;
	}
	out->weight = (unsigned)weight;
	out->worker = (unsigned)worker;
	out->pid = (long)pid;
	out->speaks_version = has_version(json_object_get(json, TEXT("v")));
	return true;
}

int
backend_hello_read(struct backend_hello *out, struct text json)
{
	size_t names;
	struct text_pool pool;

	*out = (struct backend_hello){.group = TEXT("")};
	if (json_check(json, DEPTH_MAX) != 0)
		return ERROR_SYNTAX;
	if (json_type(json) != JSON_OBJECT)
		return ERROR_SYNTAX;
	names = count_namespaces(json_object_get(json, TEXT("namespaces"))) * sizeof(struct text);
	out->memory = mem_try_alloc(names + json.n);
	if (out->memory == NULL)
		return ERROR_MEMORY;
	pool.at = (char *)out->memory + names;
	if (hello_read_all(json, out->memory, &pool, out))
		return 0;
	backend_hello_fini(out);
	return ERROR_SYNTAX;
}

void
backend_hello_fini(struct backend_hello *hello)
{
	mem_free(hello->memory);
	hello->memory = NULL;
}

void
backend_challenge_write(struct buffer *out, struct text edge, struct text nonce)
{
	buffer_printf(out, "{\"v\":[%d],\"edge\":", VERSION);
	json_write_string(out, edge);
	buffer_printf(out, ",\"nonce\":\"%.*s\"}", (int)nonce.n, nonce.at);
}

void
backend_welcome_write(struct buffer *out, const struct backend_welcome *welcome)
{
	buffer_printf(out, "{\"v\":%d,\"edge\":", VERSION);
	json_write_string(out, welcome->edge);
	buffer_printf(out,
		",\"worker\":%u,\"workers\":%u,\"up\":%llu,\"window\":%llu,\"maxFrame\":%llu,\"ping\":%llu,"
		"\"options\":",
		welcome->worker, welcome->workers, (unsigned long long)welcome->up,
		(unsigned long long)welcome->window, (unsigned long long)welcome->max_frame,
		(unsigned long long)welcome->ping);
	buffer_add_text(out, welcome->options);
	buffer_add_byte(out, '}');
}
