#include "common/io/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/tls_internal.h"

/* TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3's suites are all sound. */
#define DEFAULT_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_context {
	SSL_CTX *ssl;
	char *server_name; /* of a client; "" where it connects to an address */
	char failure[128]; /* of a client's last connection that was refused */
};

void
tls_context_free(struct tls_context *t)
{
	if (t == NULL)
		return;
	SSL_CTX_set_app_data(t->ssl, NULL); /* connections that outlive it */
	SSL_CTX_free(t->ssl);
	mem_free(t->server_name);
	mem_free(t);
}

const char *
tls_context_server_name(const struct tls_context *t)
{
	return t->server_name;
}

struct ssl_ctx_st *
tls_context_ssl(struct tls_context *t)
{
	return t->ssl;
}

/* A key with a passphrase must end in an error line, not in a question on the terminal. */
static int
no_passphrase(char *out, int size, int writing, void *asked)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

/* What OpenSSL says last, as one short phrase. */
static const char *
openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason != NULL ? reason : "no reason given";
}

/* Opens one of the two files, so that "missing" and "unreadable" are told apart from "wrong content". */
static BIO *
open_pem(const char *what, const char *path, char *error)
{
	char byte;
	BIO *file;

	if (path == NULL || path[0] == '\0') {
		snprintf(error, TLS_ERROR_MAX, "TLS needs a %s file; name one in PEM format", what);
		return NULL;
	}
	FILE *probe = fopen(path, "re");

	if (probe == NULL || (fread(&byte, 1, 1, probe) == 0 && ferror(probe))) {
		int why = errno;

		snprintf(error, TLS_ERROR_MAX, "cannot read the %s file \"%.200s\": %s; %s", what, path,
			strerror(why),
			why == EACCES || why == EPERM ? "let the server's user read it"
			: why == EISDIR		      ? "name the file, not its folder"
						      : "check the path");
		if (probe != NULL)
			fclose(probe);
		return NULL;
	}
	rewind(probe);
	file = BIO_new_fp(probe, BIO_CLOSE);
	must(file != NULL);
	return file;
}

/* The leaf, then the intermediates up to the end of the file. */
static int
use_certificates(SSL_CTX *ssl, const char *path, char *error)
{
	BIO *file = open_pem("certificate", path, error);
	int result = ERROR_TLS;
	X509 *certificate;

	if (file == NULL)
		return ERROR_TLS;
	certificate = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL);
	if (certificate == NULL) {
		snprintf(error, TLS_ERROR_MAX,
			"\"%.200s\" holds no readable PEM certificate (%s); give a file with -----BEGIN "
			"CERTIFICATE-----, "
			"the server's own first, then the intermediates",
			path, openssl_reason());
		goto out;
	}
	if (SSL_CTX_use_certificate(ssl, certificate) != 1) {
		snprintf(error, TLS_ERROR_MAX,
			"the certificate in \"%.200s\" cannot be used (%s); have it issued anew with a stronger key",
			path, openssl_reason());
		goto out;
	}
	for (;;) {
		X509 *next = PEM_read_bio_X509(file, NULL, NULL, NULL);

		if (next == NULL)
			break;
		must(SSL_CTX_add0_chain_cert(ssl, next) == 1);
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		snprintf(error, TLS_ERROR_MAX,
			"an intermediate certificate in \"%.200s\" is damaged (%s); put the chain together again",
			path, openssl_reason());
		goto out;
	}
	ERR_clear_error();
	result = 0;
out:
	X509_free(certificate);
	BIO_free(file);
	return result;
}

static int
use_key(SSL_CTX *ssl, const char *path, const char *cert_path, char *error)
{
	BIO *file = open_pem("key", path, error);
	bool asked = false;
	int result = ERROR_TLS;
	EVP_PKEY *key;

	if (file == NULL)
		return ERROR_TLS;
	key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, &asked);
	if (key == NULL && asked)
		snprintf(error, TLS_ERROR_MAX,
			"the key file \"%.200s\" is protected by a passphrase; give one without "
			"(openssl pkey -in KEY -out PLAIN)",
			path);
	else if (key == NULL)
		snprintf(error, TLS_ERROR_MAX,
			"\"%.200s\" holds no readable PEM private key (%s); give a file with -----BEGIN PRIVATE "
			"KEY-----",
			path, openssl_reason());
	else if (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1)
		snprintf(error, TLS_ERROR_MAX,
			"the key file \"%.150s\" does not belong to the certificate \"%.150s\" (%s); give the key "
			"the "
			"certificate was issued for",
			path, cert_path, openssl_reason());
	else
		result = 0;
	EVP_PKEY_free(key);
	BIO_free(file);
	return result;
}

