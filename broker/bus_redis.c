/* The form for many machines: the classic channels by way of one Redis server. */
#include <stdio.h>

#include "broker/bus_classic.h"
#include "common/base/error.h"
#include "common/io/tls.h"

/* Somebody who names an authority believes that the server is checked. */
static int
fail_unused_ca(char *error)
{
	snprintf(error, BUS_ERROR_MAX, "redis-ca: only a server of rediss:// has a certificate to check");
	return ERROR_ARGUMENT;
}

static int
redis_open(struct bus_end **out, struct loop *l, const struct bus_form_options *o, const struct bus_form_ops *ops,
	char error[BUS_ERROR_MAX])
{
	struct tls_context *tls = NULL;
	struct bus_url server;
	int rc = bus_url_parse(&server, o->server, error);

	_Static_assert(BUS_ERROR_MAX >= TLS_ERROR_MAX, "a TLS error must fit");
	if (rc == 0 && server.tls)
		rc = tls_client_new(&tls, o->ca_file, server.host, error);
	else if (rc == 0 && o->ca_file != NULL && o->ca_file[0] != '\0')
		rc = fail_unused_ca(error);
	if (rc < 0) {
		bus_url_fini(&server);
		return rc;
	}
	*out = bus_classic_open(l, &server, tls, true, o, ops);
	return 0;
}

const struct bus_form bus_redis = {
	.id = BUS_FORM_REDIS,
	.name = "redis",
	.open = redis_open,
	BUS_CLASSIC,
};
