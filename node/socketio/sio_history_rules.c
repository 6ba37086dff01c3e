#include "node/socketio/sio_history_rules.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#define ID_LENGTH 20 /* characters of a socket's id */

/* "*" matches any characters. On a mismatch, the last "*" is extended by one character. */
static bool
glob_matches(struct text pattern, struct text name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, tried = 0;

	while (n < name.n) {
		if (p < pattern.n && pattern.at[p] == '*') {
			star = p++;
			tried = n;
		} else if (p < pattern.n && (pattern.at[p] == '?' || pattern.at[p] == name.at[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++tried;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.at[p] == '*')
		p++;
	return p == pattern.n;
}

static bool
looks_like_id(struct text name)
{
	if (name.n != ID_LENGTH)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
			    c == '_'))
			return false;
	}
	return true;
}

const struct history_limits *
sio_history_rules_find(const struct sio_history_rules *rules, struct text nsp, struct text room)
{
	for (unsigned i = 0; i < rules->count; i++) {
		const struct sio_history_rule *rule = &rules->at[i];

		if (glob_matches(rule->nsp, nsp) && glob_matches(rule->room, room) &&
			!(text_is(rule->room, TEXT("*")) && looks_like_id(room)))
			return &rule->limits;
	}
	return NULL;
}

static bool
parse_age(struct text text, uint64_t *ms)
{
	static const char units[] = "smhd";
	static const uint64_t sizes[] = {1000, 60 * 1000, 3600 * 1000, 24 * 3600 * 1000};
	const char *unit = text.n > 1 ? strchr(units, text.at[text.n - 1]) : NULL;
	uint64_t number;

	if (unit == NULL || text_number(text_of(text.at, text.n - 1), UINT32_MAX, &number) < 0)
		return false;
	*ms = number * sizes[unit - units];
	return *ms > 0 && *ms <= SIO_HISTORY_AGE_MAX;
}

/* Splits "[namespace:]room". */
static bool
parse_names(struct text names, struct sio_history_rule *out)
{
	const char *colon;

	out->nsp = TEXT("/");
	out->room = names;
	if (names.n > 0 && names.at[0] == '/') {
		colon = memchr(names.at, ':', names.n);
		if (colon == NULL)
			return false;
		out->nsp = text_of(names.at, (size_t)(colon - names.at));
		out->room = text_of(colon + 1, names.n - out->nsp.n - 1);
	}
	return out->room.n > 0;
}

/* Returns NULL, or the fault of the rule and the remedy. */
static const char *
parse_rule(struct text text, struct sio_history_rule *out)
{
	const char *equals = memrchr(text.at, '=', text.n), *slash;
	struct text count, age;
	uint64_t n;

	*out = (struct sio_history_rule){.limits = {.age_ms = 0}};
	if (equals == NULL)
		return "has no =COUNT; write for example room:*=50/1h";
	if (!parse_names(text_of(text.at, (size_t)(equals - text.at)), out))
		return "names no room; write ROOM=COUNT or /NAMESPACE:ROOM=COUNT";
	count = text_of(equals + 1, text.n - (size_t)(equals - text.at) - 1);
	slash = count.n > 0 ? memchr(count.at, '/', count.n) : NULL;
	if (slash != NULL) {
		age = text_of(slash + 1, count.n - (size_t)(slash - count.at) - 1);
		count.n = (size_t)(slash - count.at);
		if (!parse_age(age, &out->limits.age_ms))
			return "has no valid age; write a number and s, m, h or d, at most 366d";
	}
	if (text_number(count, HISTORY_COUNT_MAX, &n) < 0 || n == 0)
		return "has no valid count; write a number from 1 to 1000";
	out->limits.count = (unsigned)n;
	return NULL;
}

int
sio_history_rules_parse(struct sio_history_rules *out, const char *text, char *error, size_t size)
{
	struct text rest, part;
	const char *wrong;

	*out = (struct sio_history_rules){.text = mem_text(text, strlen(text))};
	rest = text_from(out->text);
	while (text_cut(&rest, ',', &part)) {
		part = text_trim(part);
		if (part.n == 0)
			continue;
		if (out->count == SIO_HISTORY_RULES_MAX) {
			snprintf(error, size, "has more than %d rules", SIO_HISTORY_RULES_MAX);
			goto fail;
		}
		wrong = parse_rule(part, &out->at[out->count++]);
		if (wrong != NULL) {
			snprintf(error, size, "\"%.*s\" %s", part.n < 200 ? (int)part.n : 200, part.at, wrong);
			goto fail;
		}
	}
	return 0;
fail:
	sio_history_rules_fini(out);
	return ERROR_ARGUMENT;
}

void
sio_history_rules_fini(struct sio_history_rules *rules)
{
	mem_free(rules->text);
	*rules = (struct sio_history_rules){.count = 0};
}
