/* The connections of a server as a whole: its start, its end, their number. */
#include "node/http/http_exchange.h"

void
http_server_init(struct http_server *server, const struct http_limits *limits,
	void (*on_request)(void *arg, struct http_request *r), void *arg)
{
	*server = (struct http_server){.limits = limits, .on_request = on_request, .arg = arg};
	list_init(&server->conns);
}

void
http_server_cut(struct http_server *server)
{
	struct list *link, *next;

	server->closing = true;
	if (!server->conns.next)
		return;
	list_each(link, next, &server->conns)
		conn_close(list_entry(link, struct http_conn, link)->c, REASON_SHUTDOWN);
}

unsigned
http_server_count(const struct http_server *server)
{
	unsigned n = 0;

	if (server->conns.next)
		for (const struct list *link = server->conns.next; link != &server->conns; link = link->next)
			n++;
	return n;
}
