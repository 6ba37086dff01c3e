#include "broker/bus_url.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "broker/bus_form.h"
#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/mem.h"

#define DEFAULT_PORT 6379
#define PART_MAX 1024 /* bytes of a name, password, host or path: tokens of clouds are long */
#define UNIX_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path - 1) /* 107 */
#define DB_MAX 1000000							 /* a number that no server has so many of */

static int
fail(char *error, const char *what)
{
	snprintf(error, BUS_ERROR_MAX,
		"redis: %s; write redis://[user:password@]host[:port][/db], rediss://... or unix:///path", what);
	return ERROR_ARGUMENT;
}

/* A heap copy without percent-encoding; NULL: malformed, or with a NUL in it. */
static char *
decode(struct text t)
{
	char *out;
	size_t n = 0;

	if (t.n > PART_MAX)
		return NULL;
	out = mem_alloc(t.n + 1); /* of the configuration */
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
set_part(char **to, struct text t, const char *what, char *error)
{
	mem_free(*to);
	*to = decode(t);
	return *to != NULL ? 0 : fail(error, what);
}

/* user, user:password or :password */
static int
set_login(struct bus_url *u, struct text login, char *error)
{
	const char *colon = memchr(login.at, ':', login.n);
	struct text user = login, password = TEXT_NONE;
	int rc = 0;

	if (colon != NULL) {
		user.n = (size_t)(colon - login.at);
		password = text_of(colon + 1, login.n - user.n - 1);
	}
	if (user.n > 0)
		rc = set_part(&u->user, user, "the user's name is malformed", error);
	if (rc == 0 && password.at != NULL)
		rc = set_part(&u->password, password, "the password is malformed (percent-encode it)", error);
	if (rc == 0 && u->user != NULL && u->password == NULL)
		rc = fail(error, "a user needs a password");
	return rc;
}

static int
set_db(struct bus_url *u, struct text t, char *error)
{
	uint64_t db;

	if (text_number(t, DB_MAX, &db) < 0)
		return fail(error, "the database is no number");
	u->db = (uint32_t)db;
	return 0;
}

/* host, host:port or [address]:port */
static int
set_host(struct bus_url *u, struct text t, char *error)
{
	const char *end = t.at + t.n, *colon;
	struct text host = t;
	uint64_t port = DEFAULT_PORT;

	if (t.n > 0 && t.at[0] == '[') {
		const char *close = memchr(t.at, ']', t.n);

		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return fail(error, "the address in [] is malformed");
		host = text_of(t.at + 1, (size_t)(close - t.at) - 1);
		colon = close + 1 < end ? close + 1 : NULL;
	} else {
		colon = memchr(t.at, ':', t.n);
		if (colon != NULL)
			host.n = (size_t)(colon - t.at);
	}
	if (colon != NULL &&
		(text_number(text_of(colon + 1, (size_t)(end - colon) - 1), UINT16_MAX, &port) < 0 || port == 0))
		return fail(error, "the port is no number from 1 to 65535");
	if (host.n == 0)
		return fail(error, "the host is missing");
	u->port = (uint16_t)port;
	return set_part(&u->host, host, "the host is malformed", error);
}

static int
parse_tcp(struct bus_url *u, struct text rest, char *error)
{
	const char *slash = memchr(rest.at, '/', rest.n), *at;
	struct text authority = rest;
	int rc = 0;

	if (memchr(rest.at, '?', rest.n) != NULL || memchr(rest.at, '#', rest.n) != NULL)
		return fail(error, "no ? or # is known here (percent-encode them in a password)");
	if (slash != NULL) {
		authority.n = (size_t)(slash - rest.at);
		if (authority.n + 1 < rest.n)
			rc = set_db(u, text_of(slash + 1, rest.n - authority.n - 1), error);
	}
	at = authority.n > 0 ? memrchr(authority.at, '@', authority.n) : NULL;
	if (rc == 0 && at != NULL) {
		size_t n = (size_t)(at - authority.at);

		rc = set_login(u, text_of(authority.at, n), error);
		authority = text_of(at + 1, authority.n - n - 1);
	}
	return rc == 0 ? set_host(u, authority, error) : rc;
}

static int
set_parameter(struct bus_url *u, struct text pair, char *error)
{
	struct text name;

	if (!text_cut(&pair, '=', &name))
		return fail(error, "a parameter is empty");
	if (text_is(name, TEXT("db")))
		return set_db(u, pair, error);
	if (text_is(name, TEXT("user")))
		return set_part(&u->user, pair, "the user's name is malformed", error);
	if (text_is(name, TEXT("password")))
		return set_part(&u->password, pair, "the password is malformed", error);
	return fail(error, "only the parameters db, user and password are known");
}

static int
parse_unix(struct bus_url *u, struct text rest, char *error)
{
	const char *mark = memchr(rest.at, '?', rest.n);
	struct text path = rest, parameters = TEXT_NONE, pair;
	int rc;

	if (mark != NULL) {
		path.n = (size_t)(mark - rest.at);
		parameters = text_of(mark + 1, rest.n - path.n - 1);
	}
	if (path.n == 0 || path.at[0] != '/')
		return fail(error, "the path of the unix socket must begin with /");
	rc = set_part(&u->path, path, "the path is malformed", error);
	if (rc == 0 && strlen(u->path) > UNIX_PATH_MAX)
		rc = fail(error, "the path of a unix socket holds at most 107 characters");
	while (rc == 0 && text_cut(&parameters, '&', &pair))
		rc = set_parameter(u, pair, error);
	if (rc == 0 && u->user != NULL && u->password == NULL)
		rc = fail(error, "a user needs a password");
	return rc;
}

int
bus_url_parse(struct bus_url *out, const char *url, char *error)
{
	struct text all = text_from(url);
	int rc;

	memset(out, 0, sizeof *out);
	if (text_starts(all, TEXT("redis://"))) {
		rc = parse_tcp(out, text_of(url + 8, all.n - 8), error);
	} else if (text_starts(all, TEXT("rediss://"))) {
		out->tls = true;
		rc = parse_tcp(out, text_of(url + 9, all.n - 9), error);
	} else if (text_starts(all, TEXT("unix://"))) {
		rc = parse_unix(out, text_of(url + 7, all.n - 7), error);
	} else {
		rc = fail(error, "the URL does not begin with redis://, rediss:// or unix://");
	}
	if (rc < 0)
		bus_url_fini(out);
	return rc;
}

void
bus_url_of_hub(struct bus_url *out, const char *name)
{
	*out = (struct bus_url){.path = mem_text(name, strlen(name)), .hub = true};
}

void
bus_url_fini(struct bus_url *u)
{
	mem_free(u->host);
	mem_free(u->path);
	mem_free(u->user);
	mem_free(u->password);
	memset(u, 0, sizeof *u);
}

void
bus_url_name(const struct bus_url *u, char out[BUS_URL_NAME_MAX])
{
	if (u->hub)
		snprintf(out, BUS_URL_NAME_MAX, "hub");
	else if (u->path != NULL)
		snprintf(out, BUS_URL_NAME_MAX, "%.150s", u->path);
	else
		snprintf(out, BUS_URL_NAME_MAX, strchr(u->host, ':') ? "[%.140s]:%u" : "%.140s:%u", u->host, u->port);
}
