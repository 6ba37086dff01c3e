#include "broker/bus_login.h"

#include <stdio.h>
#include <string.h>

#include "broker/bus_error.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/log.h"
#include "common/io/secret_file.h"
#include "common/io/tls.h"

#define WATCH_MS 1000  /* interval at which the password file is read */
#define RETRY_MS 10000 /* before a refused password is tried again: the server may learn it after this node */

/* ------------------------------------------------------------------ files */

static void
login_log(const struct bus_link *link, enum log_level level, const char *key, const char *what)
{
	char server[BUS_URL_NAME_MAX];

	bus_url_name(link->url, server);
	log_event(level, "bus", key, LOG_STR(what), "server", LOG_STR(server), NULL);
}

static const char *
login_password_file(const struct bus_link *link)
{
	return link->access != NULL ? link->access->password_file : NULL;
}

static char *
login_copy(const char *password)
{
	return password != NULL ? mem_text(password, strlen(password)) : NULL;
}

/* Uses the certificates of the last login to the same host, which must exist. */
static int
login_read_tls(struct bus_link *link, char error[BUS_ERROR_MAX])
{
	const struct bus_access_last *last = &link->access->last;
	int rc = bus_access_tls(link->access, link->url->host, &link->tls, error);

	if (rc == 0 || last->tls == NULL || strcmp(last->tls_host, link->url->host) != 0)
		return rc;
	login_log(link, LOG_ERROR, "error", error);
	return 0;
}

static int
login_read_password(struct bus_link *link, char error[BUS_ERROR_MAX])
{
	const char *file = login_password_file(link);
	int rc;

	_Static_assert(BUS_ERROR_MAX >= SECRET_FILE_ERROR_MAX, "an error of the password file must fit");
	if (file == NULL) {
		link->password = login_copy(link->url->password);
		return 0;
	}
	rc = secret_file_read(&link->password, file, error);
	if (rc == 0 || link->access->last.password == NULL)
		return rc;
	login_log(link, LOG_ERROR, "error", error);
	link->password = login_copy(link->access->last.password);
	return 0;
}

int
bus_login_read(struct bus_link *link, char error[BUS_ERROR_MAX])
{
	int rc = link->url->tls ? login_read_tls(link, error) : 0;

	return rc == 0 ? login_read_password(link, error) : rc;
}

struct tls_context *
bus_login_tls(const struct bus_link *link)
{
	return link->tls != NULL || !link->url->tls ? link->tls : link->access->last.tls;
}

/* ------------------------------------------------------------------ login */

static void
login_send_auth(struct bus_link *link, const char *password)
{
	struct text auth[3] = {TEXT("AUTH")};
	unsigned n = 1;

	if (link->url->user != NULL)
		auth[n++] = text_from(link->url->user);
	auth[n++] = text_from(password);
	bus_link_send(link, n, auth);
}

/* Asks for RESP 3 if the link needs it and has not asked yet. */
static bool
login_send_hello(struct bus_link *link)
{
	struct text hello[] = {TEXT("HELLO"), TEXT("3")};

	if (!link->subscribes || login_password_file(link) == NULL || link->greeted)
		return false;
	bus_link_send(link, 2, hello);
	return link->greeted = true;
}

bool
bus_login_begin(struct bus_link *link)
{
	char number[16];

	if (link->password != NULL) {
		login_send_auth(link, link->password);
		link->logins++;
	}
	if (link->url->db != 0) {
		struct text select[] = {TEXT("SELECT"), TEXT_NONE};

		snprintf(number, sizeof number, "%u", link->url->db);
		select[1] = text_from(number);
		bus_link_send(link, 2, select);
		link->logins++;
	}
	return link->logins == 0;
}

enum bus_login_result
bus_login_on_reply(struct bus_link *link, const struct resp *reply, char *why)
{
	if (link->greeted) { /* a server that does not know HELLO or RESP 3 stays at RESP 2 */
		link->resp3 = reply->type == RESP_MAP;
		if (reply->type == RESP_MAP || reply->type == RESP_ERROR)
			return BUS_LOGIN_READY;
	} else if (reply->type == RESP_STATUS) {
		return --link->logins > 0 || login_send_hello(link) ? BUS_LOGIN_GOES_ON : BUS_LOGIN_READY;
	} else if (reply->type == RESP_ERROR) {
		bus_error_write(why, "login refused", reply->text, link->password);
		return BUS_LOGIN_REFUSED;
	}
	snprintf(why, BUS_WHY_MAX, "unexpected answer to the login");
	return BUS_LOGIN_MALFORMED;
}