/* RFC 7301: http/1.1 when offered; a client that offers other protocols alone goes on without ALPN. */
static int
select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered, unsigned n,
	void *arg)
{
	static const unsigned char ours[] = "http/1.1";

	(void)ssl;
	(void)arg;
	for (unsigned at = 0; at < n && offered[at] < n - at; at += offered[at] + 1u) {
		if (offered[at] == sizeof(ours) - 1 && memcmp(offered + at + 1, ours, sizeof(ours) - 1) == 0) {
			*out = offered + at + 1;
			*out_len = offered[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int
set_versions(SSL_CTX *ssl, const struct tls_options *o, char *error)
{
	const char *version = o->min_version != NULL ? o->min_version : "1.2";
	const char *ciphers = o->ciphers != NULL && o->ciphers[0] != '\0' ? o->ciphers : DEFAULT_CIPHERS;

	if (strcmp(version, "1.2") != 0 && strcmp(version, "1.3") != 0) {
		snprintf(error, TLS_ERROR_MAX, "\"%.40s\" is no TLS version offered here; use 1.2 or 1.3", version);
		return ERROR_TLS;
	}
	must(SSL_CTX_set_min_proto_version(ssl, version[2] == '2' ? TLS1_2_VERSION : TLS1_3_VERSION) == 1);
	if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1) {
		snprintf(error, TLS_ERROR_MAX,
			"the TLS cipher list \"%.200s\" names no cipher; see `openssl ciphers -v` for the words",
			ciphers);
		return ERROR_TLS;
	}
	return 0;
}

static void
set_modes(SSL_CTX *ssl)
{
	static const unsigned char name[] = "sockeye";

	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* a connection that waits owns no record buffers */
	SSL_CTX_set_mode(
		ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	/* record header and body by one system call */
	SSL_CTX_set_read_ahead(ssl, 1);
	/* sessions live in the clients' tickets alone */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	must(SSL_CTX_set_session_id_context(ssl, name, sizeof(name) - 1) == 1);
	SSL_CTX_set_alpn_select_cb(ssl, select_protocol, NULL);
}

static int
trust(SSL_CTX *ssl, const char *ca_file, char *error)
{
	if (ca_file == NULL) {
		must(SSL_CTX_set_default_verify_paths(ssl) == 1);
		return 0;
	}
	BIO *file = open_pem("certificate authority", ca_file, error);

	if (file == NULL)
		return ERROR_TLS;
	BIO_free(file);
	if (SSL_CTX_load_verify_locations(ssl, ca_file, NULL) == 1)
		return 0;
	snprintf(error, TLS_ERROR_MAX,
		"\"%.200s\" holds no readable PEM certificate (%s); give the certificate of the authority that "
		"signed the other side's",
		ca_file, openssl_reason());
	return ERROR_TLS;
}

/* Only clients with a certificate of that authority come in. */
static int
ask_clients(SSL_CTX *ssl, const char *ca_file, char *error)
{
	if (ca_file == NULL)
		return 0;
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return trust(ssl, ca_file, error);
}

int
tls_context_new(struct tls_context **out, const struct tls_options *o, char error[TLS_ERROR_MAX])
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	int result;

	must(ssl != NULL);
	ERR_clear_error();
	set_modes(ssl);
	if (o->ticket_keys != NULL)
		must(SSL_CTX_set_tlsext_ticket_keys(ssl, (void *)(uintptr_t)o->ticket_keys, TLS_TICKET_KEYS) == 1);
	result = set_versions(ssl, o, error);
	if (result == 0)
		result = use_certificates(ssl, o->cert_file, error);
	if (result == 0)
		result = use_key(ssl, o->key_file, o->cert_file, error);
	if (result == 0)
		result = ask_clients(ssl, o->client_ca_file, error);
	ERR_clear_error();
	if (result < 0) {
		SSL_CTX_free(ssl);
		return result;
	}
	*out = mem_alloc(sizeof(**out));
	**out = (struct tls_context){.ssl = ssl};
	return 0;
}

/* ------------------------------------------------------------------ client */

int
tls_client_new(struct tls_context **out, const struct tls_client_options *o, char error[TLS_ERROR_MAX])
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
	X509_VERIFY_PARAM *param;
	bool address;
	int result;

	must(ssl != NULL);
	ERR_clear_error();
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(
		ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ssl, 1);
	must(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1);
	SSL_CTX_set_verify(ssl, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	param = SSL_CTX_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	address = X509_VERIFY_PARAM_set1_ip_asc(param, o->host) == 1;
	if (!address)
		must(X509_VERIFY_PARAM_set1_host(param, o->host, 0) == 1);
	result = trust(ssl, o->ca_file, error);
	if (result == 0 && o->cert_file != NULL)
		result = use_certificates(ssl, o->cert_file, error);
	if (result == 0 && o->cert_file != NULL)
		result = use_key(ssl, o->key_file, o->cert_file, error);
	ERR_clear_error();
	if (result < 0) {
		SSL_CTX_free(ssl);
		return result;
	}
	*out = mem_alloc(sizeof(**out));
	**out = (struct tls_context){.ssl = ssl, .server_name = mem_text(o->host, address ? 0 : strlen(o->host))};
	SSL_CTX_set_app_data(ssl, *out);
	return 0;
}

void
tls_context_failed(struct ssl_st *ssl, const char *reason)
{
	struct tls_context *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	long verified = SSL_get_verify_result(ssl);

	if (t == NULL)
		return;
	if (verified != X509_V_OK)
		reason = X509_verify_cert_error_string(verified);
	snprintf(t->failure, sizeof t->failure, "%s", reason != NULL ? reason : "the connection broke");
}

const char *
tls_client_failure(const struct tls_context *t)
{
	return t->failure;
}
