/*
 * Fields that proxies append to, with any content from the client. With one trusted proxy, the client's address is
 * the one that the proxy wrote. Any settings of corsOrigin and trustProxy are accepted or refused, and any origins
 * compared.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/http/http_client.h"
#include "node/http/http_exchange.h"
#include "node/http/http_origin.h"
#include "node/http/http_trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENT_MAX 2000

static struct loop loop;
static struct http_limits limits;
static struct http_server server = {.limits = &limits};
static struct http_conn connection = {.server = &server};
static struct http_trust *nearest, *everybody;

static void
prepare(void)
{
	static const struct conn_limits conn_limits = {.max_kept = 1024};
	static const struct conn_ops ops = {0};
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char error[HTTP_TRUST_ERROR_MAX];
	int pair[2];

	if (connection.c != NULL)
		return;
	loop_init(&loop, ev_loop_new(EVFLAG_AUTO));
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	connection.c =
		conn_new(&loop, pair[0], (struct sockaddr *)&peer, sizeof peer, NULL, &conn_limits, &ops, NULL);
	must(http_trust_new(&nearest, "1", error) == 0 && http_trust_new(&everybody, "true", error) == 0);
	log_set_level(LOG_ERROR);
}

/* The client's text and the proxy's: as one field, or as two. */
static void
check(struct text name, struct text client, struct text proxy, bool together)
{
	char both[CLIENT_MAX + 128], room[CONN_ADDRESS_MAX];
	struct http_header fields[2] = {{name, client}, {name, proxy}};
	struct http_request r = {.conn = &connection, .headers = fields, .header_count = 2};
	bool forwarded = text_is(name, TEXT("Forwarded"));
	struct text host;

	if (together) {
		memcpy(both, client.at, client.n);
		memcpy(both + client.n, ", ", 2);
		memcpy(both + client.n + 2, proxy.at, proxy.n);
		fields[0].value = text_trim(text_of(both, client.n + 2 + proxy.n));
		r.header_count = 1;
	}
	server.trust = nearest;
	must(text_is(http_client_address(&r, room), TEXT("203.0.113.7")));
	must(http_client_secure(&r) == forwarded);
	host = http_client_host(&r);
	must(forwarded ? text_is(host, TEXT("p:1")) : host.n == 0);
	server.trust = everybody;
	(void)http_client_address(&r, room);
	(void)http_client_host(&r);
	server.trust = NULL;
	must(text_is(http_client_address(&r, room), TEXT("127.0.0.1")));
}

static void
check_settings(const char *setting, struct text origin)
{
	struct http_trust *trust;
	struct http_origins *origins;
	char error[HTTP_ORIGIN_ERROR_MAX];

	(void)http_trust_new(&trust, setting, error);
	http_trust_free(trust);
	if (http_origins_new(&origins, setting, error) == 0 && origins != NULL) {
		struct text fixed = http_origins_fixed(origins);

		/* an origin that is sent to every client is itself allowed */
		must(fixed.at == NULL || http_origins_allow(origins, fixed));
		(void)http_origins_allow(origins, origin);
	}
	http_origins_free(origins);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text all = text_of((const char *)data, size), first;
	char *setting;

	prepare();
	if (size == 0 || size > CLIENT_MAX)
		return 0;
	if (!text_cut(&all, '\n', &first))
		first = TEXT("");
	setting = mem_text(first.at, first.n);
	check_settings(setting, all);
	mem_free(setting);
	(void)http_origin_is_host(first, all, true);
	(void)http_origin_is_host(first, all, false);
	if (!http_all(first, HTTP_VCHAR))
		return 0;
	for (int together = 0; together < 2; together++) {
		check(TEXT("X-Forwarded-For"), text_trim(first), TEXT("203.0.113.7"), together);
		check(TEXT("Forwarded"), text_trim(first), TEXT("for=203.0.113.7;proto=https;host=\"p:1\""),
			together);
	}
	return 0;
}
