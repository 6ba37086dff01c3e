#include "node/adminui/adminui_users.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/secret_file.h"

#define FILE_MAX (64 * 1024)

static bool
is_hash_letter(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '/';
}

bool
adminui_is_hash(struct text hash)
{
	uint64_t cost;

	if (hash.n != ADMINUI_HASH_LENGTH || hash.at[0] != '$' || hash.at[1] != '2' || !strchr("aby", hash.at[2]) ||
		hash.at[3] != '$' || hash.at[6] != '$')
		return false;
	if (text_number(text_of(hash.at + 4, 2), ADMINUI_COST_MAX, &cost) != 0 || cost < 4)
		return false;
	for (size_t i = 7; i < hash.n; i++) {
		if (!is_hash_letter(hash.at[i]))
			return false;
	}
	return true;
}

static bool
is_name(struct text name)
{
	for (size_t i = 0; i < name.n; i++) {
		if ((unsigned char)name.at[i] < ' ' || name.at[i] == 0x7f)
			return false;
	}
	return name.n > 0 && name.n <= ADMINUI_NAME_MAX;
}

static int
users_add(struct adminui_users *users, struct text entry, const char *from, char *error)
{
	struct adminui_user *user = &users->at[users->count];
	struct text hash = entry, name;

	if (users->count == ADMINUI_USERS_MAX) {
		snprintf(error, ADMINUI_USERS_ERROR_MAX, "%.100s: more than %d users", from, ADMINUI_USERS_MAX);
		return ERROR_ARGUMENT;
	}
	if (!text_cut(&hash, ':', &name) || !is_name(name) || !adminui_is_hash(hash)) {
		snprintf(error, ADMINUI_USERS_ERROR_MAX,
			"%.100s: a user must be NAME:HASH with a bcrypt hash of cost 4 to %d; \"htpasswd -nB NAME\" "
			"makes one",
			from, ADMINUI_COST_MAX);
		return ERROR_ARGUMENT;
	}
	memcpy(user->name, name.at, name.n);
	memcpy(user->hash, hash.at, hash.n);
	users->secret = sha256_of(text_of((const char *)users->secret.bytes, SHA256_LENGTH), hash);
	users->count++;
	return 0;
}

static int
users_add_list(struct adminui_users *users, struct text list, char *error)
{
	struct text entry;

	if (text_is(text_trim(list), TEXT("none"))) {
		users->open = true;
		return 0;
	}
	while (text_cut(&list, ',', &entry)) {
		if (users_add(users, text_trim(entry), "option --admin-ui-auth", error) != 0)
			return ERROR_ARGUMENT;
	}
	return 0;
}

static int
users_add_lines(struct adminui_users *users, struct text all, const char *name, char *error)
{
	struct text line;

	while (text_cut(&all, '\n', &line)) {
		if (text_ends(line, TEXT("\r")))
			line.n--;
		line = text_trim(line);
		if (line.n != 0 && *line.at != '#' && users_add(users, line, name, error) != 0)
			return ERROR_ARGUMENT;
	}
	return 0;
}

static int
users_add_file(struct adminui_users *users, const char *name, char *error)
{
	char *bytes = mem_alloc(FILE_MAX);
	const char *why;
	ssize_t n = secret_file_bytes(name, bytes, FILE_MAX, &why);
	int rc = ERROR_ARGUMENT;

	if (n < 0)
		snprintf(error, ADMINUI_USERS_ERROR_MAX, "option --admin-ui-auth-file: cannot read %.100s: %s", name,
			why);
	else if (n == FILE_MAX)
		snprintf(error, ADMINUI_USERS_ERROR_MAX, "option --admin-ui-auth-file: %.100s is larger than 64 KiB",
			name);
	else
		rc = users_add_lines(users, text_of(bytes, (size_t)n), name, error);
	mem_free(bytes);
	return rc;
}

int
adminui_users_new(struct adminui_users **out, const char *list, const char *file, char error[ADMINUI_USERS_ERROR_MAX])
{
	struct adminui_users *users = mem_zalloc(sizeof *users);
	int rc = 0;

	if (list != NULL && list[0] != '\0')
		rc = users_add_list(users, text_from(list), error);
	if (rc == 0 && file != NULL && file[0] != '\0')
		rc = users_add_file(users, file, error);
	if (rc == 0 && users->open && users->count > 0) {
		snprintf(error, ADMINUI_USERS_ERROR_MAX,
			"options --admin-ui-auth and --admin-ui-auth-file: \"none\" admits everybody, so there "
			"cannot "
			"be users");
		rc = ERROR_ARGUMENT;
	} else if (rc == 0 && !users->open && users->count == 0) {
		snprintf(error, ADMINUI_USERS_ERROR_MAX,
			"option --admin-ui: name the users who may log in (use --admin-ui-auth-file or "
			"--admin-ui-auth)");
		rc = ERROR_ARGUMENT;
	}
	*out = rc == 0 ? users : NULL;
	if (rc != 0)
		adminui_users_free(users);
	return rc;
}

void
adminui_users_free(struct adminui_users *users)
{
	mem_free(users);
}

const struct adminui_user *
adminui_users_find(const struct adminui_users *users, struct text name)
{
	struct sha256 given = sha256_of(name, TEXT_NONE);
	const struct adminui_user *found = NULL;

	for (unsigned i = 0; i < users->count; i++) {
		struct sha256 known = sha256_of(text_from(users->at[i].name), TEXT_NONE);

		if (sha256_same(&known, &given))
			found = &users->at[i];
	}
	return found;
}

const struct adminui_user *
adminui_users_stand_in(const struct adminui_users *users, struct text name)
{
	struct sha256 mixed = sha256_of(text_of((const char *)users->secret.bytes, SHA256_LENGTH), name);

	return &users->at[(mixed.bytes[0] << 8 | mixed.bytes[1]) % users->count];
}
