#include "node/upstream/upstream_request.h"

#include "node/upstream/upstream_fields.h"

#define PSEUDONYM "sockeye"
#define FORWARDS_MAX 1000000000

bool
upstream_is_idempotent(const struct http_request *request)
{
	return request->method == HTTP_GET || request->method == HTTP_HEAD || request->method == HTTP_OPTIONS ||
	       request->method == HTTP_PUT || request->method == HTTP_DELETE ||
	       text_is(request->method_name, TEXT("TRACE"));
}

bool
upstream_request_asks(const struct http_request *request, struct text protocol)
{
	struct buffer joined;
	bool found = http_list_has(http_header_list(request, "upgrade", &joined), protocol);

	buffer_fini(&joined);
	return found && request->upgrade && protocol.n > 0 && !text_is_nocase(protocol, TEXT("h2c"));
}

static bool
counts_forwards(const struct http_request *request)
{
	return request->method == HTTP_OPTIONS || text_is(request->method_name, TEXT("TRACE"));
}

/* Counts how often the request has passed a server with our Via pseudonym. */
static unsigned
times_passed(const struct http_request *request)
{
	unsigned n = 0;

	for (unsigned i = 0; i < request->header_count; i++) {
		struct text list = request->headers[i].value, part;

		if (!text_is_nocase(request->headers[i].name, TEXT("via")))
			continue;
		while (text_cut(&list, ',', &part))
			n += text_ends(text_trim(part), TEXT(" " PSEUDONYM));
	}
	return n;
}

int
upstream_request_check(const struct http_request *request)
{
	struct text forwards = http_header_get(request, "max-forwards");
	struct upstream_named named;
	uint64_t left;

	if (upstream_named_read(&named, request->headers, request->header_count) < 0)
		return 400;
	if (times_passed(request) >= UPSTREAM_LOOPS_MAX)
		return 508;
	if (forwards.at && counts_forwards(request)) {
		if (text_number(forwards, FORWARDS_MAX, &left) < 0)
			return 400;
		if (left == 0)
			return request->method == HTTP_OPTIONS ? 204 : 405;
	}
	return 0;
}

/* ------------------------------------------------------------------ who asked */

/* Shortens an IPv4 address in the IPv6 form of a dual-stack socket, as other servers write and compare it. */
static struct text
short_address(struct text address)
{
	const struct text mapped = TEXT("::ffff:");

	if (text_starts(address, mapped) && memchr(address.at, '.', address.n))
		return text_of(address.at + mapped.n, address.n - mapped.n);
	return address;
}

/* Appends the values of all fields of this name, joined by commas. Returns the number of bytes written. */
static size_t
head_add_values(struct buffer *out, const struct http_request *request, const char *name)
{
	size_t before = out->len;

	for (unsigned i = 0; i < request->header_count; i++) {
		if (!text_is_nocase(request->headers[i].name, text_from(name)) || request->headers[i].value.n == 0)
			continue;
		if (out->len > before)
			buffer_add(out, ", ", 2);
		buffer_add_text(out, request->headers[i].value);
	}
	return out->len - before;
}

static void
head_add_word(struct buffer *out, size_t *written, struct text word)
{
	if (word.n == 0)
		return;
	if (*written > 0)
		buffer_add(out, ", ", 2);
	buffer_add_text(out, word);
	*written += word.n;
}

static void
head_add_forwarded_for(struct buffer *out, const struct http_request *request, const struct upstream_origin *origin)
{
	struct text name = TEXT("X-Forwarded-For: "), peer = short_address(origin->peer),
		    client = short_address(origin->client);
	size_t before = out->len, written = 0;

	buffer_add_text(out, name);
	if (origin->trusted && origin->says_x)
		written = head_add_values(out, request, "x-forwarded-for");
	else if (origin->trusted && !text_is(client, peer))
		head_add_word(out, &written, client);
	head_add_word(out, &written, peer);
	if (written > 0)
		buffer_add(out, "\r\n", 2);
	else if (buffer_error(out) == 0)
		out->len = before;
}

/*
 * The port that the client asked for: the trusted proxy's X-Forwarded-Port, else the port of the host, else the
 * default port of the scheme.
 */
static struct text
asked_port(const struct http_request *request, const struct upstream_origin *origin)
{
	struct text said = origin->trusted ? http_header_get(request, "x-forwarded-port") : TEXT_NONE;
	const char *colon = origin->host.n > 0 ? memrchr(origin->host.at, ':', origin->host.n) : NULL;

	if (said.n > 0)
		return said;
	if (colon && !memchr(colon, ']', origin->host.n - (size_t)(colon - origin->host.at)))
		return text_of(colon + 1, origin->host.n - (size_t)(colon - origin->host.at) - 1);
	return origin->secure ? TEXT("443") : TEXT("80");
}

static void
head_add_node(struct buffer *out, struct text address)
{
	address = short_address(address);
	if (address.n == 0)
		buffer_add_text(out, TEXT("for=unknown"));
	else if (memchr(address.at, ':', address.n)) {
		buffer_add_text(out, TEXT("for=\"["));
		buffer_add_text(out, address);
		buffer_add_text(out, TEXT("]\""));
	} else {
		buffer_add_text(out, TEXT("for="));
		buffer_add_text(out, address);
	}
}

/*
 * Returns true if `value` can stand in a quoted string without escapes. A valid host can, but a proxy may send
 * anything.
 */
