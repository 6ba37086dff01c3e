#include "node/http/http_origin.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/pattern.h"
#include "node/http/http_field.h"
#include "node/http/http_head.h"

#define SHOWN_MAX 100 /* bytes of an item that an error line shows */
#define PORT_NONE 0

/* ----------------------------------------------------------------- one origin */

/* "a.example:8080" or "[::1]:80", split. */
struct place {
	struct text host;
	struct text port; /* digits; TEXT_NONE: no port given */
};

static struct place
origin_place(struct text authority)
{
	const char *colon = authority.n > 0 ? memrchr(authority.at, ':', authority.n) : NULL;
	struct place place = {authority, TEXT_NONE};

	if (colon == NULL || memchr(colon, ']', authority.n - (size_t)(colon - authority.at)) != NULL)
		return place;
	place.host.n = (size_t)(colon - authority.at);
	place.port = text_of(colon + 1, authority.n - place.host.n - 1);
	return place;
}

static unsigned
default_port(struct text scheme)
{
	if (text_is_nocase(scheme, TEXT("https")) || text_is_nocase(scheme, TEXT("wss")))
		return 443;
	return text_is_nocase(scheme, TEXT("http")) || text_is_nocase(scheme, TEXT("ws")) ? 80 : PORT_NONE;
}

static unsigned
origin_port(const struct place *place, unsigned otherwise)
{
	uint64_t port = otherwise;

	if (place->port.at != NULL && text_number(place->port, UINT16_MAX, &port) != 0)
		return PORT_NONE;
	return (unsigned)port;
}

static struct text
without_dot(struct text host)
{
	if (host.n > 0 && host.at[host.n - 1] == '.')
		host.n--;
	return host;
}

/* Cuts the scheme and "://" off the beginning. */
static bool
origin_cut_scheme(struct text *rest, struct text *scheme)
{
	const char *mark = rest->n > 0 ? memmem(rest->at, rest->n, "://", 3) : NULL;

	if (mark == NULL || mark == rest->at)
		return false;
	*scheme = text_of(rest->at, (size_t)(mark - rest->at));
	*rest = text_of(mark + 3, rest->n - scheme->n - 3);
	return true;
}

bool
http_origin_is_host(struct text origin, struct text host, bool secure)
{
	struct place page, here = origin_place(host);
	struct text scheme;
	unsigned port;

	if (!origin_cut_scheme(&origin, &scheme) || (port = default_port(scheme)) == PORT_NONE ||
		(secure && port != 443))
		return false;
	page = origin_place(origin);
	page.host = without_dot(page.host);
	here.host = without_dot(here.host);
	if (page.host.n == 0 || !text_is_nocase(page.host, here.host))
		return false;
	return origin_port(&page, port) == origin_port(&here, port) && origin_port(&page, port) != PORT_NONE;
}

/* ---------------------------------------------------------------- the setting */

struct item {
	struct text whole;	 /* "https://a.example", "null" */
	size_t before;		 /* length of the scheme and "://" before a star; 0 without a star */
	struct pattern *pattern; /* a compiled regular expression; NULL for other items */
};

struct http_origins {
	char *setting; /* owned; the texts point into it */
	bool any;      /* the option is "*" or "true" */
	bool fixed;    /* the option is "*" or a single origin */
	unsigned count;
	struct item *items;
};

void
http_origins_free(struct http_origins *origins)
{
	if (origins == NULL)
		return;
	for (unsigned i = 0; i < origins->count; i++)
		pattern_free(origins->items[i].pattern);
	mem_free(origins->items);
	mem_free(origins->setting);
	mem_free(origins);
}

static int
origin_refuse(char *error, struct text item, const char *why)
{
	snprintf(error, HTTP_ORIGIN_ERROR_MAX, "option --cors-origin: \"%.*s\" %s",
		item.n < SHOWN_MAX ? (int)item.n : SHOWN_MAX, item.at, why);
	return ERROR_ARGUMENT;
}

