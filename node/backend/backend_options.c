#include "node/backend/backend_options.h"

#include <stddef.h>
#include <stdio.h>

#include "common/base/error.h"
#include "node/backend/backend_address.h"

#define AT(member) offsetof(struct backend_options, member)
#define HOUR_MS (60 * 60 * UINT64_C(1000))
#define SIZE_MAX_BYTES (UINT64_C(1) << 30)

/* clang-format off */
static const struct option_row rows[] = {
	{ .group = "Backends",
	  .name = "backend", .type = OPTION_EACH, .offset = AT(urls), .value = "URL",
	  .help = "Address where backends, applications in processes of their own, dial this server: unix:///path, tls://host:port, "
		  "or tcp://host:port with --backend-insecure; may be given several times" },
	{ .name = "backendSecretFile", .type = OPTION_TEXT, .offset = AT(secret_file), .value = "FILE",
	  .help = "File with a secret that backends must know" },
	{ .name = "backendSecret", .type = OPTION_TEXT, .offset = AT(secret), .value = "TEXT",
	  .help = "The secret itself; give it by the environment, a command line can be seen" },
	{ .name = "backendCa", .type = OPTION_TEXT, .offset = AT(ca), .value = "FILE",
	  .help = "Certificate authority (PEM): at a tls:// address only backends with a certificate signed by it are let in" },
	{ .name = "backendTlsCert", .type = OPTION_TEXT, .offset = AT(tls_cert), .value = "FILE",
	  .help = "Certificate chain (PEM) of tls:// addresses; unset: --tls-cert" },
	{ .name = "backendTlsKey", .type = OPTION_TEXT, .offset = AT(tls_key), .value = "FILE",
	  .help = "Private key (PEM) of --backend-tls-cert" },
	{ .name = "backendInsecure", .type = OPTION_FLAG, .offset = AT(insecure), .initial = "false",
	  .help = "Allow tcp:// addresses, and tls:// without secret or authority: whoever reaches them can speak for every client" },
	{ .name = "backendWait", .type = OPTION_MS, .offset = AT(wait), .initial = "30s", .min = 1, .max = 24 * HOUR_MS,
	  .value = "MS",
	  .help = "How long a client waits while there is no backend: one that connects is then refused, one that had a backend closed, or after twice as long if that was only silent" },
	{ .name = "backendOrphanQueue", .type = OPTION_BYTES, .offset = AT(orphan_queue), .initial = "64k",
	  .max = SIZE_MAX_BYTES, .value = "BYTES",
	  .help = "Events of one client that are kept while it has no backend; beyond, it is closed" },
	{ .name = "backendOrphanTotal", .type = OPTION_BYTES, .offset = AT(orphan_total), .initial = "64m",
	  .max = UINT64_C(1) << 40, .value = "BYTES",
	  .help = "The same of all clients of a worker" },
	{ .name = "backendWindow", .type = OPTION_BYTES, .offset = AT(window), .initial = "4m", .min = 64 << 10,
	  .max = SIZE_MAX_BYTES, .value = "BYTES",
	  .help = "What may be on its way to a backend, or from it, before the sender waits" },
	{ .name = "backendMaxFrame", .type = OPTION_BYTES, .offset = AT(max_frame), .initial = "16m", .min = 64 << 10,
	  .max = SIZE_MAX_BYTES, .value = "BYTES",
	  .help = "The largest frame that a backend may send, or is sent; never less than --max-http-buffer-size and 64k" },
	{ .name = "backendPing", .type = OPTION_MS, .offset = AT(ping), .initial = "5s", .min = 10, .max = HOUR_MS,
	  .value = "MS",
	  .help = "Silence after which a backend is asked whether it is there" },
	{ .name = "backendStallTimeout", .type = OPTION_MS, .offset = AT(stall_timeout), .initial = "30s", .min = 20,
	  .max = HOUR_MS, .value = "MS",
	  .help = "A backend that does not answer, or reads nothing, for so long has lost its clients to the others" },
	{ .name = "backendReattachRate", .type = OPTION_NUMBER, .offset = AT(reattach_rate), .initial = "5000", .min = 1,
	  .max = 1000000, .value = "N",
	  .help = "Sockets a second, in each worker, that are given to another backend when theirs is gone" },
	{ .name = "backendFanout", .type = OPTION_CHOICE, .offset = AT(fanout), .initial = "direct",
	  .choices = "direct|bus", .value = "WAY",
	  .help = "How a broadcast of a backend reaches all: direct: it tells each worker, which keeps the order; bus: it tells "
		  "one, and the cluster's bus the others, Node.js servers with the Redis adapter too" },
};
/* clang-format on */

struct option_table
backend_options_table(struct backend_options *o)
{
	return (struct option_table){rows, sizeof rows / sizeof *rows, o, false};
}

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int
refuse(char *error, const char *what)
{
	snprintf(error, OPTION_ERROR_MAX, "%s", what);
	return ERROR_ARGUMENT;
}

static int
check_address(const struct backend_options *o, const struct backend_address *a, bool has_cert, char *error)
{
	if (a->kind == BACKEND_ADDRESS_UNIX || (a->kind == BACKEND_ADDRESS_TCP && o->insecure))
		return 0;
	if (a->kind == BACKEND_ADDRESS_TCP)
		return refuse(error,
			"--backend: tcp:// is neither encrypted nor protected; give tls:// or unix://, or "
			"--backend-insecure in a network where nobody else is");
	if (!has_cert && !is_set(o->tls_cert))
		return refuse(error,
			"--backend: tls:// needs a certificate; give --backend-tls-cert and --backend-tls-key, or "
			"--tls-cert and --tls-key");
	if (!o->insecure && !is_set(o->secret) && !is_set(o->secret_file) && !is_set(o->ca))
		return refuse(error,
			"--backend: at tls:// anybody could be the application; give --backend-secret-file, or "
			"--backend-ca, or allow it by --backend-insecure");
	return 0;
}

int
backend_options_check(const struct backend_options *o, bool has_cert, char error[OPTION_ERROR_MAX])
{
	struct text rest = text_from(o->urls ? o->urls : ""), url;
	struct backend_address address;
	unsigned count = 0;
	int result;

	if (!is_set(o->tls_cert) != !is_set(o->tls_key))
		return refuse(error, "--backend-tls-cert and --backend-tls-key belong together; give both");
	if (is_set(o->secret) && is_set(o->secret_file))
		return refuse(error, "give --backend-secret-file or the secret itself, not both");
	if (o->stall_timeout < 2 * o->ping)
		return refuse(error, "--backend-stall-timeout must be twice --backend-ping at least");
	while (text_cut(&rest, ',', &url)) {
		result = backend_address_parse(url, &address, error);
		if (result == 0)
			result = check_address(o, &address, has_cert, error);
		if (result < 0)
			return result;
		if (++count > BACKEND_ADDRESSES_MAX)
			return refuse(error, "--backend: more than 8 addresses");
	}
	return 0;
}
