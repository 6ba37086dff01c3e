#include "node/api/api_keys.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/secret_file.h"
#include "common/base/sha256.h"

#define FILE_MAX (64 * 1024)

struct api_keys {
	unsigned count;
	struct sha256 digests[API_KEYS_MAX];
};

static int
keys_add(struct api_keys *keys, struct text key, const char *from, char *error)
{
	bool fits = key.n >= API_KEY_MIN && key.n <= API_KEY_MAX;

	for (size_t i = 0; i < key.n && fits; i++)
		fits = key.at[i] > ' ' && key.at[i] < 0x7f;
	if (fits && keys->count < API_KEYS_MAX) {
		keys->digests[keys->count++] = sha256_of(key, TEXT_NONE);
		return 0;
	}
	if (fits)
		snprintf(error, API_KEYS_ERROR_MAX, "%.100s: more than %d keys", from, API_KEYS_MAX);
	else
		snprintf(error, API_KEYS_ERROR_MAX,
			"%.100s: a key must have %d to %d visible ASCII characters; openssl rand -hex 32 makes one",
			from, API_KEY_MIN, API_KEY_MAX);
	return ERROR_ARGUMENT;
}

static int
keys_add_list(struct api_keys *keys, struct text list, char *error)
{
	struct text key;

	while (text_cut(&list, ',', &key)) {
		int rc = keys_add(keys, text_trim(key), "option --api-key", error);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
keys_add_lines(struct api_keys *keys, struct text all, const char *name, char *error)
{
	struct text line;

	while (text_cut(&all, '\n', &line)) {
		if (text_ends(line, TEXT("\r")))
			line.n--;
		line = text_trim(line);
		if (line.n != 0 && *line.at != '#' && keys_add(keys, line, name, error) != 0)
			return ERROR_ARGUMENT;
	}
	return 0;
}

static int
keys_add_file(struct api_keys *keys, const char *name, char *error)
{
	unsigned before = keys->count;
	char *bytes = mem_alloc(FILE_MAX);
	const char *why;
	ssize_t n = secret_file_bytes(name, bytes, FILE_MAX, &why);
	int rc = ERROR_ARGUMENT;

	if (n < 0) {
		snprintf(error, API_KEYS_ERROR_MAX, "option --api-key-file: cannot read %.100s: %s", name, why);
		rc = ERROR_SYSTEM;
	} else if (n == FILE_MAX) {
		snprintf(error, API_KEYS_ERROR_MAX, "option --api-key-file: %.100s is larger than 64 KiB", name);
	} else {
		rc = keys_add_lines(keys, text_of(bytes, (size_t)n), name, error);
	}
	if (rc == 0 && keys->count == before) {
		snprintf(error, API_KEYS_ERROR_MAX, "option --api-key-file: %.100s holds no key", name);
		rc = ERROR_ARGUMENT;
	}
	mem_free(bytes);
	return rc;
}

int
api_keys_new(struct api_keys **out, const char *list, const char *file, char error[API_KEYS_ERROR_MAX])
{
	bool has_list = list != NULL && list[0] != '\0', has_file = file != NULL && file[0] != '\0';
	struct api_keys *keys;
	int rc = 0;

	*out = NULL;
	if (!has_list && !has_file)
		return 0;
	keys = mem_zalloc(sizeof *keys);
	if (has_list)
		rc = keys_add_list(keys, text_from(list), error);
	if (rc == 0 && has_file)
		rc = keys_add_file(keys, file, error);
	if (rc == 0)
		*out = keys;
	else
		api_keys_free(keys);
	return rc;
}

void
api_keys_free(struct api_keys *keys)
{
	mem_free(keys);
}

bool
api_keys_has(const struct api_keys *keys, struct text key)
{
	struct sha256 given = sha256_of(key, TEXT_NONE);
	bool has = false;

	for (unsigned i = 0; i < keys->count; i++)
		has |= sha256_same(&keys->digests[i], &given);
	return has;
}
