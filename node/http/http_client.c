#include "node/http/http_client.h"

#include "common/base/address.h"
#include "common/base/error.h"
#include "common/io/log.h"
#include "node/http/http_exchange.h"
#include "node/http/http_trust.h"

#define ENTRY_SHOWN_MAX 64 /* bytes of a malformed entry that its log line shows */
#define LINES_PER_SECOND 1
#define ENTRIES_MAX 100 /* entries of a list that are read; real chains of proxies are shorter */

/* ------------------------------------------------------------------------- lists */

/* An iteration, from the end, over the entries of all fields of one name. The fields form one list (RFC 9110 5.3). */
struct list_end {
	const struct http_request *r;
	struct text name;
	unsigned field; /* fields before this one are unread */
	struct text rest;
};

static struct list_end
list_end(const struct http_request *r, struct text name)
{
	return (struct list_end){.r = r, .name = name, .field = r->header_count, .rest = TEXT("")};
}

/*
 * Returns true if the byte at `at` is a quotation mark that begins or ends a quoted string, that is, if an even
 * number of backslashes precedes it.
 */
static bool
is_quote(struct text t, size_t at)
{
	size_t slashes = 0;

	if (t.at[at] != '"')
		return false;
	while (slashes < at && t.at[at - 1 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 0;
}

/*
 * Cuts the last entry off the list and trims it. Commas in quoted strings do not count. The list is searched from its
 * end, so an open quotation mark that the client sent cannot hide the entry that a trusted proxy appended.
 */
static struct text
cut_last(struct text *list)
{
	struct text entry = *list;
	bool quoted = false;

	for (size_t i = list->n; i-- > 0;) {
		if (is_quote(*list, i))
			quoted = !quoted;
		else if (list->at[i] == ',' && !quoted) {
			entry = text_of(list->at + i + 1, list->n - i - 1);
			list->n = i;
			return text_trim(entry);
		}
	}
	list->n = 0;
	return text_trim(entry);
}

/*
 * Sets *entry to the previous entry, at first to the last entry of the list. Returns false at the beginning of the
 * list. Empty entries are skipped (RFC 9110 5.6.1).
 */
static bool
list_previous(struct list_end *list, struct text *entry)
{
	for (;;) {
		while (list->rest.n > 0) {
			*entry = cut_last(&list->rest);
			if (entry->n > 0)
				return true;
		}
		do {
			if (list->field == 0)
				return false;
		} while (!text_is_nocase(list->r->headers[--list->field].name, list->name));
		list->rest = list->r->headers[list->field].value;
	}
}

/* ------------------------------------------------------------------------- nodes */

static struct text
strip_quotes(struct text t)
{
	if (t.n >= 2 && t.at[0] == '"' && t.at[t.n - 1] == '"')
		t = text_of(t.at + 1, t.n - 2);
	return t;
}

static bool
is_port(struct text t)
{
	uint64_t port;

	return t.n == 0 || (t.n <= 5 && text_number(t, UINT16_MAX, &port) == 0);
}

/*
 * Reads a node: "192.0.2.1", "192.0.2.1:17085", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", or any of these
 * in quotes. Writes the address to *out, and cuts *node down to its text.
 */
static bool
read_node(struct text *node, struct address *out)
{
	struct text t = strip_quotes(text_trim(*node)), after;
	const char *end;

	if (t.n > 0 && t.at[0] == '[') {
		end = memchr(t.at, ']', t.n);
		if (end == NULL || memchr(t.at, ':', t.n) == NULL)
			return false;
		after = text_of(end + 1, t.n - (size_t)(end - t.at) - 1);
		if (after.n > 0 && (after.at[0] != ':' || !is_port(text_of(after.at + 1, after.n - 1))))
			return false;
		t = text_of(t.at + 1, (size_t)(end - t.at) - 1);
		if (memchr(t.at, ':', t.n) == NULL)
			return false;
	} else if (t.n > 0 && (end = memchr(t.at, ':', t.n)) != NULL && end == memrchr(t.at, ':', t.n)) {
		if (!is_port(text_of(end + 1, t.n - (size_t)(end - t.at) - 1)))
			return false;
		t = text_of(t.at, (size_t)(end - t.at));
	}
	if (t.n >= CONN_ADDRESS_MAX || !address_read(t, out))
		return false;
	*node = t;
	return true;
}

/* ----------------------------------------------------------------------- the chain */

/* The client as the trusted proxies describe it. The texts point into the request. */
struct forwarded {
	struct text address; /* TEXT_NONE: the client is the peer of the connection */
	struct text proto, host;
};

static bool
is_trusted(const struct http_request *r, const struct address *address, unsigned hop)
{
	return http_trust_has(r->conn->server->trust, address, hop);
}

bool
http_client_peer_trusted(const struct http_request *r)
{
	char room[CONN_ADDRESS_MAX];
	struct address peer;
	bool known =
		r->conn->server->trust != NULL && address_read(conn_peer_address(http_request_conn(r), room), &peer);

	return is_trusted(r, known ? &peer : NULL, 0);
}

static void
log_entry(const struct http_request *r, const char *field, struct text entry)
{
	struct conn *c = http_request_conn(r);
	char room[CONN_ADDRESS_MAX];
	struct text peer;

	if (!log_allow(&r->conn->server->entry_lines, LINES_PER_SECOND, conn_loop(c)->now))
		return;
	peer = conn_peer_address(c, room);
	if (entry.n > ENTRY_SHOWN_MAX)
		entry.n = ENTRY_SHOWN_MAX;
	log_event(LOG_WARN, "forwarded_entry", "error", LOG_STR("not an address"), "field", LOG_STR(field), "entry",
		LOG_TEXT(entry), "proxy", LOG_TEXT(peer), NULL);
}

/*
 * Returns the entry that belongs to the n-th hop: the n-th from the end or, if there are fewer, the first. Many
 * proxies replace the list with a single entry.
 */
static struct text
nth_last(const struct http_request *r, struct text name, unsigned n)
{
	struct list_end list = list_end(r, name);
	struct text entry, found = TEXT_NONE;

	while (n-- > 0 && list_previous(&list, &entry))
		found = strip_quotes(entry);
	return found;
}

static void
read_x_forwarded(const struct http_request *r, struct forwarded *said, bool warn)
{
	struct list_end list = list_end(r, TEXT("x-forwarded-for"));
	unsigned hop = 0, taken = 0;
	struct address address;
	struct text entry, node;

	while (taken < ENTRIES_MAX && list_previous(&list, &entry)) {
		taken++;
		node = entry;
		if (!read_node(&node, &address)) {
			if (warn)
				log_entry(r, "X-Forwarded-For", entry);
			warn = false; /* at most one line per request */
			continue;
		}
		said->address = node;
		if (!is_trusted(r, &address, ++hop))
			break;
	}
	said->proto = nth_last(r, TEXT("x-forwarded-proto"), taken > 0 ? taken : 1);
	said->host = nth_last(r, TEXT("x-forwarded-host"), taken > 0 ? taken : 1);
}

/* Cuts the next "name=value" off an element (RFC 7239 section 4). A semicolon in quotes does not end a pair. */
static bool
cut_pair(struct text *rest, struct text *name, struct text *value)
{
	bool quoted = false;
	size_t n = 0;
	const char *mark;
	struct text pair;

	if (rest->n == 0)
		return false;
	for (; n < rest->n && (quoted || rest->at[n] != ';'); n++)
		if (is_quote(*rest, n))
			quoted = !quoted;
	pair = text_trim(text_of(rest->at, n));
	if (n < rest->n)
		n++;
	*rest = text_of(rest->at + n, rest->n - n);
	mark = pair.n > 0 ? memchr(pair.at, '=', pair.n) : NULL;
	*name = mark != NULL ? text_of(pair.at, (size_t)(mark - pair.at)) : pair;
	*value = mark != NULL ? strip_quotes(text_of(mark + 1, pair.n - name->n - 1)) : TEXT("");
	return true;
}

/*
 * Returns true if a hop hides its address on purpose: "unknown" and names that begin with an underscore (RFC 7239
 * section 6).
 */
static bool
is_hidden(struct text node)
{
	return node.n == 0 || node.at[0] == '_' ||
	       (node.n >= 7 && text_is_nocase(text_of(node.at, 7), TEXT("unknown")));
}

static void
read_forwarded(const struct http_request *r, struct forwarded *said, bool warn)
{
	struct list_end list = list_end(r, TEXT("forwarded"));
	struct text element, name, value;

	for (unsigned hop = 1; hop <= ENTRIES_MAX && list_previous(&list, &element); hop++) {
		struct text node = TEXT("");
		struct address address;
		bool known;

		while (cut_pair(&element, &name, &value)) {
			if (text_is_nocase(name, TEXT("for")))
				node = value;
			else if (text_is_nocase(name, TEXT("proto")))
				said->proto = value;
			else if (text_is_nocase(name, TEXT("host")))
				said->host = value;
		}
		known = read_node(&node, &address);
		if (known)
			said->address = node;
		else if (warn && !is_hidden(node))
			log_entry(r, "Forwarded", node);
		if (!is_trusted(r, known ? &address : NULL, hop))
			break;
	}
}

bool
http_client_says_x(const struct http_request *r)
{
	return http_header_get(r, "x-forwarded-for").at != NULL ||
	       http_header_get(r, "x-forwarded-proto").at != NULL ||
	       http_header_get(r, "x-forwarded-host").at != NULL;
}

static struct forwarded
client_read_fields(const struct http_request *r, bool warn)
{
	struct forwarded said = {TEXT_NONE, TEXT_NONE, TEXT_NONE};

	if (!http_client_peer_trusted(r))
		return said;
	if (http_client_says_x(r))
		read_x_forwarded(r, &said, warn);
	else
		read_forwarded(r, &said, warn);
	return said;
}

struct text
http_client_address(const struct http_request *r, char out[CONN_ADDRESS_MAX])
{
	struct text address = client_read_fields(r, true).address;

	if (address.at == NULL)
		return conn_peer_address(http_request_conn(r), out);
	memcpy(out, address.at, address.n);
	out[address.n] = '\0';
	return text_of(out, address.n);
}

bool
http_client_secure(const struct http_request *r)
{
	struct text proto = client_read_fields(r, false).proto;

	if (proto.n == 0)
		return conn_is_tls(http_request_conn(r));
	return text_is_nocase(proto, TEXT("https")) || text_is_nocase(proto, TEXT("wss"));
}

struct text
http_client_host(const struct http_request *r)
{
	struct text host = client_read_fields(r, false).host;

	return host.n > 0 ? host : http_header_get(r, "host");
}
