#include "node/http/http_head.h"

#include <arpa/inet.h>

#include "common/base/ascii.h"
#include "common/base/error.h"

/* Sets r->method. Returns 0, or the status for a method that HTTP/1.1 requests do not have. */
static int
head_read_method(struct http_request *r)
{
	static const struct text known[] = {
		[HTTP_GET] = {"GET", 3},
		[HTTP_HEAD] = {"HEAD", 4},
		[HTTP_POST] = {"POST", 4},
		[HTTP_PUT] = {"PUT", 3},
		[HTTP_DELETE] = {"DELETE", 6},
		[HTTP_OPTIONS] = {"OPTIONS", 7},
		[HTTP_PATCH] = {"PATCH", 5},
	};
	/* The other methods that Node.js accepts. CONNECT is missing, because it is not supported for any target; the
	 * status is therefore not 405 (RFC 9110 15.6.2). */
	static const char *const others[] = {"TRACE", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH",
		"SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE",
		"M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "MKCALENDAR", "LINK", "UNLINK", "SOURCE"};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (text_is(r->method_name, known[i])) {
			r->method = (enum http_method)i;
			return 0;
		}
	r->method = HTTP_OTHER;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (text_is(r->method_name, text_from(others[i])))
			return 0;
	return text_is(r->method_name, TEXT("PRI")) ? 400 : 501; /* PRI begins HTTP/2 (RFC 9113 3.4) */
}

/* Returns the last field of that name, or NULL; sets *count to the number of such fields. */
static struct http_header *
find_field(const struct http_request *r, struct http_header *headers, struct text name, unsigned *count)
{
	struct http_header *found = NULL;

	*count = 0;
	if (r->absent & http_name_bit(name.at[0], name.n))
		return NULL;
	for (unsigned i = 0; i < r->header_count; i++)
		if (text_is_nocase(headers[i].name, name)) {
			found = &headers[i];
			(*count)++;
		}
	return found;
}

/* Returns the length of "[2001:db8::1]" at the beginning, or 0. */
static size_t
ipv6_literal(struct text t)
{
	char address[INET6_ADDRSTRLEN];
	const char *end = memchr(t.at, ']', t.n);
	size_t n = end ? (size_t)(end - t.at) - 1 : 0;
	uint8_t binary[16];

	if (!end || n >= sizeof(address))
		return 0;
	memcpy(address, t.at + 1, n);
	address[n] = '\0';
	return inet_pton(AF_INET6, address, binary) == 1 ? n + 2 : 0;
}

/*
 * Returns the length of a registered name or IPv4 address at the beginning, up to ":" or the end; 0 if it is
 * malformed.
 */
static size_t
host_name(struct text t)
{
	size_t i;

	for (i = 0; i < t.n && t.at[i] != ':'; i++) {
		uint8_t byte = (uint8_t)t.at[i];

		if (http_is(byte, HTTP_NAME))
			continue;
		if (ascii_percent(text_of(t.at + i, t.n - i)) < 0)
			return 0;
		i += 2;
	}
	return i;
}

bool
http_authority_valid(struct text t)
{
	size_t i = t.n && t.at[0] == '[' ? ipv6_literal(t) : host_name(t), port;

	if (i == 0)
		return false;
	if (i == t.n)
		return true;
	if (t.at[i++] != ':' || t.n - i > 5)
		return false;
	for (port = i; port < t.n; port++)
		if (!http_is((uint8_t)t.at[port], HTTP_DIGIT))
			return false;
	return true;
}

static bool
starts_nocase(struct text t, struct text prefix)
{
	return t.n >= prefix.n && text_is_nocase(text_of(t.at, prefix.n), prefix);
}

/* Validates Host and the form of the target (RFC 9112 3.2). */
static int
head_read_target(struct http_request *r, struct http_header *headers)
{
	struct http_header *host;
	struct text t = r->target;
	unsigned hosts;
	const char *mark;

	host = find_field(r, headers, TEXT("host"), &hosts);
	if (hosts > 1 || (hosts == 0 && r->minor == 1) || (hosts && !http_authority_valid(host->value)))
		return 400;
	if (starts_nocase(t, TEXT("http://")) || starts_nocase(t, TEXT("https://"))) {
		size_t from = (size_t)((const char *)memchr(t.at, '/', t.n) - t.at) + 2, end = from;
		struct text authority;

		while (end < t.n && t.at[end] != '/' && t.at[end] != '?')
			end++;
		authority = text_of(t.at + from, end - from);
		/*
		 * A query directly after the authority is refused. Clients insert the missing "/" (RFC 9110 4.2.3).
		 */
		if (!http_authority_valid(authority) || (end < t.n && t.at[end] == '?'))
			return 400;
		r->target = end < t.n ? text_of(t.at + end, t.n - end) : TEXT("/");
		if (hosts)
			host->value = authority;
	} else if (text_is(t, TEXT("*"))) {
		if (r->method != HTTP_OPTIONS)
			return 400;
	} else if (t.at[0] != '/')
		return 400;

	r->path = r->target;
	r->query = TEXT("");
	mark = memchr(r->target.at, '?', r->target.n);
	if (mark) {
		r->path.n = (size_t)(mark - r->target.at);
		r->query = text_of(mark + 1, r->target.n - r->path.n - 1);
	}
	return 0;
}

