#include "common/io/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/tls_internal.h"

/* TLS 1.2: only forward secrecy and authenticated encryption. All suites of TLS 1.3 are secure. */
#define DEFAULT_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_context {
	SSL_CTX *ssl;
	char *server_name; /* set for a client; "" if it connects to an address */
	char failure[128]; /* reason for a client's last failed connection */
};

void
tls_context_free(struct tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_set_app_data(context->ssl, NULL); /* connections may outlive the context */
	SSL_CTX_free(context->ssl);
	mem_free(context->server_name);
	mem_free(context);
}

const char *
tls_context_server_name(const struct tls_context *context)
{
	return context->server_name;
}

struct ssl_ctx_st *
tls_context_ssl(struct tls_context *context)
{
	return context->ssl;
}

/* A key with a passphrase must cause an error line instead of a prompt on the terminal. */
static int
tls_refuse_passphrase(char *out, int size, int writing, void *asked)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

/* Returns OpenSSL's last error as a short phrase. */
static const char *
tls_openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason != NULL ? reason : "no reason given";
}

/*
 * Opens a regular file. Returns NULL with errno set for anything else: EINVAL stands for a file of another kind. A
 * FIFO would block the process until a writer comes.
 */
static FILE *
tls_open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), why;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fdopen(fd, "r");
	why = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	close(fd);
	errno = why;
	return NULL;
}

