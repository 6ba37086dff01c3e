/*
 * The address of a bus, as a URL:
 *   redis://[user[:password]@]host[:port][,host[:port]]...[/db]
 *   redis+sentinel://[user[:password]@]host[:port][,host[:port]].../master[/db]
 *   redis+cluster://[user[:password]@]host[:port][,host[:port]]...
 *   unix:///path[?db=N&user=U&password=P]
 * rediss://, rediss+sentinel:// and rediss+cluster:// are the same over TLS. If redis:// names several hosts, one of
 * them is in use, and the next one replaces it when it fails. The hosts of redis+sentinel:// are sentinels, which
 * know the address of the master with that name; user, password and database are those of the master. The hosts of
 * redis+cluster:// are some members of a Redis Cluster, which know the others. User, password, path and the master's
 * name are percent-decoded.
 */
#ifndef BROKER_BUS_URL_H
#define BROKER_BUS_URL_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_URL_HOSTS_MAX 16
#define BUS_URL_HOST_MAX 253 /* bytes of a host name: RFC 1035, section 2.3.4, without the final dot */

struct bus_host {
	char *name;
	uint16_t port;
};

struct bus_url {
	char *host; /* the server in use; NULL: a unix socket, or a master or a member that is not found yet */
	uint16_t port;
	struct bus_host *hosts;	      /* all hosts of the URL */
	unsigned host_count, host_at; /* host_at: index of the host in use */
	char *master;		      /* name of the master, if `hosts` are sentinels; otherwise NULL */
	char *path;		      /* path of the unix socket, or the abstract name of the hub */
	bool cluster;		      /* `hosts` are members of a Redis Cluster */
	bool hub, tls;		      /* hub: `path` is an abstract name */
	char *user, *password;	      /* NULL: not given */
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

/* Replaces the server in use by the next host of the URL. Does nothing if the URL names one host, or no server. */
void bus_url_next(struct bus_url *url);
/* Replaces the server in use by one that a sentinel or a member of the cluster has named. */
void bus_url_use(struct bus_url *url, const char *host, uint16_t port);

/*
 * Writes the address for log lines: "redis.example:6379", "/run/redis.sock", "hub", the name of a master that is not
 * found yet, or "cluster" if no member is.
 */
#define BUS_URL_NAME_MAX 160
void bus_url_name(const struct bus_url *url, char out[BUS_URL_NAME_MAX]);

#endif
