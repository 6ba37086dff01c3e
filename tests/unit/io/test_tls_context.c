/* Certificates and keys that cannot be used give one clear error line. */
#include "tests/unit/io/tls_bench.h"

static void
expect_error(const char *cert, const char *key, const char *word1, const char *word2)
{
	struct tls_options o = {.cert_file = cert, .key_file = key};
	struct tls_context *t = NULL;
	char error[TLS_ERROR_MAX] = "";

	assert_int_equal(tls_context_new(&t, &o, error), ERROR_TLS);
	assert_null(t);
	if (strstr(error, word1) == NULL || strstr(error, word2) == NULL)
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", error, word1, word2);
	assert_null(strchr(error, '\n'));
	assert_int_equal(ERR_peek_error(), 0);
}

static void
a_good_pair_makes_a_context(void **state)
{
	struct tls_options o = {.cert_file = pem_path("cert.pem"), .key_file = pem_path("key.pem")};
	struct tls_context *t;
	char error[TLS_ERROR_MAX];

	(void)state;
	assert_int_equal(tls_context_new(&t, &o, error), 0);
	tls_context_free(t);
	tls_context_free(NULL);
	o.min_version = "1.3";
	o.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
	assert_int_equal(tls_context_new(&t, &o, error), 0);
	tls_context_free(t);
}

static void
missing_and_unreadable_files_are_named(void **state)
{
	const char *cert = pem_path("cert.pem"), *key = pem_path("key.pem");

	(void)state;
	expect_error(
		"/nowhere/cert.pem", key, "cannot read the certificate file \"/nowhere/cert.pem\"", "No such file");
	expect_error(cert, "/nowhere/key.pem", "cannot read the key file \"/nowhere/key.pem\"", "check the path");
	expect_error(pem_dir, key, pem_dir, "not a directory");
	assert_int_equal(mkfifo(pem_path("fifo.pem"), 0600), 0);
	expect_error(pem_path("fifo.pem"), key, "fifo.pem",
		"it is not a regular file; check the path"); /* does not wait */
	expect_error(cert, pem_path("fifo.pem"), "fifo.pem", "it is not a regular file; check the path");
	assert_int_equal(unlink(pem_path("fifo.pem")), 0);
	expect_error(NULL, key, "certificate", "PEM");
	expect_error(cert, "", "key", "PEM");
	pem_text("unreadable.pem", "secret");
	chmod(pem_path("unreadable.pem"), 0);
	if (geteuid() != 0) /* root reads everything */
		expect_error(
			cert, pem_path("unreadable.pem"), "unreadable.pem", "make it readable for the server's user");
}

static void
content_that_is_not_pem_is_reported(void **state)
{
	const char *cert = pem_path("cert.pem"), *key = pem_path("key.pem");

	(void)state;
	pem_text("empty.pem", "");
	pem_text("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA not base64 !!\n-----END CERTIFICATE-----\n");
	expect_error(
		pem_path("empty.pem"), key, "empty.pem\" contains no valid PEM certificate", "BEGIN CERTIFICATE");
	expect_error(pem_path("garbage.pem"), key, "garbage.pem\" contains no valid PEM certificate", "");
	expect_error(key, key, "key.pem\" contains no valid PEM certificate", "");
	expect_error(
		cert, pem_path("empty.pem"), "empty.pem\" contains no valid PEM private key", "BEGIN PRIVATE KEY");
	expect_error(cert, cert, "cert.pem\" contains no valid PEM private key", "");
}

static void
a_key_of_another_certificate_is_refused(void **state)
{
	(void)state;
	pem_pair("other.pem", "other-key.pem", NULL);
	expect_error(
		pem_path("cert.pem"), pem_path("other-key.pem"), "other-key.pem\" does not belong to", "cert.pem");
	/* OpenSSL refuses a key of another type before it compares it with the certificate */
	pem_pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "other.pem", "other-key.pem", NULL);
	expect_error(
		pem_path("cert.pem"), pem_path("other-key.pem"), "other-key.pem\" does not belong to", "cert.pem");
}

static void
a_passphrase_is_not_asked_for(void **state)
{
	(void)state;
	pem_pair("locked.pem", "locked-key.pem", "secret");
	expect_error(pem_path("locked.pem"), pem_path("locked-key.pem"), "locked-key.pem", "passphrase");
}

static void
append(FILE *to, const char *name)
{
	char bytes[4096];
	FILE *from = fopen(pem_path(name), "r");
	size_t n = fread(bytes, 1, sizeof(bytes), from);

	fwrite(bytes, 1, n, to);
	fclose(from);
}

static void
a_chain_is_read_whole(void **state)
{
	struct tls_options o = {.cert_file = pem_path("chain.pem"), .key_file = pem_path("key.pem")};
	struct tls_context *t;
	char error[TLS_ERROR_MAX];
	FILE *f = fopen(pem_path("chain.pem"), "w");

	(void)state;
	append(f, "cert.pem");
	append(f, "cert.pem");
	fclose(f);
	assert_int_equal(tls_context_new(&t, &o, error), 0);
	tls_context_free(t);

	f = fopen(pem_path("bad-chain.pem"), "w");
	append(f, "cert.pem");
	fputs("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", f);
	fclose(f);
	expect_error(pem_path("bad-chain.pem"), pem_path("key.pem"), "intermediate", "bad-chain.pem");
}

static void
versions_and_ciphers_are_checked(void **state)
{
	struct tls_options o = {.cert_file = pem_path("cert.pem"), .key_file = pem_path("key.pem")};
	struct tls_context *t;
	char error[TLS_ERROR_MAX];

	(void)state;
	o.min_version = "1.0";
	assert_int_equal(tls_context_new(&t, &o, error), ERROR_TLS);
	assert_non_null(strstr(error, "use 1.2 or 1.3"));
	o.min_version = NULL;
	o.ciphers = "NONSENSE";
	assert_int_equal(tls_context_new(&t, &o, error), ERROR_TLS);
	assert_non_null(strstr(error, "\"NONSENSE\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_pair_makes_a_context),
		cmocka_unit_test(missing_and_unreadable_files_are_named),
		cmocka_unit_test(content_that_is_not_pem_is_reported),
		cmocka_unit_test(a_key_of_another_certificate_is_refused),
		cmocka_unit_test(a_passphrase_is_not_asked_for),
		cmocka_unit_test(a_chain_is_read_whole),
		cmocka_unit_test(versions_and_ciphers_are_checked),
	};

	return cmocka_run_group_tests(tests, pem_start, pem_stop);
}
