/* Raw clients of the server in harness_server.h: bytes, HTTP requests and replies, polling, WebSocket frames. */
#ifndef TESTS_UNIT_ENGINEIO_HARNESS_CLIENT_H
#define TESTS_UNIT_ENGINEIO_HARNESS_CLIENT_H

#include "tests/unit/engineio/harness_server.h"

struct client {
	int fd;
	uint8_t in[1 << 18];
	size_t n;
	bool eof;
	int status; /* of the last reply */
	char head[4096];
	char body[1 << 17];
	size_t body_len;
};

HELPER struct client *
client_new(void)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(sv.port)};

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	/* small writes leave at once, so the test decides what the server reads together */
	assert_int_equal(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
	return c;
}

HELPER void
client_free(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Disconnects with RST or FIN. */
HELPER void
client_leave(struct client *c, bool reset)
{
	struct linger linger = {1, 0};

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(c->fd);
	c->fd = -1;
}

HELPER void
client_write(struct client *c, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t done = send(c->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (done > 0) {
			at += done;
			n -= (size_t)done;
		} else {
			if (errno != EAGAIN)
				return; /* the server has closed; the test reads what it sent before */
			pump_once(-1);
		}
	}
}

HELPER __attribute__((format(printf, 2, 3))) void
client_printf(struct client *c, const char *format, ...)
{
	static char text[1 << 16];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	assert_in_range(n, 0, sizeof(text) - 1);
	client_write(c, text, (size_t)n);
}

HELPER void
client_read(struct client *c)
{
	ssize_t got;

	pump_once(c->fd);
	got = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, MSG_DONTWAIT);
	if (got > 0)
		c->n += (size_t)got;
	else if (got == 0 || errno != EAGAIN)
		c->eof = true;
}

HELPER void
client_drop(struct client *c, size_t n)
{
	memmove(c->in, c->in + n, c->n - n);
	c->n -= n;
}

/* Reads one HTTP reply into status, head and body; false if the connection ends before that. */
HELPER bool
client_try_reply(struct client *c)
{
	uint64_t give_up = clock_ms() + PATIENCE_MS;

	for (;;) {
		char *end = memmem(c->in, c->n, "\r\n\r\n", 4);

		if (end != NULL) {
			size_t head = (size_t)(end - (char *)c->in) + 4, length = 0;
			char *field;

			assert_true(head < sizeof(c->head));
			memcpy(c->head, c->in, head);
			c->head[head] = '\0';
			field = strcasestr(c->head, "\r\ncontent-length:");
			if (field != NULL)
				length = strtoul(field + 17, NULL, 10);
			assert_true(length < sizeof(c->body));
			if (c->n >= head + length) {
				c->status = atoi(c->head + 9);
				memcpy(c->body, c->in + head, length);
				c->body[length] = '\0';
				c->body_len = length;
				client_drop(c, head + length);
				return true;
			}
		}
		if (c->eof)
			return false;
		if (clock_ms() > give_up)
			fail_msg("no reply within %d ms; so far %zu bytes", PATIENCE_MS, c->n);
		client_read(c);
	}
}

HELPER void
client_reply(struct client *c)
{
	if (!client_try_reply(c))
		fail_msg("connection ended without a reply");
}

#define assert_reply(c, status_, body_)                                                                              \
	do {                                                                                                         \
		client_reply(c);                                                                                     \
		assert_string_equal((c)->body, body_);                                                               \
		assert_int_equal((c)->status, status_);                                                              \
	} while (0)

HELPER bool
client_has(const struct client *c, const char *field_line)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", field_line);
	return strcasestr(c->head, wanted) != NULL;
}

HELPER void
client_eof(struct client *c)
{
	uint64_t give_up = clock_ms() + PATIENCE_MS;

	while (!c->eof) {
		if (clock_ms() > give_up)
			fail_msg("connection still open");
		c->n = 0;
		client_read(c);
	}
}

/* Nothing arrives while the server settles. */
HELPER void
client_silent(struct client *c)
{
	for (int i = 0; i < 20; i++)
		client_read(c);
	assert_int_equal(c->n, 0);
	assert_false(c->eof);
}

