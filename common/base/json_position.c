/* Where a text stops being JSON: for a log, after json_check() has refused it. Not fast, and not for anything else.
 */
#include "common/base/json.h"

#include <stdbool.h>

#include "common/base/ascii.h"
#include "common/base/utf8.h"

struct place {
	const char *start, *at, *end;
};

static bool
is_at(const struct place *p, char ch)
{
	return p->at < p->end && *p->at == ch;
}

static bool
take(struct place *p, char ch)
{
	if (!is_at(p, ch))
		return false;
	p->at++;
	return true;
}

static void
skip_blanks(struct place *p)
{
	while (is_at(p, ' ') || is_at(p, '\n') || is_at(p, '\r') || is_at(p, '\t'))
		p->at++;
}

static bool
take_hex(struct place *p)
{
	for (unsigned i = 0; i < 4; i++, p->at++) {
		if (p->at == p->end || ascii_hex_value(*p->at) < 0)
			return false;
	}
	return true;
}

/* Behind its quote. */
static bool
take_string(struct place *p)
{
	while (p->at < p->end && *p->at != '"') {
		if ((unsigned char)*p->at < ' ')
			return false;
		if (!take(p, '\\')) {
			size_t n = 1, left = (size_t)(p->end - p->at);

			while (n < 4 && n < left && !utf8_valid(p->at, n))
				n++;
			if (!utf8_valid(p->at, n))
				return false;
			p->at += n;
		} else if (take(p, 'u')) {
			if (!take_hex(p))
				return false;
		} else if (p->at == p->end || !memchr("\"\\/bfnrt", *p->at, 8)) {
			return false;
		} else {
			p->at++;
		}
	}
	return take(p, '"');
}

static bool
take_digits(struct place *p)
{
	const char *from = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > from;
}

static bool
take_number(struct place *p)
{
	take(p, '-');
	if (!take(p, '0') && !take_digits(p))
		return false;
	if (take(p, '.') && !take_digits(p))
		return false;
	if (!take(p, 'e') && !take(p, 'E'))
		return true;
	if (!take(p, '+'))
		take(p, '-');
	return take_digits(p);
}

static bool
take_word(struct place *p, const char *word)
{
	while (*word != '\0') {
		if (!take(p, *word++))
			return false;
	}
	return true;
}

static bool
take_scalar(struct place *p)
{
	if (take(p, '"'))
		return take_string(p);
	if (is_at(p, 't') || is_at(p, 'f') || is_at(p, 'n'))
		return take_word(p, *p->at == 't' ? "true" : *p->at == 'f' ? "false" : "null");
	return take_number(p);
}

static bool
take_key(struct place *p)
{
	skip_blanks(p);
	if (!take(p, '"') || !take_string(p))
		return false;
	skip_blanks(p);
	return take(p, ':');
}

/* One value; `open` holds the brackets that are open. */
static bool
take_value(struct place *p, char *open, unsigned max_depth)
{
	unsigned depth = 0;

	for (;;) {
		skip_blanks(p);
		if (is_at(p, '{') || is_at(p, '[')) {
			if (depth == max_depth)
				return false;
			open[depth++] = *p->at++;
			skip_blanks(p);
			if (!is_at(p, open[depth - 1] + 2)) { /* '}' and ']' are two behind */
				if (open[depth - 1] == '{' && !take_key(p))
					return false;
				continue;
			}
		} else if (!take_scalar(p)) {
			return false;
		}
		for (;; p->at++) {
			skip_blanks(p);
			if (depth == 0)
				return true;
			if (!is_at(p, open[depth - 1] + 2))
				break;
			depth--;
		}
		if (!take(p, ',') || (open[depth - 1] == '{' && !take_key(p)))
			return false;
	}
}

size_t
json_error_position(struct text t, unsigned max_depth)
{
	struct place p = {t.at, t.at, t.at + t.n};
	char open[JSON_DEPTH_MAX];

	if (max_depth > JSON_DEPTH_MAX)
		max_depth = JSON_DEPTH_MAX;
	(void)take_value(&p, open, max_depth);
	return (size_t)(p.at - p.start);
}
