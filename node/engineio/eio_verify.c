/*
 * The checks of a request, in the order of Engine.IO (verify() and handshake() of its server). The first check that
 * fails determines the error. Names such as "constructor" need no check of their own: unlike a JavaScript object, the
 * tables of transports and sessions contain no inherited names.
 */
#include "node/engineio/eio_verify.h"

#include "common/base/error.h"
#include "common/io/log.h"
#include "node/http/http_client.h"
#include "node/http/http_query.h"

#define LINES_PER_SECOND 1
#define TRANSPORT_MAX 16 /* room for the longest transport name; a name that does not fit is unknown */

/* Returns true for control characters other than TAB, and for DEL. Bytes of 128 and above are allowed. */
static bool
has_bad_byte(struct text value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char byte = (unsigned char)value.at[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return true;
	}
	return false;
}

/* Returns true if the page comes from this host, as the request or a trusted proxy names it. */
static bool
is_own_origin(const struct http_request *r, struct text origin)
{
	bool secure = http_client_secure(r);

	return http_origin_is_host(origin, http_header_get(r, "host"), secure) ||
	       http_origin_is_host(origin, http_client_host(r), secure);
}

static void
log_foreign_origin(struct eio_gate *gate, const struct http_request *r, struct text origin)
{
	char room[CONN_ADDRESS_MAX];
	struct text host = http_client_host(r), address;

	if (!log_allow(&gate->lines, LINES_PER_SECOND, gate->sessions->loop->now))
		return;
	address = http_client_address(r, room);
	log_event(LOG_WARN, "origin_refused", "origin", LOG_TEXT(origin), "host", LOG_TEXT(host), "secure",
		LOG_STR(http_client_secure(r) ? "yes" : "no"), "address", LOG_TEXT(address), "hint",
		LOG_STR("requests with a cookie need this host's origin, or one in corsOrigin"), NULL);
}

/* Returns the origin of the page whose address the field Referer gives, or "null" without that field. */
static struct text
referer_origin(const struct http_request *r)
{
	struct text referer = http_header_get(r, "referer"), rest = referer, scheme, nothing, host;

	/* "https:", "" and "a.example:8080" */
	if (!text_cut(&rest, '/', &scheme) || !text_cut(&rest, '/', &nothing) || nothing.n > 0 ||
		!text_cut(&rest, '/', &host))
		return TEXT("null");
	return text_of(referer.at, (size_t)(host.at + host.n - referer.at));
}

/*
 * Returns the origin of the page that sent a request with a cookie, or TEXT_NONE if the page has this host's origin
 * or the client is not a browser. Without the field Origin the request cannot come from another page, except by
 * JSONP: the browser sends no Origin for a script element.
 */
static struct text
page_origin(const struct http_request *r, bool jsonp, struct buffer *joined)
{
	/* two Origin fields joined are not an origin, and so count as foreign */
	struct text origin = http_header_list(r, "origin", joined);

	if (origin.at != NULL || !jsonp || text_is(http_header_get(r, "sec-fetch-site"), TEXT("same-origin")))
		return origin;
	return referer_origin(r);
}

/*
 * Returns true for a request with a cookie from a foreign page. A browser sends this host's cookies with requests
 * from any page; a foreign page must not open a session in the name of its visitor (CVE-2019-13611). A request
 * without a cookie has no rights to misuse and passes.
 */
static bool
is_foreign_origin(struct eio_gate *gate, const struct http_request *r, bool jsonp)
{
	struct buffer joined;
	struct text origin;
	bool foreign;

	if (!gate->sessions->options->check_origin || http_header_get(r, "cookie").at == NULL)
		return false;
	origin = page_origin(r, jsonp, &joined);
	foreign = origin.at != NULL && !is_own_origin(r, origin) &&
		  !(gate->origins != NULL && http_origins_allow(gate->origins, origin));
	if (foreign)
		log_foreign_origin(gate, r, origin);
	buffer_fini(&joined);
	return foreign;
}

static void
log_jsonp_refused(struct eio_gate *gate, const struct http_request *r)
{
	char room[CONN_ADDRESS_MAX];

	if (gate->told_of_jsonp)
		return;
	gate->told_of_jsonp = true;
	log_event(LOG_WARN, "jsonp_refused", "address", LOG_TEXT(http_client_address(r, room)), "hint",
		LOG_STR("--allow-jsonp serves it"), NULL);
}

/*
 * Finds out whether a handshake by long-polling asks for JSONP, and whether it may. If it may not, a client of
 * revision 3 is refused, because it cannot read another reply. For revision 4, `j` is then a key without a meaning:
 * the stock clients have no JSONP, so it is the application's own.
 */
static enum eio_context
verify_jsonp(struct eio_gate *gate, const struct http_request *r, struct eio_arrival *arrival)
{
	const struct eio_options *options = gate->sessions->options;
	bool allowed = options->allow_jsonp < 0 ? arrival->revision == 3 : options->allow_jsonp > 0;
	int error;

	if (!allowed && (arrival->revision == 4 || !options->allow_eio3))
		return EIO_CONTEXT_COUNT;
	error = eio_jsonp_parse(r->query, &arrival->jsonp);
	if (error == 0 && (allowed || !arrival->jsonp.on))
		return EIO_CONTEXT_COUNT;
	if (error == 0)
		log_jsonp_refused(gate, r);
	return EIO_CONTEXT_JSONP;
}

