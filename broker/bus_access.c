#include "broker/bus_access.h"

#include <stdio.h>
#include <string.h>

#include "broker/bus_form.h"
#include "broker/bus_url.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/secret_file.h"
#include "common/io/tls.h"

static bool
access_is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static char *
access_copy_text(const char *text)
{
	return access_is_set(text) ? mem_text(text, strlen(text)) : NULL;
}

struct bus_access *
bus_access_copy(const struct bus_access *access)
{
	struct bus_access *copy = mem_alloc(sizeof *copy);

	*copy = (struct bus_access){
		.ca_file = access_copy_text(access->ca_file),
		.cert_file = access_copy_text(access->cert_file),
		.key_file = access_copy_text(access->key_file),
		.password_file = access_copy_text(access->password_file),
		.sentinel_password = access_copy_text(access->sentinel_password),
		.insecure = access->insecure,
	};
	return copy;
}

void
bus_access_free(struct bus_access *access)
{
	if (access == NULL)
		return;
	mem_free((void *)access->ca_file);
	mem_free((void *)access->cert_file);
	mem_free((void *)access->key_file);
	mem_free((void *)access->password_file);
	secret_free((void *)access->sentinel_password);
	bus_access_forget(access);
	mem_free(access);
}

void
bus_access_keep_tls(struct bus_access *access, struct tls_context *tls, const char *host)
{
	tls_context_free(access->last.tls);
	mem_free(access->last.tls_host);
	access->last.tls = tls;
	access->last.tls_host = mem_text(host, strlen(host));
}

void
bus_access_keep_password(struct bus_access *access, const char *password)
{
	secret_free(access->last.password);
	access->last.password = mem_text(password, strlen(password));
}

void
bus_access_forget(struct bus_access *access)
{
	tls_context_free(access->last.tls);
	mem_free(access->last.tls_host);
	secret_free(access->last.password);
	access->last = (struct bus_access_last){0};
}

static int
access_error(char *error, const char *what)
{
	snprintf(error, BUS_ERROR_MAX, "%s", what);
	return ERROR_ARGUMENT;
}

int
bus_access_check(const struct bus_access *access, const struct bus_url *url, char *error)
{
	bool password_file = access_is_set(access->password_file);

	/* an authority without TLS is an error: the user would believe that the server is verified */
	if (!url->tls && access_is_set(access->ca_file))
		return access_error(error, "option --redis-ca: the server must have a rediss:// URL");
	if (!url->tls && (access_is_set(access->cert_file) || access_is_set(access->key_file)))
		return access_error(error, "option --redis-tls-cert: the server must have a rediss:// URL");
	if (!url->tls && access->insecure)
		return access_error(error, "option --redis-tls-insecure: the server must have a rediss:// URL");
	if (access_is_set(access->cert_file) != access_is_set(access->key_file))
		return access_error(error, "options --redis-tls-cert and --redis-tls-key: set both or neither");
	if (url->user != NULL && url->password == NULL && !password_file)
		return access_error(error, "option --redis: a user name without a password; "
					   "add it to the URL or set --redis-password-file");
	if (url->password != NULL && password_file)
		return access_error(error, "option --redis-password-file: the URL contains a password as well; "
					   "remove one of them");
	if (access_is_set(access->sentinel_password) && url->master == NULL)
		return access_error(error, "option --redis-sentinel-password: the server must have a "
					   "redis+sentinel:// URL");
	return 0;
}

int
bus_access_check_files(const struct bus_access *access, const struct bus_url *url, char *error)
{
	char why[SECRET_FILE_ERROR_MAX], *password;
	struct tls_context *tls;
	int rc = 0;

	if (url->tls) {
		rc = bus_access_tls(access, url->hosts[0].name, &tls, error);
		if (rc == 0)
			tls_context_free(tls);
	}
	if (rc == 0 && access_is_set(access->password_file)) {
		rc = secret_file_read(&password, access->password_file, why);
		if (rc == 0)
			secret_free(password);
		else
			snprintf(error, BUS_ERROR_MAX, "option --redis-password-file: %s", why);
	}
	return rc;
}

int
bus_access_tls(const struct bus_access *access, const char *host, struct tls_context **out, char *error)
{
	const struct tls_client_options o = {
		.host = host,
		.ca_file = access_is_set(access->ca_file) ? access->ca_file : NULL,
		.cert_file = access_is_set(access->cert_file) ? access->cert_file : NULL,
		.key_file = access->key_file,
		.insecure = access->insecure,
	};

	_Static_assert(BUS_ERROR_MAX >= TLS_ERROR_MAX, "a TLS error must fit");
	return tls_client_new(out, &o, error);
}
