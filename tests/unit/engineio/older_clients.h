/* Polling by clients of protocol revision 3 and by JSONP, and a server that serves both. */
#ifndef TESTS_UNIT_ENGINEIO_OLDER_CLIENTS_H
#define TESTS_UNIT_ENGINEIO_OLDER_CLIENTS_H

#include "tests/unit/engineio/fake_clock.h"
#include "tests/unit/engineio/polling_pair.h"

#define V3_POLLING "EIO=3&transport=polling"

/* Starts a server with allowEIO3 and this value of allowJsonp. Returns two connections, which have no session yet. */
HELPER struct pair
older_start(const char *jsonp)
{
	server_start("allowEIO3", "true", "allowJsonp", jsonp, NULL);
	return (struct pair){client_new(), client_new(), ""};
}

HELPER void
older_stop(struct pair *p)
{
	pair_close(p);
	server_stop();
}

HELPER void
older_poll(struct client *c, const char *query, const char *sid)
{
	client_printf(c, "GET /engine.io/?%s&sid=%s HTTP/1.1\r\nHost: h\r\n\r\n", query, sid);
}

HELPER void
older_post(struct client *c, const char *query, const char *sid, const char *type, const void *body, size_t n)
{
	client_printf(c,
		"POST /engine.io/?%s&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		query, sid, type, n);
	client_write(c, body, n);
}

/* Opens a WebSocket for a session of revision 3 and probes it. The server then answers a waiting poll. */
HELPER struct client *
older_probe(const char *sid)
{
	struct client *probing = client_new();
	char query[128];

	snprintf(query, sizeof(query), "EIO=3&transport=websocket&sid=%s", sid);
	client_ws(probing, query);
	ws_out(probing, "2probe");
	assert_text(probing, "3probe");
	clock_advance(100);
	return probing;
}

#endif