/* The checks that Engine.IO makes after allowRequest are in eio_server.c. */
static enum eio_context
verify_handshake(struct eio_gate *gate, const struct http_request *r, bool websocket, struct eio_arrival *arrival)
{
	enum eio_context fault = EIO_CONTEXT_COUNT;

	if (r->method != HTTP_GET)
		return EIO_CONTEXT_METHOD;
	if (websocket && !arrival->upgrade)
		return EIO_CONTEXT_TRANSPORT_HANDSHAKE;
	if (!websocket && arrival->upgrade) /* Engine.IO accepts the WebSocket and closes it; a refusal says why */
		return EIO_CONTEXT_TRANSPORT_MISMATCH;
	if (!websocket)
		fault = verify_jsonp(gate, r, arrival);
	if (fault == EIO_CONTEXT_COUNT && is_foreign_origin(gate, r, arrival->jsonp.on))
		fault = EIO_CONTEXT_FOREIGN_ORIGIN;
	return fault;
}

enum eio_context
eio_verify_revision(struct eio_gate *gate, const struct http_request *r, const struct eio_arrival *arrival)
{
	char room[CONN_ADDRESS_MAX];

	if (arrival->revision == 4 || gate->sessions->options->allow_eio3)
		return EIO_CONTEXT_COUNT;
	if (!gate->told_of_eio3) {
		gate->told_of_eio3 = true; /* logged once, because one old device may retry for ever */
		log_event(LOG_WARN, "eio3_refused", "address", LOG_TEXT(http_client_address(r, room)), "hint",
			LOG_STR("--allow-eio3 serves clients of Socket.IO 1 and 2"), NULL);
	}
	return EIO_CONTEXT_PROTOCOL;
}

bool
eio_is_upgrade(const struct http_request *r)
{
	return r->websocket;
}

static unsigned
revision_of(struct text raw)
{
	char version[4];

	return http_query_value(raw, version, sizeof(version)) == 1 && version[0] == '4' ? 4 : 3;
}

/* Checks a request of an existing session against its transport and revision. */
static enum eio_context
verify_further(const struct eio_session *s, const struct eio_arrival *arrival, bool websocket)
{
	if (arrival->upgrade != websocket || (!arrival->upgrade && s->transport->kind != EIO_POLLING))
		return EIO_CONTEXT_TRANSPORT_MISMATCH;
	return arrival->revision == s->revision ? EIO_CONTEXT_COUNT : EIO_CONTEXT_PROTOCOL_MISMATCH;
}

enum eio_context
eio_verify(struct eio_gate *gate, const struct http_request *r, struct eio_arrival *out)
{
	enum { TRANSPORT, REVISION, SID, B64, KEYS };
	static const struct text keys[KEYS] = {
		[TRANSPORT] = {"transport", 9}, [REVISION] = {"EIO", 3}, [SID] = {"sid", 3}, [B64] = {"b64", 3}};
	struct eio_sessions *all = gate->sessions;
	char name[TRANSPORT_MAX], sid[EIO_SID_LENGTH + 1], b64[2];
	struct text raw[KEYS], transport;
	bool websocket;
	int n;

	http_query_find(r->query, keys, KEYS, raw);
	n = http_query_value(raw[TRANSPORT], name, sizeof(name));
	transport = text_of(name, n > 0 ? (size_t)n : 0);
	websocket = text_is(transport, TEXT("websocket"));

	*out = (struct eio_arrival){.upgrade = eio_is_upgrade(r), .revision = revision_of(raw[REVISION])};
	n = http_query_value(raw[B64], b64, sizeof(b64));
	out->b64 = n != 0 && n != ERROR_NOT_FOUND;
	if (!websocket && !text_is(transport, TEXT("polling")))
		return EIO_CONTEXT_TRANSPORT;
	if (!all->allowed[websocket ? EIO_WEBSOCKET : EIO_POLLING])
		return EIO_CONTEXT_TRANSPORT;
	if (has_bad_byte(http_header_get(r, "origin")))
		return EIO_CONTEXT_ORIGIN;
	n = http_query_value(raw[SID], sid, sizeof(sid));
	if (n == 0 || n == ERROR_NOT_FOUND)
		return verify_handshake(gate, r, websocket, out);

	out->session = n > 0 ? eio_sessions_find(all, text_of(sid, (size_t)n)) : NULL;
	/* a poll after the deadline finds no session; a POST is accepted because it may bring the pong */
	if (out->session != NULL && r->method == HTTP_GET && eio_session_expire(out->session))
		out->session = eio_sessions_find(all, text_of(sid, (size_t)n));
	if (out->session != NULL)
		return verify_further(out->session, out, websocket);
	out->late = n > 0 && r->method == HTTP_POST && !websocket && !out->upgrade &&
		    eio_departed_has(&all->departed, text_of(sid, (size_t)n), all->loop->now);
	return EIO_CONTEXT_SID;
}
