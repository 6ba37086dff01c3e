#include "broker/bus_url.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "broker/bus_form.h"
#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/secret_file.h"

#define REDIS_PORT 6379
#define SENTINEL_PORT 26379
#define PART_MAX 1024 /* maximum bytes of a name, password, host or path; tokens of cloud services are long */
#define UNIX_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path - 1) /* 107 */
#define DB_MAX 1000000							 /* more databases than any server has */

static int
url_error(char *error, const char *what)
{
	snprintf(error, BUS_ERROR_MAX,
		"option --redis: %s (use redis://[user:password@]host[:port][/db], rediss://..., "
		"redis+sentinel://host,host/master, redis+cluster://host,host or unix:///path)",
		what);
	return ERROR_ARGUMENT;
}

/* Returns a heap copy with percent-encoding removed, or NULL if the text is malformed or contains a NUL. */
static char *
url_decode(struct text t)
{
	char *out;
	size_t n = 0;

	if (t.n > PART_MAX)
		return NULL;
	out = mem_alloc(t.n + 1); /* small: from the configuration */
	for (size_t i = 0; i < t.n; i++) {
		int byte;

		out[n] = t.at[i];
		if (t.at[i] == '%') {
			byte = ascii_percent(text_of(t.at + i, t.n - i));
			if (byte < 0)
				goto bad;
			out[n] = (char)byte;
			i += 2;
		}
		if (out[n++] == '\0')
			goto bad;
	}
	out[n] = '\0';
	return out;
bad:
	mem_free(out);
	return NULL;
}

static int
url_set_part(char **to, struct text t, const char *what, char *error)
{
	mem_free(*to);
	*to = url_decode(t);
	return *to != NULL ? 0 : url_error(error, what);
}

/* user, user:password or :password */
static int
url_set_login(struct bus_url *url, struct text login, char *error)
{
	const char *colon = memchr(login.at, ':', login.n);
	struct text user = login, password = TEXT_NONE;
	int rc = 0;

	if (colon != NULL) {
		user.n = (size_t)(colon - login.at);
		password = text_of(colon + 1, login.n - user.n - 1);
	}
	if (user.n > 0)
		rc = url_set_part(&url->user, user, "malformed user name", error);
	if (rc == 0 && password.at != NULL)
		rc = url_set_part(
			&url->password, password, "malformed password; percent-encode special characters", error);
	return rc;
}

static int
url_set_db(struct bus_url *url, struct text t, char *error)
{
	uint64_t db;

	if (text_number(t, DB_MAX, &db) < 0)
		return url_error(error, "the database is not a number");
	url->db = (uint32_t)db;
	return 0;
}

/* host, host:port or [address]:port */
static int
url_add_host(struct bus_url *url, struct text t, char *error)
{
	const char *end = t.at + t.n, *colon;
	struct text host = t;
	uint64_t port = url->master != NULL ? SENTINEL_PORT : REDIS_PORT;
	struct bus_host *added;

	if (url->host_count == BUS_URL_HOSTS_MAX)
		return url_error(error, "more than 16 hosts");
	if (t.n > 0 && t.at[0] == '[') {
		const char *close = memchr(t.at, ']', t.n);

		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return url_error(error, "malformed address in []");
		host = text_of(t.at + 1, (size_t)(close - t.at) - 1);
		colon = close + 1 < end ? close + 1 : NULL;
	} else {
		colon = t.n > 0 ? memchr(t.at, ':', t.n) : NULL;
		if (colon != NULL)
			host.n = (size_t)(colon - t.at);
	}
	if (colon != NULL &&
		(text_number(text_of(colon + 1, (size_t)(end - colon) - 1), UINT16_MAX, &port) < 0 || port == 0))
		return url_error(error, "the port is not a number from 1 to 65535");
	if (host.n == 0)
		return url_error(error, "missing host");
	if (host.n > BUS_URL_HOST_MAX)
		return url_error(error, "a host name must not exceed 253 characters");
	added = &url->hosts[url->host_count++];
	*added = (struct bus_host){.port = (uint16_t)port};
	return url_set_part(&added->name, host, "malformed host", error);
}

static int
url_add_hosts(struct bus_url *url, struct text list, char *error)
{
	const char *comma;
	int rc;

	url->hosts = mem_alloc(BUS_URL_HOSTS_MAX * sizeof *url->hosts);
	do {
		struct text host = list;

		comma = list.n > 0 ? memchr(list.at, ',', list.n) : NULL;
		if (comma != NULL) {
			host.n = (size_t)(comma - list.at);
			list = text_of(comma + 1, list.n - host.n - 1);
		}
		rc = url_add_host(url, host, error);
	} while (rc == 0 && comma != NULL);
	return rc;
}

/* The path of a server's URL is the database. That of a sentinel URL is "master" or "master/db". */
static int
url_set_path(struct bus_url *url, bool sentinels, struct text path, char *error)
{
	struct text name = path, db = sentinels ? TEXT_NONE : path;
	int rc = 0;

	if (url->cluster && path.n > 0 && !text_is(path, TEXT("0")))
		return url_error(error, "a Redis Cluster has no databases: remove the number");
	if (sentinels) {
		const char *slash = path.n > 0 ? memchr(path.at, '/', path.n) : NULL;

		if (slash != NULL) {
			name.n = (size_t)(slash - path.at);
			db = text_of(slash + 1, path.n - name.n - 1);
		}
		if (name.n == 0)
			return url_error(error, "missing name of the master");
		rc = url_set_part(&url->master, name, "malformed name of the master", error);
	}
	return rc == 0 && db.n > 0 ? url_set_db(url, db, error) : rc;
}

