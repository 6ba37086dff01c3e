/*
 * Where a bus is, as a URL:
 *   redis://[user[:password]@]host[:port][/db]     rediss://... the same over TLS
 *   unix:///path[?db=N&user=U&password=P]
 * User, password and path are percent-decoded.
 */
#ifndef BROKER_BUS_URL_H
#define BROKER_BUS_URL_H

#include <stdbool.h>
#include <stdint.h>

struct bus_url {
	char *host; /* NULL: a unix socket */
	uint16_t port;
	char *path;	       /* of the unix socket, or the abstract name of the hub */
	bool hub, tls;	       /* hub: `path` is abstract */
	char *user, *password; /* NULL: none */
	uint32_t db;
};

/* 0, or ERROR_ARGUMENT with one line in `error` (BUS_ERROR_MAX bytes), which shows no password. */
int bus_url_parse(struct bus_url *out, const char *url, char *error);
/* Not a URL, but the abstract unix socket of this machine's hub, by the name of hub_listen(). */
void bus_url_of_hub(struct bus_url *out, const char *name);
void bus_url_fini(struct bus_url *u);

/* "redis.example:6379", "/run/redis.sock", "hub": for log lines. */
#define BUS_URL_NAME_MAX 160
void bus_url_name(const struct bus_url *u, char out[BUS_URL_NAME_MAX]);

#endif