/* As origin_refuse(), and shows how the origin must be written. */
static int
origin_refuse_spelling(char *error, struct text item, const char *why, struct text scheme, const struct place *place)
{
	unsigned port = origin_port(place, PORT_NONE);
	struct buffer right;
	char line[SHOWN_MAX * 2];

	buffer_init(&right, HTTP_ORIGIN_ERROR_MAX);
	buffer_add_text(&right, scheme);
	buffer_add_text(&right, TEXT("://"));
	buffer_add_text(&right, place->host);
	for (size_t i = 0; i < right.len; i++)
		if (right.data[i] >= 'A' && right.data[i] <= 'Z')
			right.data[i] |= 0x20;
	if (port != PORT_NONE && port != default_port(scheme))
		buffer_printf(&right, ":%u", port);
	snprintf(line, sizeof line, "%s (use %.*s)", why, right.len < SHOWN_MAX ? (int)right.len : SHOWN_MAX,
		right.len > 0 ? (const char *)right.data : "");
	buffer_fini(&right);
	return origin_refuse(error, item, line);
}

static bool
has_capital(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.at[i] >= 'A' && t.at[i] <= 'Z')
			return true;
	return false;
}

/* Validates a scheme, RFC 3986 3.1. */
static bool
is_scheme(struct text t)
{
	for (size_t i = 0; i < t.n; i++) {
		uint8_t byte = (uint8_t)t.at[i];
		bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';

		if (!letter &&
			(i == 0 || (!http_is(byte, HTTP_DIGIT) && (byte == '\0' || strchr("+-.", byte) == NULL))))
			return false;
	}
	return t.n > 0;
}

/* Returns the length of host and port, up to the beginning of a path, query or fragment. */
static size_t
authority_length(struct text t)
{
	size_t n = 0;

	while (n < t.n && t.at[n] != '/' && t.at[n] != '?' && t.at[n] != '#')
		n++;
	return n;
}

static int
origin_read(struct item *item, struct text t, char *error)
{
	struct text rest = t, scheme, authority, host;
	struct place place;
	bool star;

	item->whole = t;
	if (text_is(t, TEXT("null")))
		return 0;
	for (size_t i = 0; i < t.n; i++)
		if (!http_is((uint8_t)t.at[i], HTTP_URI) && t.at[i] != '#')
			return origin_refuse(error, t,
				t.at[i] == ' ' || t.at[i] == '\t'
					? "contains a blank (separate origins with commas)"
					: "has a character that origins cannot have (write names in ASCII: xn--...)");
	if (!origin_cut_scheme(&rest, &scheme))
		return origin_refuse(error, t, "has no scheme (use https:// or http:// and the host)");
	if (!is_scheme(scheme))
		return origin_refuse(error, t, "has an invalid scheme (use https:// or http:// and the host)");
	authority = text_of(rest.at, authority_length(rest));
	place = origin_place(authority);
	star = text_starts(place.host, TEXT("*."));
	host = star ? text_of(place.host.at + 2, place.host.n - 2) : place.host;
	if (memchr(host.at, '*', host.n) != NULL)
		return origin_refuse(error, t, "has a misplaced * (use https://*.example.com)");
	if (!http_authority_valid(host) ||
		(place.port.at != NULL && (origin_port(&place, PORT_NONE) == PORT_NONE || place.port.at[0] == '0')))
		return origin_refuse(error, t, "has an invalid host or port");
	if (authority.n < rest.n)
		return origin_refuse_spelling(error, t, "has a path, which origins do not have", scheme, &place);
	if (place.port.at != NULL && origin_port(&place, PORT_NONE) == default_port(scheme))
		return origin_refuse_spelling(error, t, "has the default port, which browsers omit", scheme, &place);
	if (has_capital(t))
		return origin_refuse_spelling(
			error, t, "has capital letters, which browsers write in lower case", scheme, &place);
	item->before = star ? scheme.n + 3 : 0;
	return 0;
}