/* Opens a PEM file. Opening it separately distinguishes a missing or unreadable file from wrong contents. */
static BIO *
tls_open_pem(const char *what, const char *path, char *error)
{
	char byte;
	BIO *file;

	if (path == NULL || path[0] == '\0') {
		snprintf(error, TLS_ERROR_MAX, "TLS requires a %s file in PEM format", what);
		return NULL;
	}
	FILE *probe = tls_open_regular(path);

	if (probe == NULL || (fread(&byte, 1, 1, probe) == 0 && ferror(probe))) {
		int why = errno;

		snprintf(error, TLS_ERROR_MAX, "cannot read the %s file \"%.200s\": %s; %s", what, path,
			why == EINVAL ? "it is not a regular file" : strerror(why),
			why == EACCES || why == EPERM ? "make it readable for the server's user"
			: why == EISDIR		      ? "give a file, not a directory"
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

/* Reads the leaf certificate, then the intermediates up to the end of the file. */
static int
tls_use_certificates(SSL_CTX *ssl, const char *path, char *error)
{
	BIO *file = tls_open_pem("certificate", path, error);
	int result = ERROR_TLS;
	X509 *certificate;

	if (file == NULL)
		return ERROR_TLS;
	certificate = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL);
	if (certificate == NULL) {
		snprintf(error, TLS_ERROR_MAX,
			"\"%.200s\" contains no valid PEM certificate (%s); give a file with -----BEGIN "
			"CERTIFICATE-----, "
			"the server's own first, then the intermediates",
			path, tls_openssl_reason());
		goto out;
	}
	if (SSL_CTX_use_certificate(ssl, certificate) != 1) {
		snprintf(error, TLS_ERROR_MAX,
			"the certificate in \"%.200s\" cannot be used (%s); reissue it with a stronger key", path,
			tls_openssl_reason());
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
			"an intermediate certificate in \"%.200s\" is damaged (%s); rebuild the chain", path,
			tls_openssl_reason());
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
tls_use_key(SSL_CTX *ssl, const char *path, const char *cert_path, char *error)
{
	BIO *file = tls_open_pem("key", path, error);
	bool asked = false;
	int result = ERROR_TLS;
	EVP_PKEY *key;

	if (file == NULL)
		return ERROR_TLS;
	key = PEM_read_bio_PrivateKey(file, NULL, tls_refuse_passphrase, &asked);
	if (key == NULL && asked)
		snprintf(error, TLS_ERROR_MAX,
			"the key file \"%.200s\" has a passphrase; give a key without one "
			"(openssl pkey -in KEY -out PLAIN)",
			path);
	else if (key == NULL)
		snprintf(error, TLS_ERROR_MAX,
			"\"%.200s\" contains no valid PEM private key (%s); give a file with -----BEGIN PRIVATE "
			"KEY-----",
			path, tls_openssl_reason());
	else if (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1)
		snprintf(error, TLS_ERROR_MAX,
			"the key file \"%.150s\" does not belong to the certificate \"%.150s\" (%s); give the key "
			"the "
			"certificate was issued for",
			path, cert_path, tls_openssl_reason());
	else
		result = 0;
	EVP_PKEY_free(key);
	BIO_free(file);
	return result;
}

/*
 * ALPN (RFC 7301): selects http/1.1 if it is offered. A client that offers only other protocols continues without
 * ALPN.
 */
static int
tls_select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
	unsigned n, void *arg)
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
tls_set_versions(SSL_CTX *ssl, const struct tls_options *options, char *error)
{
	const char *version = options->min_version != NULL ? options->min_version : "1.2";
	const char *ciphers =
		options->ciphers != NULL && options->ciphers[0] != '\0' ? options->ciphers : DEFAULT_CIPHERS;

	if (strcmp(version, "1.2") != 0 && strcmp(version, "1.3") != 0) {
		snprintf(error, TLS_ERROR_MAX, "\"%.40s\" is not a supported TLS version (use 1.2 or 1.3)", version);
		return ERROR_TLS;
	}
	must(SSL_CTX_set_min_proto_version(ssl, version[2] == '2' ? TLS1_2_VERSION : TLS1_3_VERSION) == 1);
	if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1) {
		snprintf(error, TLS_ERROR_MAX,
			"the TLS cipher list \"%.200s\" matches no cipher; see `openssl ciphers -v`", ciphers);
		return ERROR_TLS;
	}
	return 0;
}

static void
tls_set_modes(SSL_CTX *ssl)
{
	static const unsigned char name[] = "sockeye";

	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* an idle connection owns no record buffers */
	SSL_CTX_set_mode(
		ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	/* read the header and body of a record with one system call */
	SSL_CTX_set_read_ahead(ssl, 1);
	/* sessions are stored only in the clients' tickets */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	must(SSL_CTX_set_session_id_context(ssl, name, sizeof(name) - 1) == 1);
	SSL_CTX_set_alpn_select_cb(ssl, tls_select_protocol, NULL);
}

static int
tls_trust(SSL_CTX *ssl, const char *ca_file, char *error)
{
	if (ca_file == NULL) {
		must(SSL_CTX_set_default_verify_paths(ssl) == 1);
		return 0;
	}
	BIO *file = tls_open_pem("certificate authority", ca_file, error);

	if (file == NULL)
		return ERROR_TLS;
	BIO_free(file);
	if (SSL_CTX_load_verify_locations(ssl, ca_file, NULL) == 1)
		return 0;
	snprintf(error, TLS_ERROR_MAX,
		"\"%.200s\" contains no valid PEM certificate (%s); give the certificate of the authority that "
		"signed the other side's",
		ca_file, tls_openssl_reason());
	return ERROR_TLS;
}

/* Accepts only clients with a certificate of that authority. */
static int
tls_verify_clients(SSL_CTX *ssl, const char *ca_file, char *error)
{
	if (ca_file == NULL)
		return 0;
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return tls_trust(ssl, ca_file, error);
}

int
tls_context_new(struct tls_context **out, const struct tls_options *options, char error[TLS_ERROR_MAX])
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	int result;

	must(ssl != NULL);
	ERR_clear_error();
	tls_set_modes(ssl);
	if (options->ticket_keys != NULL)
		must(SSL_CTX_set_tlsext_ticket_keys(ssl, (void *)(uintptr_t)options->ticket_keys, TLS_TICKET_KEYS) ==
			1);
	result = tls_set_versions(ssl, options, error);
	if (result == 0)
		result = tls_use_certificates(ssl, options->cert_file, error);
	if (result == 0)
		result = tls_use_key(ssl, options->key_file, options->cert_file, error);
	if (result == 0)
		result = tls_verify_clients(ssl, options->client_ca_file, error);
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
tls_client_new(struct tls_context **out, const struct tls_client_options *options, char error[TLS_ERROR_MAX])
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
	SSL_CTX_set_verify(ssl, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	param = SSL_CTX_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	address = X509_VERIFY_PARAM_set1_ip_asc(param, options->host) == 1;
	if (!address)
		must(X509_VERIFY_PARAM_set1_host(param, options->host, 0) == 1);
	result = tls_trust(ssl, options->ca_file, error);
	if (result == 0 && options->cert_file != NULL)
		result = tls_use_certificates(ssl, options->cert_file, error);
	if (result == 0 && options->cert_file != NULL)
		result = tls_use_key(ssl, options->key_file, options->cert_file, error);
	ERR_clear_error();
	if (result < 0) {
		SSL_CTX_free(ssl);
		return result;
	}
	*out = mem_alloc(sizeof(**out));
	**out = (struct tls_context){
		.ssl = ssl, .server_name = mem_text(options->host, address ? 0 : strlen(options->host))};
	SSL_CTX_set_app_data(ssl, *out);
	return 0;
}

void
tls_context_failed(struct ssl_st *ssl, const char *reason)
{
	struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	long verified = SSL_get_verify_result(ssl);

	if (context == NULL)
		return;
	if (verified != X509_V_OK)
		reason = X509_verify_cert_error_string(verified);
	snprintf(context->failure, sizeof context->failure, "%s", reason != NULL ? reason : "the connection broke");
}

const char *
tls_client_failure(const struct tls_context *context)
{
	return context->failure;
}