static bool
is_quotable(struct text value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.at[i] == '"' || value.at[i] == '\\')
			return false;
	return value.n > 0;
}

static void
head_add_forwarded_element(struct buffer *out, struct text address, const struct upstream_origin *origin)
{
	head_add_node(out, address);
	if (is_quotable(origin->host)) {
		buffer_add_text(out, TEXT(";host=\""));
		buffer_add_text(out, origin->host);
		buffer_add_text(out, TEXT("\""));
	}
	buffer_add_text(out, origin->secure ? TEXT(";proto=https") : TEXT(";proto=http"));
}

static void
head_add_forwarded(struct buffer *out, const struct http_request *request, const struct upstream_origin *origin)
{
	size_t before;

	buffer_add_text(out, TEXT("Forwarded: "));
	before = out->len;
	if (origin->trusted && !origin->says_x)
		head_add_values(out, request, "forwarded");
	else if (origin->trusted && !text_is(origin->client, origin->peer))
		head_add_forwarded_element(out, origin->client, origin);
	if (out->len > before)
		buffer_add(out, ", ", 2);
	head_add_forwarded_element(out, origin->peer, origin);
	buffer_add(out, "\r\n", 2);
}

static void
head_add_origin(struct buffer *out, const struct http_request *request, const struct upstream_origin *origin)
{
	head_add_forwarded_for(out, request, origin);
	upstream_field_add(out, TEXT("X-Forwarded-Proto"), origin->secure ? TEXT("https") : TEXT("http"));
	if (origin->host.n > 0)
		upstream_field_add(out, TEXT("X-Forwarded-Host"), origin->host);
	upstream_field_add(out, TEXT("X-Forwarded-Port"), asked_port(request, origin));
	head_add_forwarded(out, request, origin);
}

/* ------------------------------------------------------------------- the head */

/* Compares like text_starts() (`prefix`) or text_is(), but ignores case and takes "_" for "-". */
static bool
folds_to(struct text name, struct text shape, bool prefix)
{
	if (prefix ? name.n < shape.n : name.n != shape.n)
		return false;
	for (size_t i = 0; i < shape.n; i++) {
		char byte = name.at[i] == '_' ? '-' : name.at[i];

		if (byte >= 'A' && byte <= 'Z')
			byte = (char)(byte - 'A' + 'a');
		if (byte != shape.at[i])
			return false;
	}
	return true;
}

static bool
is_origin(struct text name, bool trusted)
{
	static const char *const ours[] = {
		"forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"};

	for (unsigned i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (folds_to(name, text_from(ours[i]), false))
			return true;
	return !trusted && (folds_to(name, TEXT("x-forwarded-"), true) || folds_to(name, TEXT("x-real-ip"), false));
}

static void
head_add_field(struct buffer *out, const struct http_request *request, const struct http_header *header)
{
	uint64_t left;

	if (text_is_nocase(header->name, TEXT("max-forwards")) && counts_forwards(request) &&
		text_number(header->value, FORWARDS_MAX, &left) == 0 && left > 0)
		buffer_printf(out, "Max-Forwards: %u\r\n", (unsigned)left - 1);
	else
		upstream_field_add(out, header->name, header->value);
}

/* h2c is left out: it would bypass this gateway, and RFC 9113 3.1 deprecates it. */
static void
head_add_upgrade(struct buffer *out, const struct http_request *request)
{
	size_t written = 0;

	buffer_add_text(out, TEXT("Connection: Upgrade\r\nUpgrade: "));
	for (unsigned i = 0; i < request->header_count; i++) {
		struct text list = request->headers[i].value, part;

		if (!text_is_nocase(request->headers[i].name, TEXT("upgrade")))
			continue;
		while (text_cut(&list, ',', &part))
			if (!text_is_nocase(text_trim(part), TEXT("h2c")))
				head_add_word(out, &written, text_trim(part));
	}
	buffer_add(out, "\r\n", 2);
}

void
upstream_request_write(struct buffer *out, const struct http_request *request, const struct upstream_origin *origin)
{
	struct text host = http_header_get(request, "host");
	struct upstream_named named;

	upstream_named_read(&named, request->headers, request->header_count);
	buffer_add_text(out, request->method_name);
	buffer_add(out, " ", 1);
	buffer_add_text(out, request->target);
	buffer_add_text(out, TEXT(" HTTP/1.1\r\n"));
	upstream_field_add(out, TEXT("Host"), host.at ? host : origin->authority);
	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];

		if (!text_is_nocase(header->name, TEXT("host")) && !text_is_nocase(header->name, TEXT("expect")) &&
			!upstream_is_hop(&named, header->name) && !is_origin(header->name, origin->trusted))
			head_add_field(out, request, header);
	}
	buffer_printf(out, "Via: 1.%u " PSEUDONYM "\r\n", request->minor);
	head_add_origin(out, request, origin);
	if (origin->expect)
		upstream_field_add(out, TEXT("Expect"), TEXT("100-continue"));
	if (request->chunked)
		upstream_field_add(out, TEXT("Transfer-Encoding"), TEXT("chunked"));
	else if (http_header_get(request, "content-length").at)
		buffer_printf(out, "Content-Length: %llu\r\n", (unsigned long long)request->content_length);
	if (request->upgrade)
		head_add_upgrade(out, request);
	buffer_add(out, "\r\n", 2);
}