static int
url_parse_tcp(struct bus_url *url, bool sentinels, struct text rest, char *error)
{
	const char *slash = memchr(rest.at, '/', rest.n), *at;
	struct text authority = rest, path = TEXT_NONE;
	int rc;

	if (memchr(rest.at, '?', rest.n) != NULL || memchr(rest.at, '#', rest.n) != NULL)
		return url_error(error, "unexpected ? or #; percent-encode them in a password");
	if (slash != NULL) {
		authority.n = (size_t)(slash - rest.at);
		path = text_of(slash + 1, rest.n - authority.n - 1);
	}
	rc = url_set_path(url, sentinels, path, error);
	at = authority.n > 0 ? memrchr(authority.at, '@', authority.n) : NULL;
	if (rc == 0 && at != NULL) {
		size_t n = (size_t)(at - authority.at);

		rc = url_set_login(url, text_of(authority.at, n), error);
		authority = text_of(at + 1, authority.n - n - 1);
	}
	if (rc == 0)
		rc = url_add_hosts(url, authority, error);
	if (rc == 0 && !sentinels && !url->cluster)
		bus_url_use(url, url->hosts[0].name, url->hosts[0].port);
	return rc;
}

static int
url_set_parameter(struct bus_url *url, struct text pair, char *error)
{
	struct text name;

	if (!text_cut(&pair, '=', &name))
		return url_error(error, "empty parameter");
	if (text_is(name, TEXT("db")))
		return url_set_db(url, pair, error);
	if (text_is(name, TEXT("user")))
		return url_set_part(&url->user, pair, "malformed user name", error);
	if (text_is(name, TEXT("password")))
		return url_set_part(&url->password, pair, "malformed password", error);
	return url_error(error, "unknown parameter; the parameters are db, user and password");
}

static int
url_parse_unix(struct bus_url *url, struct text rest, char *error)
{
	const char *mark = memchr(rest.at, '?', rest.n);
	struct text path = rest, parameters = TEXT_NONE, pair;
	int rc;

	if (mark != NULL) {
		path.n = (size_t)(mark - rest.at);
		parameters = text_of(mark + 1, rest.n - path.n - 1);
	}
	if (path.n == 0 || path.at[0] != '/')
		return url_error(error, "the path of the unix socket must begin with /");
	rc = url_set_part(&url->path, path, "malformed path", error);
	if (rc == 0 && strlen(url->path) > UNIX_PATH_MAX)
		rc = url_error(error, "the path of a unix socket must not exceed 107 bytes");
	while (rc == 0 && text_cut(&parameters, '&', &pair))
		rc = url_set_parameter(url, pair, error);
	return rc;
}

static const struct {
	struct text scheme;
	bool tls, sentinels, cluster;
} schemes[] = {
	{{"redis://", 8}, false, false, false},
	{{"rediss://", 9}, true, false, false},
	{{"redis+sentinel://", 17}, false, true, false},
	{{"rediss+sentinel://", 18}, true, true, false},
	{{"redis+cluster://", 16}, false, false, true},
	{{"rediss+cluster://", 17}, true, false, true},
};

static int
url_parse(struct bus_url *url, struct text all, char *error)
{
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = schemes[i].scheme.n;

		if (!text_starts(all, schemes[i].scheme))
			continue;
		url->tls = schemes[i].tls;
		url->cluster = schemes[i].cluster;
		return url_parse_tcp(url, schemes[i].sentinels, text_of(all.at + n, all.n - n), error);
	}
	if (text_starts(all, TEXT("unix://")))
		return url_parse_unix(url, text_of(all.at + 7, all.n - 7), error);
	return url_error(
		error, "the URL must begin with redis://, rediss://, redis+sentinel://, redis+cluster:// or unix://");
}

int
bus_url_parse(struct bus_url *out, const char *url, char *error)
{
	int rc;

	memset(out, 0, sizeof *out);
	rc = url_parse(out, text_from(url), error);
	if (rc < 0)
		bus_url_fini(out);
	return rc;
}

void
bus_url_use(struct bus_url *url, const char *host, uint16_t port)
{
	char *copy = mem_text(host, strlen(host));

	mem_free(url->host);
	url->host = copy;
	url->port = port;
}

void
bus_url_next(struct bus_url *url)
{
	if (url->master != NULL || url->cluster || url->host_count <= 1)
		return;
	url->host_at = (url->host_at + 1) % url->host_count;
	bus_url_use(url, url->hosts[url->host_at].name, url->hosts[url->host_at].port);
}

void
bus_url_of_hub(struct bus_url *out, const char *name)
{
	*out = (struct bus_url){.path = mem_text(name, strlen(name)), .hub = true};
}

void
bus_url_fini(struct bus_url *url)
{
	mem_free(url->host);
	for (unsigned i = 0; i < url->host_count; i++)
		mem_free(url->hosts[i].name);
	mem_free(url->hosts);
	mem_free(url->master);
	mem_free(url->path);
	mem_free(url->user);
	secret_free(url->password);
	memset(url, 0, sizeof *url);
}

void
bus_url_name(const struct bus_url *url, char out[BUS_URL_NAME_MAX])
{
	if (url->hub)
		snprintf(out, BUS_URL_NAME_MAX, "hub");
	else if (url->path != NULL)
		snprintf(out, BUS_URL_NAME_MAX, "%.150s", url->path);
	else if (url->host == NULL)
		snprintf(out, BUS_URL_NAME_MAX, "%.150s", url->master != NULL ? url->master : "cluster");
	else
		snprintf(out, BUS_URL_NAME_MAX, strchr(url->host, ':') ? "[%.140s]:%u" : "%.140s:%u", url->host,
			url->port);
}