/*
 * Returns 0 for "chunked" alone, which is the only supported coding. Returns 501 for other codings followed by one
 * "chunked". Returns 400 for everything else, because the end of the body is unknown (RFC 9112 6.1 and 6.3).
 */
static int
coding_status(struct text value)
{
	const struct text chunked = TEXT("chunked");
	const char *comma = value.n ? memrchr(value.at, ',', value.n) : NULL;
	struct text before, last;

	if (text_is_nocase(value, chunked))
		return 0;
	if (!comma)
		return 400;
	before = text_of(value.at, (size_t)(comma - value.at));
	last = text_of(comma + 1, value.n - before.n - 1);
	return text_is_nocase(text_trim(last), chunked) && !http_list_has(before, chunked) ? 501 : 400;
}

/*
 * Returns true if a TAB follows the value of a field in its line. It would not matter, but parsers of other servers
 * take it for a part of the value.
 */
static bool
has_tab_behind(const struct http_header *header)
{
	const char *at = header->value.at + header->value.n;

	while (*at == ' ')
		at++;
	return *at == '\t';
}

/*
 * Determines where the body ends (RFC 9112 6.3). Stricter than the RFC: anything that two parsers could read
 * differently is refused.
 */
static int
head_read_framing(struct http_request *r, struct http_header *headers)
{
	struct http_header *coding, *length;
	unsigned codings, lengths;
	int status;

	coding = find_field(r, headers, TEXT("transfer-encoding"), &codings);
	length = find_field(r, headers, TEXT("content-length"), &lengths);
	if (codings && (lengths || codings > 1 || r->minor == 0))
		return 400;
	if (codings && (status = coding_status(coding->value)) != 0)
		return status;
	if (codings && has_tab_behind(coding))
		return 400;
	if (lengths > 1 || (lengths && has_tab_behind(length)))
		return 400;
	if (lengths && text_number(length->value, INT64_MAX, &r->content_length) != 0)
		return 400;
	r->chunked = codings > 0;
	r->has_body = r->chunked || r->content_length > 0;
	return 0;
}

static int
head_read_expect(struct http_request *r, bool *expect)
{
	struct text value = http_header_get(r, "expect");

	*expect = false;
	if (!value.at || r->minor == 0)
		return 0;
	if (!text_is_nocase(value, TEXT("100-continue")))
		return 417;
	*expect = r->has_body;
	return 0;
}

enum { SAYS_CLOSE = 1, SAYS_KEEP_ALIVE = 2, SAYS_UPGRADE = 4 };

/* Returns which of these options the Connection fields list (RFC 9110 7.6.1). */
static unsigned
connection_options(const struct http_request *r)
{
	unsigned said = 0;

	if (!http_may_have(r, "connection"))
		return 0;
	for (unsigned i = 0; i < r->header_count; i++) {
		struct text list = r->headers[i].value, option;

		if (!text_is_nocase(r->headers[i].name, TEXT("connection")))
			continue;
		while (text_cut(&list, ',', &option)) {
			option = text_trim(option);
			if (text_is_nocase(option, TEXT("keep-alive")))
				said |= SAYS_KEEP_ALIVE;
			else if (text_is_nocase(option, TEXT("upgrade")))
				said |= SAYS_UPGRADE;
			else if (text_is_nocase(option, TEXT("close")))
				said |= SAYS_CLOSE;
		}
	}
	return said;
}

/*
 * Determines persistence and upgrade. An upgrade to h2c is ignored: clients that try it continue in HTTP/1.1 (RFC
 * 9113 3.1 deprecates it).
 */
static void
head_read_connection(struct http_request *r)
{
	struct text protocol = http_header_get(r, "upgrade");
	unsigned said = connection_options(r);

	r->keep_alive = (said & SAYS_CLOSE) == 0 && (r->minor == 1 || (said & SAYS_KEEP_ALIVE) != 0);
	r->upgrade = (said & SAYS_UPGRADE) != 0 && r->minor == 1 && !r->has_body && protocol.n > 0 &&
		     !text_is_nocase(protocol, TEXT("h2c"));
	r->websocket = r->upgrade &&
		       (text_is_nocase(protocol, TEXT("websocket")) || http_header_has(r, "upgrade", "websocket"));
}

int
http_head_use(const struct http_split *split, struct http_header *headers, struct http_request *r, bool *expect)
{
	int status;

	r->method_name = split->method;
	r->target = split->target;
	r->minor = split->minor;
	r->headers = headers;
	r->header_count = split->count;
	r->absent = ~split->names;
	status = head_read_method(r);
	if (!status)
		status = head_read_target(r, headers);
	if (!status)
		status = head_read_framing(r, headers);
	if (!status)
		status = head_read_expect(r, expect);
	if (!status)
		head_read_connection(r);
	return status;
}

int
http_head_read(struct text head, struct http_header *headers, unsigned fields, struct http_request *r, bool *expect)
{
	struct http_split split;

	if (http_split((const uint8_t *)head.at, head.n, head.n, fields, headers, &split) != head.n)
		return 400;
	return http_head_use(&split, headers, r, expect);
}
