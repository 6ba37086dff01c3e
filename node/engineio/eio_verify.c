/*
 * The checks of a request, in the order of the original (server verify() and handshake()): the first that fails names
 * the error. Look-ups are by exact bytes in our own tables, so there are no inherited names to find.
 */
#include "node/engineio/eio_verify.h"

#include "common/base/error.h"
#include "node/http/http_query.h"

#define TRANSPORT_MAX 16 /* longest transport name and room to see that it is longer */

/* Control characters other than TAB, and DEL; bytes from 128 on are allowed. */
static bool
has_bad_byte(struct text value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* "https://a.example:8080" names the host of a Host field. */
static bool
origin_is_host(struct text origin, struct text host)
{
	struct text scheme = TEXT("://");

	for (size_t i = 0; i + scheme.n <= origin.n; i++) {
		if (text_starts(text_of(origin.at + i, origin.n - i), scheme)) {
			i += scheme.n;
			return host.n > 0 && text_is_nocase(text_of(origin.at + i, origin.n - i), host);
		}
	}
	return false;
}

/*
 * A browser sends the cookies of this host along from any page: a page of somebody else must not open a session as
 * its visitor (CVE-2019-13611). Requests without cookies carry nobody's rights and pass.
 */
static bool
is_foreign(const struct eio_options *o, const struct http_request *r)
{
	struct text origin = http_header_get(r, "origin"), rest, part;

	if (!o->check_origin || origin.at == NULL || http_header_get(r, "cookie").at == NULL)
		return false;
	rest = http_header_get(r, "x-forwarded-host");
	if (origin_is_host(origin, http_header_get(r, "host")) ||
		(text_cut(&rest, ',', &part) && origin_is_host(origin, text_trim(part))))
		return false;
	rest = text_from(o->cors_origin != NULL ? o->cors_origin : "");
	while (text_cut(&rest, ',', &part)) {
		part = text_trim(part);
		if (text_is(part, TEXT("*")) || text_is(part, TEXT("true")) || text_is_nocase(part, origin))
			return false;
	}
	return true;
}

/* What the original checks after its allowRequest is checked by the server's handshake. */
static enum eio_context
verify_handshake(const struct eio_options *o, const struct http_request *r, bool websocket, bool upgrade)
{
	if (r->method != HTTP_GET)
		return EIO_CONTEXT_METHOD;
	if (websocket && !upgrade)
		return EIO_CONTEXT_TRANSPORT_HANDSHAKE;
	if (!websocket &&
		upgrade) /* the original accepts and closes at once; refused before 101 the client knows why */
		return EIO_CONTEXT_TRANSPORT_MISMATCH;
	return is_foreign(o, r) ? EIO_CONTEXT_FOREIGN_ORIGIN : EIO_CONTEXT_COUNT;
}

enum eio_context
eio_verify_revision(const struct eio_arrival *how)
{
	return how->revision == 4 ? EIO_CONTEXT_COUNT : EIO_CONTEXT_PROTOCOL;
}

bool
eio_is_upgrade(const struct http_request *r)
{
	return r->upgrade && http_header_has(r, "Upgrade", "websocket");
}

static unsigned
revision_of(const struct http_request *r)
{
	char version[4];

	return http_query_get(r->query, "EIO", version, sizeof(version)) == 1 && version[0] == '4' ? 4 : 3;
}

/* What a request of an existing session asks for must suit its transport and revision. */
static enum eio_context
verify_further(const struct eio_session *s, const struct eio_arrival *how, bool websocket)
{
	if (how->upgrade != websocket || (!how->upgrade && s->transport->kind != EIO_POLLING))
		return EIO_CONTEXT_TRANSPORT_MISMATCH;
	return how->revision == s->revision ? EIO_CONTEXT_COUNT : EIO_CONTEXT_PROTOCOL_MISMATCH;
}

enum eio_context
eio_verify(struct eio_sessions *all, const struct http_request *r, struct eio_arrival *out)
{
	char name[TRANSPORT_MAX], sid[EIO_SID_LENGTH + 1], b64[2];
	int n = http_query_get(r->query, "transport", name, sizeof(name));
	struct text transport = text_of(name, n > 0 ? (size_t)n : 0);
	bool websocket = text_is(transport, TEXT("websocket"));

	*out = (struct eio_arrival){.upgrade = eio_is_upgrade(r), .revision = revision_of(r)};
	n = http_query_get(r->query, "b64", b64, sizeof(b64));
	out->b64 = n > 0 || n == ERROR_TOO_BIG;
	if (!websocket && !text_is(transport, TEXT("polling")))
		return EIO_CONTEXT_TRANSPORT;
	if (!all->allowed[websocket ? EIO_WEBSOCKET : EIO_POLLING])
		return EIO_CONTEXT_TRANSPORT;
	if (has_bad_byte(http_header_get(r, "origin")))
		return EIO_CONTEXT_ORIGIN;
	n = http_query_get(r->query, "sid", sid, sizeof(sid));
	if (n == 0 || n == ERROR_NOT_FOUND)
		return verify_handshake(all->options, r, websocket, out->upgrade);

	out->session = n > 0 ? eio_sessions_find(all, text_of(sid, (size_t)n)) : NULL;
	/* a poll after the deadline finds no session; a push may bring the very pong, so it is let through */
	if (out->session != NULL && r->method == HTTP_GET) {
		eio_session_expire(out->session);
		out->session = eio_sessions_find(all, text_of(sid, (size_t)n));
	}
	return out->session != NULL ? verify_further(out->session, out, websocket) : EIO_CONTEXT_SID;
}
