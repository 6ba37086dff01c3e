/* Plain TCP or a unix socket: the slices of the queue are sent by one send() or sendmsg(). */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/io/conn_internal.h"

#define SLICES_PER_WRITE 64
#define SMALL_SLICE 4096 /* up to this size, a memcpy() costs less than another iovec */

int64_t
stream_receive(struct conn *c, void *at, size_t n)
{
	ssize_t got;

	do
		got = recv(c->io.fd, at, n, 0);
	while (got < 0 && errno == EINTR);
	counter_add(conn_counters(c), COUNT_READS, 1);
	c->filled = got == (ssize_t)n;
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_WAIT : STREAM_RESET;
	counter_add(conn_counters(c), COUNT_BYTES_IN, (uint64_t)got);
	return got == 0 ? STREAM_EOF : got;
}

static int64_t
stream_count_sent(struct conn *c, ssize_t sent)
{
	counter_add(conn_counters(c), COUNT_WRITES, 1);
	loop_of(c)->writes++;
	if (sent < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_WAIT : STREAM_RESET;
	if (sent >= LOOP_WRITE_BYTES)
		loop_of(c)->writes += (unsigned)sent / LOOP_WRITE_BYTES;
	counter_add(conn_counters(c), COUNT_BYTES_OUT, (uint64_t)sent);
	return sent;
}

int64_t
stream_transmit(struct conn *c, const void *at, size_t n)
{
	ssize_t sent;

	do
		sent = send(c->io.fd, at, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return stream_count_sent(c, sent);
}

/*
 * Collects the head of the queue for sendmsg(). Adjacent small slices are joined in the loop's gather buffer. Returns
 * the number of bytes, at most `max`.
 */
static size_t
plain_collect(struct conn *c, size_t max, struct iovec *pieces, size_t *count)
{
	struct conn_cursor cursor = conn_queue_walk(&c->out);
	const struct conn_slice *slice;
	uint8_t *gather = loop_of(c)->gather;
	size_t gathered = 0, total = 0, n = 0;
	bool joining = false;

	while (total < max && (slice = conn_queue_next(&cursor)) != NULL) {
		uint8_t *at = slice->block->data + slice->from;
		bool small = slice->n <= SMALL_SLICE;

		if (small && gathered + slice->n > LOOP_GATHER_SIZE)
			break;
		if (small) {
			memcpy(gather + gathered, at, slice->n);
			at = gather + gathered;
			gathered += slice->n;
		}
		if (small && joining) {
			pieces[n - 1].iov_len += slice->n;
		} else if (n < SLICES_PER_WRITE) {
			pieces[n++] = (struct iovec){at, slice->n};
		} else {
			break;
		}
		joining = small;
		total += slice->n;
	}
	if (total > max) {
		pieces[n - 1].iov_len -= total - max;
		total = max;
	}
	*count = n;
	return total;
}

/* Writes several slices. Sets `*total` to the bytes to be sent. A function of its own for its large stack frame. */
static __attribute__((noinline)) int64_t
plain_write_slices(struct conn *c, size_t max, size_t *total)
{
	struct iovec pieces[SLICES_PER_WRITE];
	struct msghdr message = {.msg_iov = pieces};
	size_t count;
	ssize_t sent;

	*total = plain_collect(c, max, pieces, &count);
	if (count == 1)
		return stream_transmit(c, pieces[0].iov_base, *total);
	message.msg_iovlen = count;
	do
		sent = sendmsg(c->io.fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return stream_count_sent(c, sent);
}

static int64_t
plain_write(struct conn *c, bool *full)
{
	size_t max = loop_of(c)->part_bytes, total;
	int64_t sent;

	if (c->out.count == 1) {
		const struct conn_slice *only = conn_queue_first(&c->out);

		total = only->n < max ? only->n : max;
		sent = stream_transmit(c, only->block->data + only->from, total);
	} else {
		sent = plain_write_slices(c, max, &total);
	}
	*full = sent >= 0 && (size_t)sent < total;
	return sent;
}

static int64_t
plain_read(struct conn *c, uint8_t *at, size_t n)
{
	return stream_receive(c, at, n);
}

static int
plain_shutdown(struct conn *c)
{
	return shutdown(c->io.fd, SHUT_WR) == 0 ? 0 : STREAM_RESET;
}

static void
plain_free(struct conn *c)
{
	(void)c;
}

const struct stream_ops stream_plain = {
	.read = plain_read,
	.write = plain_write,
	.shutdown = plain_shutdown,
	.free = plain_free,
};
