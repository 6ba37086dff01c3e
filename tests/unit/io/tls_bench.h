/* Certificates made at test time, and an OpenSSL client in the test's loop. */
#ifndef TESTS_UNIT_IO_TLS_BENCH_H
#define TESTS_UNIT_IO_TLS_BENCH_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <sys/stat.h>

#include "tests/unit/io/io_bench.h"
#include "common/base/error.h"
#include "common/io/tls.h"

static char pem_dir[64];

/* A path in the test's folder, valid until the 16th call after this one. */
static const char *
pem_path(const char *name)
{
	static char paths[16][128];
	static unsigned next;
	char *path = paths[next++ % 16];

	snprintf(path, sizeof(paths[0]), "%s/%s", pem_dir, name);
	return path;
}

UNUSED static void
pem_text(const char *name, const char *text)
{
	FILE *f = fopen(pem_path(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Creates a self-signed certificate; takes over the key. */
static void
pem_pair_of(EVP_PKEY *key, const char *cert_name, const char *key_name, const char *passphrase)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	FILE *f;

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_set_version(cert, 2);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	/* Ed25519 has its hash built in */
	assert_true(X509_sign(cert, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
	f = fopen(pem_path(cert_name), "w");
	assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
	f = fopen(pem_path(key_name), "w");
	assert_int_equal(PEM_write_PrivateKey(f, key, passphrase != NULL ? EVP_aes_128_cbc() : NULL,
				 (const unsigned char *)passphrase, passphrase != NULL ? (int)strlen(passphrase) : 0,
				 NULL, NULL),
		1);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
pem_pair(const char *cert_name, const char *key_name, const char *passphrase)
{
	pem_pair_of(EVP_EC_gen("P-256"), cert_name, key_name, passphrase);
}

/* Group set-up: creates the folder with cert.pem and key.pem. */
UNUSED static int
pem_start(void **state)
{
	(void)state;
	snprintf(pem_dir, sizeof(pem_dir), "/tmp/sockeye-pem-XXXXXX");
	if (mkdtemp(pem_dir) == NULL)
		return -1;
	pem_pair("cert.pem", "key.pem", NULL);
	return 0;
}

UNUSED static int
pem_stop(void **state)
{
	static const char *const names[] = {"cert.pem", "key.pem", "other.pem", "other-key.pem", "locked-key.pem",
		"garbage.pem", "empty.pem", "unreadable.pem", "chain.pem", "bad-chain.pem", "locked.pem"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(pem_path(names[i]));
	return rmdir(pem_dir);
}

#endif
