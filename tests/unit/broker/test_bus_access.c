/* How a bus logs in and verifies its server: contradictory options, files that are read again, certificates. */
#include "tests/unit/broker/broker_bench.h"

#include "common/base/error.h"
#include "common/io/log.h"

/* ----------------------------------------------------------------- options */

static void
contradictions_are_errors(void **state)
{
	static const struct {
		const char *url;
		struct bus_access access;
		const char *error; /* the beginning of the error */
	} cases[] = {
		{"redis://h", {.ca_file = "ca.pem"}, "option --redis-ca: the server must have a rediss:// URL"},
		{"redis://h", {.cert_file = "c", .key_file = "k"}, "option --redis-tls-cert: the server must have"},
		{"redis://h", {.key_file = "k"}, "option --redis-tls-cert: the server must have"},
		{"unix:///s", {.insecure = true}, "option --redis-tls-insecure: the server must have"},
		{"rediss://h", {.cert_file = "c"},
			"options --redis-tls-cert and --redis-tls-key: set both or neither"},
		{"rediss://h", {.key_file = "k"},
			"options --redis-tls-cert and --redis-tls-key: set both or neither"},
		{"redis://user@h", {.ca_file = ""}, "option --redis: a user name without a password"},
		{"unix:///p?user=u", {.ca_file = ""}, "option --redis: a user name without a password"},
		{"redis://:secret@h", {.password_file = "/f"}, "option --redis-password-file: the URL contains"},
		{"redis://h", {.password_file = "/nonexistent"},
			"option --redis-password-file: cannot read \"/nonexistent\": No such file or directory"},
		{"redis://h", {.password_file = "/dev/null"},
			"option --redis-password-file: cannot read \"/dev/null\": it is not a regular file"},
		{"redis://h", {.password_file = "/tmp"},
			"option --redis-password-file: cannot read \"/tmp\": Is a directory"},
		{"redis://h", {.sentinel_password = "secret"}, "option --redis-sentinel-password: the server must"},
		{"rediss://h", {.ca_file = "/nonexistent.pem"}, "cannot read the certificate authority file"},
		{"rediss+sentinel://h/m", {.cert_file = "/nonexistent", .key_file = "k"},
			"cannot read the certificate file"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bus_form_options o = {.server = cases[i].url, .key = "k", .access = cases[i].access};
		char error[BUS_ERROR_MAX] = "";
		struct bus_end *none;

		if (bus_redis.open(&none, &bench.loop, &o, NULL, error) >= 0)
			fail_msg("accepted: %s", cases[i].error);
		if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("\"%s\" instead of \"%s\"", error, cases[i].error);
		assert_null(strstr(error, "secret"));
		assert_null(strchr(error, '\n'));
	}
}

/* --------------------------------------------------------- a password file */

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static unsigned refused_logins, missing_files;

static void
count_logins(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	refused_logins += memmem(line, n, "login refused: WRONGPASS", 24) != NULL;
	missing_files += memmem(line, n, "No such file or directory", 25) != NULL;
	assert_null(memmem(line, n, "first secret", 12));
	assert_null(memmem(line, n, "second secret", 13));
}

/* The file is read at each connect, so a changed password needs no restart. */
static void
a_password_file_is_read_again(void **state)
{
	static const char *const more[] = {"--requirepass", "first secret", NULL};
	char path[] = "/tmp/sockeye-password-XXXXXX";
	struct bus_access access = {.password_file = path};
	struct redis_bench r = {.port = 0};
	struct bus_bench a;

	(void)state;
	close(mkstemp(path));
	write_file(path, "first secret\n");
	log_set_sink(count_logins, NULL);
	redis_start(&r, more);
	bus_start_as(&a, r.url, &access, 1000, 200, 1000);
	RUN_UNTIL(ups(&a) == 1);
	redis_stop(&r);
	redis_start(&r, (const char *const[]){"--requirepass", "second secret", NULL});
	RUN_UNTIL(refused_logins > 0);
	unlink(path);
	RUN_UNTIL(missing_files > 0);
	assert_int_equal(ups(&a), 1);
	write_file(path, "second secret\r\n");
	RUN_UNTIL(ups(&a) == 2);
	log_set_sink(NULL, NULL);
	bus_end(&a);
	redis_stop(&r);
	unlink(path);
}

/* ------------------------------------------------------------ certificates */

/* Creates certificates with the openssl command: an authority, and a server certificate for localhost and 127.0.0.1.
 */
static void
make_certificates(const char *dir)
{
	char command[2048];

	snprintf(command, sizeof command,
		"(cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out "
		"ca.pem && "
		"openssl req -newkey rsa:2048 -nodes -subj /CN=redis -keyout key.pem -out csr.pem && "
		"printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > ext && "
		"openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out "
		"cert.pem) >/dev/null 2>&1",
		dir);
	assert_int_equal(system(command), 0);
}

/* Milliseconds. A handshake takes long on a loaded machine. */
#define PATIENT 20000
#define IMPATIENT 1000

static void
open_tls(struct bus_bench *b, const char *url, const char *ca, uint64_t timeout_ms)
{
	const struct bus_access access = {.ca_file = ca};

	bus_start_as(b, url, &access, 1000, 200, timeout_ms);
}

static unsigned refused_name, refused_authority, refused_plain;

/* The log is the only place where operators see why a bus is down. */
static void
count_refusals(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	refused_plain += memmem(line, n, "does that port speak TLS", 24) != NULL;
	if (memmem(line, n, "TLS failed", 10) == NULL)
		return;
	refused_name +=
		memmem(line, n, "server=127.0.0.2", 16) != NULL && memmem(line, n, "use the host name", 17) != NULL;
	refused_authority +=
		memmem(line, n, "server=127.0.0.1", 16) != NULL && memmem(line, n, "--redis-ca", 10) != NULL;
}

static void
tls_with_the_certificate_checked(void **state)
{
	char dir[] = "/tmp/sockeye-bus-XXXXXX", cert[64], key[64], ca[64], port[8], url[64], name[64],
	     error[BUS_ERROR_MAX];
	const char *more[] = {"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", ca, "--tls-auth-clients", "no", "--bind", "127.0.0.1", "127.0.0.2", NULL};
	struct bus_form_options missing = {
		.server = "rediss://localhost", .key = "k", .access.ca_file = "/nonexistent.pem"};
	struct bus_bench by_name, by_address, other_name, untrusted, plain_port;
	struct redis_bench r = {.port = 0};
	struct listener l;
	struct bus_end *none;
	uint16_t tls_port = free_port();

	(void)state;
	log_set_sink(count_refusals, NULL);
	assert_non_null(mkdtemp(dir));
	make_certificates(dir);
	snprintf(cert, sizeof cert, "%s/cert.pem", dir);
	snprintf(key, sizeof key, "%s/key.pem", dir);
	snprintf(ca, sizeof ca, "%s/ca.pem", dir);
	snprintf(port, sizeof port, "%u", tls_port);
	redis_start(&r, more);
	snprintf(url, sizeof url, "rediss://127.0.0.1:%u", tls_port);
	open_tls(&by_address, url, ca, PATIENT);
	open_tls(&untrusted, url, NULL, PATIENT);
	snprintf(name, sizeof name, "rediss://localhost:%u", tls_port);
	open_tls(&by_name, name, ca, PATIENT);
	snprintf(name, sizeof name, "rediss://127.0.0.2:%u",
		tls_port); /* the same server answers under a name that is not in its certificate */
	open_tls(&other_name, name, ca, PATIENT);
	snprintf(name, sizeof name, "rediss://127.0.0.1:%u", r.port);
	open_tls(&plain_port, name, ca, IMPATIENT); /* Redis does not answer a handshake */
	listen_to(&by_name, &l, "k#", true);
	RUN_UNTIL(ups(&by_name) == 1 && ups(&by_address) == 1);
	publish(&by_address, "k#1", "over TLS");
	RUN_UNTIL(l.messages == 1);
	assert_heard(&l, "over TLS ");
	/* both buses were refused repeatedly and never came up */
	RUN_UNTIL(refused_name >= 2 && refused_authority >= 2 && refused_plain >= 2);
	log_set_sink(NULL, NULL);
	assert_int_equal(ups(&untrusted) + ups(&other_name), 0);
	assert_int_equal(bus_redis.open(&none, &bench.loop, &missing, NULL, error), ERROR_TLS);
	assert_non_null(strstr(error, "/nonexistent.pem"));
	listen_no_more(&by_name, &l);
	bus_end(&by_name);
	bus_end(&by_address);
	bus_end(&other_name);
	bus_end(&untrusted);
	bus_end(&plain_port);
	redis_stop(&r);
	snprintf(name, sizeof name, "rm -r %s", dir);
	assert_int_equal(system(name), 0);
}

static unsigned refused_client;

static void
count_refused_clients(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	refused_client += memmem(line, n, "certificate required", 20) != NULL &&
			  memmem(line, n, "--redis-tls-cert", 16) != NULL;
}

/* A server that requires a client certificate, and a server whose own certificate is not to be verified. */
static void
client_certificates(void **state)
{
	char dir[] = "/tmp/sockeye-bus-XXXXXX", cert[64], key[64], ca[64], port[8], url[64], command[64];
	const char *more[] = {"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", ca, "--tls-auth-clients", "yes", "--bind", "127.0.0.1", "127.0.0.2", NULL};
	struct bus_access with = {.ca_file = ca, .cert_file = cert, .key_file = key}, without = {.ca_file = ca},
			  insecure = {.cert_file = cert, .key_file = key, .insecure = true};
	struct bus_bench good, bad, trusting;
	struct redis_bench r = {.port = 0};
	uint16_t tls_port = free_port();

	(void)state;
	log_set_sink(count_refused_clients, NULL);
	assert_non_null(mkdtemp(dir));
	make_certificates(dir);
	snprintf(cert, sizeof cert, "%s/cert.pem", dir);
	snprintf(key, sizeof key, "%s/key.pem", dir);
	snprintf(ca, sizeof ca, "%s/ca.pem", dir);
	snprintf(port, sizeof port, "%u", tls_port);
	redis_start(&r, more);
	snprintf(url, sizeof url, "rediss://localhost:%u", tls_port);
	bus_start_as(&good, url, &with, 1000, 200, 10000);
	bus_start_as(&bad, url, &without, 1000, 200, 10000);
	snprintf(url, sizeof url, "rediss://127.0.0.2:%u", tls_port); /* not a name in the certificate */
	bus_start_as(&trusting, url, &insecure, 1000, 200, 10000);
	RUN_UNTIL(ups(&good) == 1 && ups(&trusting) == 1 && refused_client > 0);
	assert_int_equal(ups(&bad), 0);
	log_set_sink(NULL, NULL);
	bus_end(&good);
	bus_end(&bad);
	bus_end(&trusting);
	redis_stop(&r);
	snprintf(command, sizeof command, "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(contradictions_are_errors, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_password_file_is_read_again, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(tls_with_the_certificate_checked, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(client_certificates, bench_start, bench_stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
