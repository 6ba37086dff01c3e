/* The form for several machines: the classic channels over one Redis server. */
#include <stdio.h>

#include "broker/bus_classic.h"
#include "common/base/error.h"
#include "common/io/tls.h"

/* An authority without TLS is an error: the user would believe that the server is verified. */
static int
redis_error_unused_ca(char *error)
{
	snprintf(error, BUS_ERROR_MAX, "option redisCa: the server must have a rediss:// URL");
	return ERROR_ARGUMENT;
}

static int
redis_open(struct bus_end **out, struct loop *l, const struct bus_form_options *options,
	const struct bus_form_ops *ops, char error[BUS_ERROR_MAX])
{
	struct tls_context *tls = NULL;
	struct bus_url server;
	int rc = bus_url_parse(&server, options->server, error);

	_Static_assert(BUS_ERROR_MAX >= TLS_ERROR_MAX, "a TLS error must fit");
	if (rc == 0 && server.tls)
		rc = tls_client_new(&tls, options->ca_file, server.host, error);
	else if (rc == 0 && options->ca_file != NULL && options->ca_file[0] != '\0')
		rc = redis_error_unused_ca(error);
	if (rc < 0) {
		bus_url_fini(&server);
		return rc;
	}
	*out = bus_classic_open(l, &server, tls, true, options, ops);
	return 0;
}

const struct bus_form bus_redis = {
	.id = BUS_FORM_REDIS,
	.name = "redis",
	.open = redis_open,
	BUS_CLASSIC,
};
