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
	  .help = "Address where backends (applications in other processes) dial this server: unix:///path, tls://host:port, "
		  "or tcp://host:port with --backend-insecure; may be given several times" },
	{ .name = "backendSecretFile", .type = OPTION_TEXT, .offset = AT(secret_file), .value = "FILE",
	  .needs = "backend|exec",
	  .help = "File with a secret that backends must know" },
	{ .name = "backendSecret", .type = OPTION_TEXT, .offset = AT(secret), .value = "TEXT",
	  .secret = OPTION_HIDDEN,
	  .needs = "backend|exec",
	  .help = "Secret that backends must know; use the environment variable, because other users can see a command line" },
	{ .name = "backendCa", .type = OPTION_TEXT, .offset = AT(ca), .value = "FILE",
	  .needs = "backend|exec",
	  .help = "Certificate authority (PEM): a tls:// address accepts only backends with a certificate signed by it" },
	{ .name = "backendTlsCert", .type = OPTION_TEXT, .offset = AT(tls_cert), .value = "FILE",
	  .needs = "backend|exec",
	  .help = "Certificate chain (PEM) for tls:// addresses; default: --tls-cert" },
	{ .name = "backendTlsKey", .type = OPTION_TEXT, .offset = AT(tls_key), .value = "FILE",
	  .needs = "backend|exec",
	  .help = "Private key (PEM) of --backend-tls-cert" },
	{ .name = "backendInsecure", .type = OPTION_FLAG, .offset = AT(insecure), .initial = "false",
	  .needs = "backend|exec",
	  .help = "Allow tcp:// addresses, and tls:// without secret or authority: anyone who can connect there can act for every client" },
	{ .name = "backendWait", .type = OPTION_MS, .offset = AT(wait), .initial = "30s", .min = 1, .max = 24 * HOUR_MS,
	  .value = "MS",
	  .needs = "backend|exec",
	  .help = "How long a client waits for a backend. After that a new client is refused, and a client that had a backend is closed; the latter waits twice as long if its backend was only silent" },
	{ .name = "backendOrphanQueue", .type = OPTION_BYTES, .offset = AT(orphan_queue), .initial = "64k",
	  .max = SIZE_MAX_BYTES, .value = "BYTES",
	  .needs = "backend|exec",
	  .help = "Bytes of events that may wait for one client without a backend; a client that exceeds this is closed" },
	{ .name = "backendOrphanTotal", .type = OPTION_BYTES, .offset = AT(orphan_total), .initial = "64m",
	  .max = UINT64_C(1) << 40, .value = "BYTES",
	  .needs = "backend|exec",
	  .help = "Bytes of events that may wait for backends in one worker, for all clients together; a client without a backend that exceeds this is closed" },
	{ .name = "backendWindow", .type = OPTION_BYTES, .offset = AT(window), .initial = "4m", .min = 64 << 10,
	  .max = SIZE_MAX_BYTES, .value = "BYTES",
	  .needs = "backend|exec",
	  .help = "Bytes that may be on their way to a backend, or from it, before the sender waits" },
	{ .name = "backendMaxFrame", .type = OPTION_BYTES, .offset = AT(max_frame), .initial = "16m", .min = 64 << 10,
	  .max = SIZE_MAX_BYTES, .value = "BYTES",
	  .needs = "backend|exec",
	  .help = "Largest frame in either direction; raised to maxHttpBufferSize plus 64k if it is smaller" },
	{ .name = "backendPing", .type = OPTION_MS, .offset = AT(ping), .initial = "5s", .min = 10, .max = HOUR_MS,
	  .value = "MS",
	  .needs = "backend|exec",
	  .help = "Silence after which the server sends a ping to a backend" },
	{ .name = "backendStallTimeout", .type = OPTION_MS, .offset = AT(stall_timeout), .initial = "30s", .min = 20,
	  .max = HOUR_MS, .value = "MS",
	  .needs = "backend|exec",
	  .help = "Time after which a backend that does not answer, or does not read, loses its clients to the other backends" },
	{ .name = "backendReattachRate", .type = OPTION_NUMBER, .offset = AT(reattach_rate), .initial = "5000", .min = 1,
	  .max = 1000000, .value = "N",
	  .needs = "backend|exec",
	  .help = "Clients per second and worker that move to another backend when theirs is gone" },
	{ .name = "backendFanout", .type = OPTION_CHOICE, .offset = AT(fanout), .initial = "direct",
	  .choices = "direct|bus", .value = "WAY",
	  .needs = "backend|exec",
	  .help = "How broadcasts of a backend travel: direct: the backend sends them to each worker, which keeps their order; bus: the backend "
		  "sends them to one worker, and the bus of the cluster takes them to all others, including Node.js servers with the Redis adapter" },
};
/* clang-format on */

struct option_table
backend_options_table(struct backend_options *options)
{
	return (struct option_table){rows, sizeof rows / sizeof *rows, options, false};
}

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int
refuse_options(char *error, const char *what)
{
	snprintf(error, OPTION_ERROR_MAX, "%s", what);
	return ERROR_ARGUMENT;
}

static int
check_address(
	const struct backend_options *options, const struct backend_address *address, bool has_cert, char *error)
{
	if (address->kind == BACKEND_ADDRESS_UNIX || (address->kind == BACKEND_ADDRESS_TCP && options->insecure))
		return 0;
	if (address->kind == BACKEND_ADDRESS_TCP)
		return refuse_options(error,
			"option --backend: tcp:// is neither encrypted nor authenticated; use tls:// or unix://, or "
			"--backend-insecure in a private network");
	if (!has_cert && !is_set(options->tls_cert))
		return refuse_options(error, "option --backend: tls:// needs a certificate; set --backend-tls-cert "
					     "and --backend-tls-key, or "
					     "--tls-cert and --tls-key");
	if (!options->insecure && !is_set(options->secret) && !is_set(options->secret_file) && !is_set(options->ca))
		return refuse_options(error,
			"option --backend: anyone could connect to tls:// as a backend; set --backend-secret-file or "
			"--backend-ca, or allow it by --backend-insecure");
	return 0;
}

int
backend_options_check(const struct backend_options *options, bool has_cert, char error[OPTION_ERROR_MAX])
{
	struct text rest = text_from(options->urls ? options->urls : ""), url;
	struct backend_address address;
	unsigned count = 0;
	int result;

	if (!is_set(options->tls_cert) != !is_set(options->tls_key))
		return refuse_options(error, "options --backend-tls-cert and --backend-tls-key: set both or neither");
	if (is_set(options->secret) && is_set(options->secret_file))
		return refuse_options(
			error, "options --backend-secret and --backend-secret-file: set only one of them");
	if (options->stall_timeout < 2 * options->ping)
		return refuse_options(error, "option --backend-stall-timeout: must be at least twice --backend-ping");
	while (text_cut(&rest, ',', &url)) {
		result = backend_address_parse(url, &address, error);
		if (result == 0)
			result = check_address(options, &address, has_cert, error);
		if (result < 0)
			return result;
		if (++count > BACKEND_ADDRESSES_MAX)
			return refuse_options(error, "option --backend: more than 8 addresses");
	}
	return 0;
}
