/*
 * TLS over the socket, by OpenSSL. It uses a BIO of its own, because OpenSSL's socket BIO raises SIGPIPE and
 * does not count the calls.
 *
 * After SSL_write() had to wait, it may be called again with more bytes than before, but never with fewer. Each call
 * passes the head of the queue, up to one record, and the queue only grows at its end.
 */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/must.h"
#include "common/io/conn_internal.h"
#include "common/io/log.h"
#include "common/io/tls_internal.h"

#define RECORD_MAX 16384 /* RFC 8446 section 5.1 */

static BIO_METHOD *tls_bio_method;
static pthread_once_t tls_bio_method_once = PTHREAD_ONCE_INIT;

static int
tls_bio_write(BIO *bio, const char *at, int n)
{
	struct conn *c = BIO_get_data(bio);
	int64_t sent = c->write_failed ? STREAM_RESET : stream_transmit(c, at, (size_t)n);

	BIO_clear_retry_flags(bio);
	if (sent == STREAM_RESET) {
		/* OpenSSL reads on only if it does not learn of the failure */
		conn_write_failed(c);
		return n;
	}
	if (sent == STREAM_WAIT)
		BIO_set_retry_write(bio);
	return sent < 0 ? -1 : (int)sent;
}

static int
tls_bio_read(BIO *bio, char *at, int n)
{
	int64_t got = stream_receive(BIO_get_data(bio), at, (size_t)n);

	BIO_clear_retry_flags(bio);
	if (got == STREAM_WAIT)
		BIO_set_retry_read(bio);
	else if (got == STREAM_EOF)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return got < 0 ? -1 : (int)got;
}

static long
tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

static void
tls_make_bio_method(void)
{
	tls_bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
	must(tls_bio_method != NULL);
	BIO_meth_set_write(tls_bio_method, tls_bio_write);
	BIO_meth_set_read(tls_bio_method, tls_bio_read);
	BIO_meth_set_ctrl(tls_bio_method, tls_bio_control);
}

void
stream_tls_start(struct conn *c, struct tls_context *context)
{
	const char *name = tls_context_server_name(context);
	BIO *bio;

	must(pthread_once(&tls_bio_method_once, tls_make_bio_method) == 0);
	bio = BIO_new(tls_bio_method);
	c->ssl = SSL_new(tls_context_ssl(context));
	must(bio != NULL && c->ssl != NULL);
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	if (name == NULL) {
		SSL_set_accept_state(c->ssl);
		return;
	}
	if (name[0] != '\0')
		must(SSL_set_tlsext_host_name(c->ssl, name) == 1);
	SSL_set_connect_state(c->ssl);
}

/*
 * Called before each call of OpenSSL whose result SSL_get_error() explains, because that function takes an old error
 * in the thread's queue for one of this call. The queue is nearly always empty, and ERR_peek_error() says so in a
 * quarter of the instructions that ERR_clear_error() needs even for an empty queue.
 */
static void
tls_forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* Converts a failed result. The caller handles WANT_READ and WANT_WRITE. */
static int64_t
tls_failure(struct conn *c, int error)
{
	unsigned long why = ERR_peek_error();

	if (log_enabled(LOG_DEBUG)) {
		const char *reason = ERR_reason_error_string(why);
		char address[CONN_ADDRESS_MAX];
		struct text peer = conn_peer_address(c, address);

		log_event(LOG_DEBUG, "tls_failed", "address", LOG_TEXT(peer), "reason",
			LOG_STR(reason != NULL ? reason : "the connection broke"), NULL);
	}
	if (error == SSL_ERROR_SSL)
		tls_context_failed(c->ssl, ERR_reason_error_string(why));
	ERR_clear_error();
	return error == SSL_ERROR_SSL ? STREAM_TLS : STREAM_RESET;
}

static int
tls_handshake(struct conn *c)
{
	tls_forget_errors();
	c->read_waits_write = false;
	int result = SSL_do_handshake(c->ssl);

	if (result == 1)
		return 0;
	int error = SSL_get_error(c->ssl, result);

	if (error == SSL_ERROR_WANT_READ)
		return STREAM_WAIT;
	if (error == SSL_ERROR_WANT_WRITE) {
		c->read_waits_write = true;
		return STREAM_WAIT;
	}
	result = (int)tls_failure(c, error);
	return BIO_test_flags(SSL_get_rbio(c->ssl), BIO_FLAGS_IN_EOF) ? STREAM_GONE : result;
}

static int64_t
tls_read(struct conn *c, uint8_t *at, size_t n)
{
	size_t total = 0;

	c->more = false;
	while (total < n) {
		tls_forget_errors();
		int got = SSL_read(c->ssl, at + total, n - total > INT_MAX ? INT_MAX : (int)(n - total));

		if (got > 0) {
			total += (size_t)got;
			if (!SSL_has_pending(c->ssl))
				return (int64_t)total;
			continue;
		}
		int error = SSL_get_error(c->ssl, got);

		if (error == SSL_ERROR_WANT_WRITE)
			c->read_waits_write = true;
		if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
			return total > 0 ? (int64_t)total : STREAM_WAIT;
		if (total > 0) {
			/* return the bytes first; the next read reports the end or the failure again */
			c->more = true;
			return (int64_t)total;
		}
		return error == SSL_ERROR_ZERO_RETURN ? STREAM_EOF : tls_failure(c, error);
	}
	c->more = SSL_has_pending(c->ssl) == 1;
	return (int64_t)total;
}

/* Returns the head of the queue, up to one record: in place if it is in one piece, otherwise joined. */
static const uint8_t *
tls_collect(struct conn *c, size_t *n)
{
	struct conn_cursor cursor = conn_queue_walk(&c->out);
	const struct conn_slice *slice = conn_queue_next(&cursor);
	size_t wanted = c->out.bytes < RECORD_MAX ? c->out.bytes : RECORD_MAX, have = 0;

	*n = wanted;
	if (slice->n >= wanted)
		return slice->block->data + slice->from;
	while (have < wanted) {
		size_t part = slice->n < wanted - have ? slice->n : wanted - have;

		memcpy(loop_of(c)->gather + have, slice->block->data + slice->from, part);
		have += part;
		slice = conn_queue_next(&cursor);
	}
	return loop_of(c)->gather;
}

static int64_t
tls_write(struct conn *c, bool *full)
{
	size_t n;
	const uint8_t *at = tls_collect(c, &n);

	*full = false;
	tls_forget_errors();
	int sent = SSL_write(c->ssl, at, (int)n);

	if (sent > 0)
		return sent;
	int error = SSL_get_error(c->ssl, sent);

	if (error == SSL_ERROR_WANT_READ)
		c->write_waits_read = true;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return STREAM_WAIT;
	return tls_failure(c, error);
}

/* Sends close_notify (RFC 8446 section 6.1), then FIN. Does not wait for the peer's close_notify. */
static int
tls_shutdown(struct conn *c)
{
	tls_forget_errors();
	int result = SSL_shutdown(c->ssl);

	if (result < 0) {
		int error = SSL_get_error(c->ssl, result);

		if (error == SSL_ERROR_WANT_READ)
			c->write_waits_read = true;
		if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
			return STREAM_WAIT;
		return (int)tls_failure(c, error);
	}
	return stream_plain.shutdown(c);
}

static void
tls_free(struct conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
}

const struct stream_ops stream_tls = {
	.handshake = tls_handshake,
	.read = tls_read,
	.write = tls_write,
	.shutdown = tls_shutdown,
	.free = tls_free,
};