/* ---------------------------------------------------------------- renewal */

void
bus_login_keep_tls(struct bus_link *link)
{
	bus_access_keep_tls(link->access, link->tls, link->url->host);
	link->tls = NULL;
}

void
bus_login_keep(struct bus_link *link)
{
	if (login_password_file(link) == NULL)
		return;
	bus_access_keep_password(link->access, link->password);
	loop_arm(link->loop, &link->watch, WATCH_MS);
}

static bool
login_is_refused(const struct bus_link *link, const char *password)
{
	return link->refused != NULL && strcmp(link->refused, password) == 0 && link->loop->now < link->retry_at;
}

static void
login_renew(struct bus_link *link, char *password)
{
	if (link->subscribes && !link->resp3) {
		secret_free(password);
		bus_link_fail(link, "the password has changed, and this server takes it only on a new connection");
		return;
	}
	login_send_auth(link, password);
	link->renewal = password;
}

static void
login_on_watch(struct wheel_entry *entry)
{
	struct bus_link *link = container_of(entry, struct bus_link, watch);
	char error[SECRET_FILE_ERROR_MAX], *password;

	loop_arm(link->loop, &link->watch, WATCH_MS);
	if (link->renewal != NULL)
		return;
	if (secret_file_read(&password, link->access->password_file, error) < 0) {
		if (!link->file_is_bad)
			login_log(link, LOG_ERROR, "error", error);
		link->file_is_bad = true;
		return;
	}
	link->file_is_bad = false;
	if (strcmp(password, link->password) == 0 || login_is_refused(link, password))
		secret_free(password);
	else
		login_renew(link, password);
}

static void
login_on_renewed(struct bus_link *link)
{
	secret_free(link->password);
	link->password = link->renewal;
	link->renewal = NULL;
	secret_free(link->refused);
	link->refused = NULL;
	bus_access_keep_password(link->access, link->password);
	login_log(link, LOG_INFO, "login", "renewed");
}

/* The connection keeps the login that it has. The refusal is logged once per password. */
static void
login_on_renewal_refused(struct bus_link *link, struct text error)
{
	char why[BUS_WHY_MAX];

	if (link->refused == NULL || strcmp(link->refused, link->renewal) != 0) {
		bus_error_write(why, "the new password was refused", error, link->renewal);
		login_log(link, LOG_ERROR, "error", why);
	}
	secret_free(link->refused);
	link->refused = link->renewal;
	link->renewal = NULL;
	link->retry_at = link->loop->now + RETRY_MS;
}

/* The errors that Redis 5 to 7 gives to AUTH, and to no command that a ready link sends. */
static bool
login_is_auth_error(struct text error)
{
	return text_starts(error, TEXT("WRONGPASS")) || text_starts(error, TEXT("ERR invalid password")) ||
	       text_starts(error, TEXT("ERR AUTH")) || text_starts(error, TEXT("ERR Client sent AUTH"));
}

bool
bus_login_is_renewal(struct bus_link *link, const struct resp *reply)
{
	if (link->renewal == NULL)
		return false;
	/* two statuses in transit are alike, so it does not matter which of them is taken for that of AUTH */
	if (reply->type == RESP_STATUS && (link->expects_status == NULL || !link->expects_status(link)))
		login_on_renewed(link);
	else if (reply->type == RESP_ERROR && login_is_auth_error(reply->text))
		login_on_renewal_refused(link, reply->text);
	else
		return false;
	return true;
}

/* ------------------------------------------------------------------- life */

void
bus_login_init(struct bus_link *link)
{
	link->tls = NULL;
	link->password = link->renewal = link->refused = NULL;
	link->logins = 0;
	link->greeted = link->resp3 = link->file_is_bad = false;
	wheel_entry_init(&link->watch, login_on_watch);
}

void
bus_login_end(struct bus_link *link)
{
	loop_disarm(link->loop, &link->watch);
	tls_context_free(link->tls);
	secret_free(link->password);
	secret_free(link->renewal);
	secret_free(link->refused);
	bus_login_init(link);
}