/* Cuts a regular expression like "/a,b/i" off. A slash that is escaped or in brackets does not end it. */
static int
read_pattern(struct item *item, struct text *rest, char *error)
{
	static const char letters[] = "imsu";
	static const unsigned meaning[] = {PATTERN_NOCASE, PATTERN_LINES, PATTERN_DOT_ALL, 0};
	size_t end = 1, n;
	bool class = false;
	unsigned flags = 0;
	char why[PATTERN_ERROR_MAX];
	struct text whole = *rest;
	const char *letter;

	for (; end < whole.n && (class || whole.at[end] != '/'); end++) {
		if (whole.at[end] == '\\')
			end++;
		else if (whole.at[end] == '[' || whole.at[end] == ']')
			class = whole.at[end] == '[';
	}
	if (end >= whole.n)
		return origin_refuse(error, whole, "is a regular expression without a closing slash");
	for (n = end + 1; n < whole.n && whole.at[n] != ','; n++) {
		letter = whole.at[n] != '\0' ? strchr(letters, whole.at[n]) : NULL;
		if (letter == NULL && whole.at[n] != ' ')
			return origin_refuse(error, text_of(whole.at, n + 1),
				"has an unknown flag after the regular expression (use i, m, s or u)");
		flags |= letter != NULL ? meaning[letter - letters] : 0;
	}
	*rest = text_of(whole.at + n, whole.n - n);
	item->whole = text_of(whole.at, n);
	item->pattern = pattern_new(text_of(whole.at + 1, end - 1), flags, why);
	return item->pattern != NULL ? 0 : origin_refuse(error, item->whole, why);
}

static int
read_item(struct item *item, struct text *rest, char *error)
{
	struct text t;

	if (text_starts(*rest, TEXT("/")))
		return read_pattern(item, rest, error);
	t = *rest;
	t.n = (size_t)((const char *)(memchr(t.at, ',', t.n) != NULL ? memchr(t.at, ',', t.n) : t.at + t.n) - t.at);
	*rest = text_of(rest->at + t.n, rest->n - t.n);
	t = text_trim(t);
	if (t.n == 0)
		return origin_refuse(error, t, "is an empty item (separate origins with one comma)");
	if (text_is(t, TEXT("*")) || text_is(t, TEXT("true")))
		return origin_refuse(error, t, "allows every origin and must be the only item");
	return origin_read(item, t, error);
}

static int
read_items(struct http_origins *origins, struct text rest, char *error)
{
	int result;

	for (;;) {
		origins->items = mem_realloc(origins->items, (origins->count + 1) * sizeof origins->items[0]);
		origins->items[origins->count] = (struct item){.whole = TEXT_NONE};
		result = read_item(&origins->items[origins->count++], &rest, error);
		if (result < 0 || rest.n == 0)
			return result;
		rest = text_trim(text_of(rest.at + 1, rest.n - 1)); /* skip the comma */
	}
}

int
http_origins_new(struct http_origins **out, const char *setting, char *error)
{
	struct text t = text_trim(text_from(setting != NULL ? setting : ""));
	struct http_origins *origins;
	int result = 0;

	*out = NULL;
	if (t.n == 0 || text_is(t, TEXT("false")))
		return 0;
	origins = mem_zalloc(sizeof *origins);
	origins->setting = mem_text(t.at, t.n);
	t.at = origins->setting;
	origins->any = text_is(t, TEXT("*")) || text_is(t, TEXT("true"));
	if (origins->any)
		origins->fixed = t.n == 1;
	else
		result = read_items(origins, t, error);
	if (result < 0) {
		http_origins_free(origins);
		return result;
	}
	if (!origins->any)
		origins->fixed =
			origins->count == 1 && origins->items[0].pattern == NULL && origins->items[0].before == 0;
	*out = origins;
	return 0;
}

struct text
http_origins_fixed(const struct http_origins *origins)
{
	return origins->fixed ? text_from(origins->setting) : TEXT_NONE;
}

/* Returns true if the star matches at least one character, and only characters of a host name. */
static bool
star_matches(const struct item *item, struct text origin)
{
	struct text before = text_of(item->whole.at, item->before);
	struct text after = text_of(item->whole.at + item->before + 1, item->whole.n - item->before - 1);

	if (origin.n <= before.n + after.n || !text_starts(origin, before) || !text_ends(origin, after))
		return false;
	for (size_t i = before.n; i < origin.n - after.n; i++)
		if (strchr(":/@?#", origin.at[i]) != NULL)
			return false;
	return origin.at[before.n] != '.';
}

bool
http_origins_allow(const struct http_origins *origins, struct text origin)
{
	if (origins->any)
		return true;
	for (unsigned i = 0; i < origins->count; i++) {
		const struct item *item = &origins->items[i];

		if (item->pattern != NULL  ? pattern_matches(item->pattern, origin)
			: item->before > 0 ? star_matches(item, origin)
					   : text_is(item->whole, origin))
			return true;
	}
	return false;
}