HELPER void
client_get(struct client *c, const char *query)
{
	client_printf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: h\r\n\r\n", query);
}

HELPER void
client_poll(struct client *c, const char *sid)
{
	client_printf(c, "GET /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n\r\n", sid);
}

HELPER void
client_post_bytes(struct client *c, const char *sid, const void *body, size_t n)
{
	client_printf(c,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n"
		"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
		sid, n);
	client_write(c, body, n);
}

HELPER void
client_post(struct client *c, const char *sid, const char *body)
{
	client_post_bytes(c, sid, body, strlen(body));
}

/* Opens a polling session on `c`. */
HELPER void
client_handshake(struct client *c, char sid[EIO_SID_LENGTH + 1])
{
	client_get(c, "EIO=4&transport=polling");
	client_reply(c);
	assert_int_equal(c->status, 200);
	assert_memory_equal(c->body, "0{\"sid\":\"", 9);
	memcpy(sid, c->body + 9, EIO_SID_LENGTH);
	sid[EIO_SID_LENGTH] = '\0';
}

HELPER void
client_ws_request(struct client *c, const char *query)
{
	client_printf(c,
		"GET /engine.io/?%s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		query);
}

HELPER void
client_ws(struct client *c, const char *query)
{
	client_ws_request(c, query);
	client_reply(c);
	assert_int_equal(c->status, 101);
}

HELPER void
client_ws_upgrade(struct client *c, const char *sid)
{
	char query[128];

	snprintf(query, sizeof(query), "EIO=4&transport=websocket&sid=%s", sid);
	client_ws(c, query);
}

/* Sends one masked frame of up to 64 KiB - 1. */
HELPER void
ws_frame_out(struct client *c, uint8_t first, const void *bytes, size_t n)
{
	static uint8_t frame[1 << 16];
	uint8_t mask[4] = {1, 2, 3, 4};
	size_t at = 0;

	frame[at++] = first;
	if (n < 126) {
		frame[at++] = (uint8_t)(0x80 | n);
	} else {
		frame[at++] = 0x80 | 126;
		frame[at++] = (uint8_t)(n >> 8);
		frame[at++] = (uint8_t)n;
	}
	memcpy(frame + at, mask, 4);
	at += 4;
	for (size_t i = 0; i < n; i++)
		frame[at++] = (uint8_t)(((const uint8_t *)bytes)[i] ^ mask[i & 3]);
	client_write(c, frame, at);
}

HELPER void
ws_out(struct client *c, const char *text)
{
	ws_frame_out(c, 0x81, text, strlen(text));
}

/* Reads the next frame: returns its opcode, puts the payload into body. -1: the connection ended. */
HELPER int
ws_in(struct client *c)
{
	uint64_t give_up = clock_ms() + PATIENCE_MS;

	for (;;) {
		if (c->n >= 2) {
			size_t head = 2, n = c->in[1] & 0x7f;

			if (n == 126 && c->n >= 4) {
				n = (size_t)c->in[2] << 8 | c->in[3];
				head = 4;
			}
			if (n != 126 || head == 4) {
				assert_true(n < 127 || head == 4);
				if (c->n >= head + n) {
					int opcode = c->in[0] & 0x0f;

					memcpy(c->body, c->in + head, n);
					c->body[n] = '\0';
					c->body_len = n;
					client_drop(c, head + n);
					return opcode;
				}
			}
		}
		if (c->eof)
			return -1;
		if (clock_ms() > give_up)
			fail_msg("no frame within %d ms", PATIENCE_MS);
		client_read(c);
	}
}

#define assert_text(c, text_)                                                                                        \
	do {                                                                                                         \
		int opcode_ = ws_in(c);                                                                              \
		assert_string_equal((c)->body, text_);                                                               \
		assert_int_equal(opcode_, 1);                                                                        \
	} while (0)

/* Expects a Close frame without a status, answers it, and expects the end. */
#define assert_ws_closed(c)                                                                                          \
	do {                                                                                                         \
		assert_int_equal(ws_in(c), 8);                                                                       \
		assert_int_equal((c)->body_len, 0);                                                                  \
		ws_frame_out(c, 0x88, "", 0);                                                                        \
		client_eof(c);                                                                                       \
	} while (0)

#endif
