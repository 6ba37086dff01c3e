/*
 * The address of a bus, as a URL:
 *   redis://[user[:password]@]host[:port][/db]     rediss://... for TLS
 *   unix:///path[?db=N&user=U&password=P]
 * User, password and path are percent-decoded.
 */
#ifndef BROKER_BUS_URL_H
#define BROKER_BUS_URL_H

#include <stdbool.h>
#include <stdint.h>

struct bus_url {
	char *host; /* NULL: the address is a unix socket */
	uint16_t port;
	char *path;	       /* path of the unix socket, or the abstract name of the hub */
	bool hub, tls;	       /* hub: `path` is an abstract name */
	char *user, *password; /* NULL: not given */
	uint32_t db;
};

/*
 * Returns 0, or ERROR_ARGUMENT with one line of text in `error` (BUS_ERROR_MAX bytes), which never contains the
 * password.
 */
int bus_url_parse(struct bus_url *out, const char *url, char *error);
/* Sets the address of this machine's hub, whose abstract socket name comes from hub_listen(). */
void bus_url_of_hub(struct bus_url *out, const char *name);
void bus_url_fini(struct bus_url *url);

/* Writes the address for log lines: "redis.example:6379", "/run/redis.sock" or "hub". */
#define BUS_URL_NAME_MAX 160
void bus_url_name(const struct bus_url *url, char out[BUS_URL_NAME_MAX]);

#endif
