/*
 * The floor: the least that a server can do for Socket.IO clients over WebSocket, as a reference for real servers.
 *
 * bench-floor [--host ADDRESS] [--port PORT] [--per-turn]
 *
 * It uses plain epoll and sends a finished frame. It has no timers, limits, rooms or heartbeats, and does not check
 * for input that a well-behaved client never sends. It answers the upgrade, joins every client to "/", and serves the
 * events of node/apps/bench.c: "echo", "broadcast", "ack". Use it only for comparison: it trusts its clients.
 *
 * It makes one send per delivery. With --per-turn, it gathers the bytes for each connection while it handles the
 * events of one epoll_wait, and then makes one send per connection.
 *
 * It answers a message in place: a server's frame is shorter than a client's by the mask, so the head of the answer
 * fits before the unmasked bytes and nothing is copied.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define INPUT_MAX (1 << 18) /* the largest message is below this */
#define EVENTS_MAX 512

#define OPCODE_CLOSE 8
#define KEY_FIELD "Sec-WebSocket-Key: "
#define KEY_LEN 24 /* 16 bytes in Base64 */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SWITCHING                                                                                                    \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
#define ACCEPT_LEN 28
#define SID "AAAAAAAAAAAAAAAAAAAA"
/* there are no heartbeats: the interval is a day */
#define OPEN_PACKET                                                                                                  \
	"0{\"sid\":\"" SID                                                                                           \
	"\",\"upgrades\":[],\"pingInterval\":86400000,\"pingTimeout\":20000,\"maxPayload\":1000000}"
#define JOINED_PACKET "40{\"sid\":\"" SID "\"}"

struct bytes {
	uint8_t *at;
	size_t len, size;
};

struct conn {
	bool upgraded;
	unsigned joined;     /* place in the list, from 1 */
	struct bytes in;     /* the beginning of a message that is not complete */
	struct bytes out;    /* waits for the end of the turn, or until the socket accepts more */
	bool watching_write; /* epoll reports when the socket accepts more */
};

/* A client's frame in the input. */
struct frame {
	uint8_t *payload;
	const uint8_t *mask;
	size_t len;
	uint8_t first; /* FIN and opcode */
};

static struct conn *conns; /* by file descriptor */
static int *joined;	   /* file descriptors of all joined clients */
static unsigned joined_count;
static int *dirty; /* file descriptors that wait for the end of the turn */
static unsigned dirty_count;
static int epoll_fd, listen_fd;
static bool per_turn;
static uint8_t input[INPUT_MAX];
static EVP_MD *sha1;
static EVP_MD_CTX *digest;

__attribute__((format(printf, 1, 2))) static void
exit_with(const char *format, ...)
{
	va_list args;

	fputs("bench-floor: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void
append(struct bytes *b, const uint8_t *at, size_t len)
{
	if (b->size - b->len < len) {
		b->size = (b->len + len) * 2;
		b->at = realloc(b->at, b->size);
		if (b->at == NULL)
			exit_with("no memory");
	}
	memcpy(b->at + b->len, at, len);
	b->len += len;
}

/* ------------------------------------------------------------------ sending */

static void
watch(int fd, uint32_t events, int how)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	epoll_ctl(epoll_fd, how, fd, &e);
}

/* Sends what the socket accepts. A broken connection accepts everything, because its end is read soon. */
static size_t
send_now(int fd, const uint8_t *at, size_t len)
{
	ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

	if (n >= 0)
		return (size_t)n;
	return errno == EAGAIN ? 0 : len;
}

static void
queue_output(int fd, const uint8_t *at, size_t len)
{
	append(&conns[fd].out, at, len);
	if (!conns[fd].watching_write)
		watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
	conns[fd].watching_write = true;
}

static void
flush(int fd)
{
	struct bytes *out = &conns[fd].out;
	size_t n = out->len == 0 ? 0 : send_now(fd, out->at, out->len);

	out->len -= n;
	if (out->len > 0) {
		memmove(out->at, out->at + n, out->len);
		queue_output(fd, out->at, 0);
	} else if (conns[fd].watching_write) {
		watch(fd, EPOLLIN, EPOLL_CTL_MOD);
		conns[fd].watching_write = false;
	}
}

static void
send_or_queue(int fd, const uint8_t *at, size_t len)
{
	struct conn *c = &conns[fd];
	size_t n;

	if (per_turn) {
		if (c->out.len == 0)
			dirty[dirty_count++] = fd;
		append(&c->out, at, len);
	} else if (c->out.len > 0) {
		append(&c->out, at, len);
	} else {
		n = send_now(fd, at, len);
		if (n < len)
			queue_output(fd, at + n, len - n);
	}
}

/* ------------------------------------------------------------------- frames */

/* Parses the frame at `at`. Returns its whole size; 0: incomplete. */
static size_t
frame_parse(uint8_t *at, size_t len, struct frame *f)
{
	size_t head = 6;

	if (len < head)
		return 0;
	f->first = at[0];
	f->len = at[1] & 0x7f;
	if (f->len == 126) {
		f->len = (size_t)at[2] << 8 | at[3];
		head = 8;
	} else if (f->len == 127) {
		if (len < 10)
			return 0;
		f->len = (size_t)at[6] << 24 | (size_t)at[7] << 16 | (size_t)at[8] << 8 | at[9];
		head = 14;
	}
	f->mask = at + head - 4;
	f->payload = at + head;
	if (head + f->len > INPUT_MAX)
		exit_with("a message of %zu bytes", f->len);
	return len < head + f->len ? 0 : head + f->len;
}

static void
frame_unmask(struct frame *f)
{
	uint32_t mask;
	uint64_t word, mask2;
	size_t i = 0;

	memcpy(&mask, f->mask, 4);
	mask2 = (uint64_t)mask << 32 | mask;
	for (; i + 8 <= f->len; i += 8) {
		memcpy(&word, f->payload + i, 8);
		word ^= mask2;
		memcpy(f->payload + i, &word, 8);
	}
	for (; i < f->len; i++)
		f->payload[i] ^= f->mask[i % 4];
}

/* Writes a server's head before the payload. Returns the beginning of the frame. */
static uint8_t *
frame_head(uint8_t first, uint8_t *payload, size_t len)
{
	uint8_t *at;

	if (len < 126) {
		at = payload - 2;
		at[1] = (uint8_t)len;
	} else if (len < 65536) {
		at = payload - 4;
		at[1] = 126;
		at[2] = (uint8_t)(len >> 8);
		at[3] = (uint8_t)len;
	} else {
		at = payload - 10;
		memset(at, 0, 10);
		at[1] = 127;
		for (int i = 0; i < 4; i++)
			at[9 - i] = (uint8_t)(len >> 8 * i);
	}
	at[0] = first;
	return at;
}

/* ------------------------------------------------------------------- events */

static bool
begins(const struct frame *f, const uint8_t *at, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(f->payload + f->len - at) >= n && memcmp(at, text, n) == 0;
}

static void
on_joined(int fd)
{
	static uint8_t packet[2 + sizeof JOINED_PACKET] = "  " JOINED_PACKET;
	static const uint8_t *reply;

	if (reply == NULL)
		reply = frame_head(0x81, packet + 2, sizeof JOINED_PACKET - 1);
	joined[joined_count++] = fd;
	conns[fd].joined = joined_count;
	send_or_queue(fd, reply, sizeof JOINED_PACKET - 1 + 2);
}

/* 42<id>["ack",...] becomes 43<id>[...] */
static void
answer_ack(int fd, struct frame *f, uint8_t *args)
{
	size_t name = begins(f, args, "[\"ack\",") ? sizeof "\"ack\"," - 1 : sizeof "\"ack\"" - 1;
	size_t head = (size_t)(args - f->payload) + 1, len = f->len - name;
	uint8_t *payload = f->payload + name, *at;

	memmove(payload, f->payload, head);
	payload[1] = '3';
	at = frame_head(0x81, payload, len);
	send_or_queue(fd, at, (size_t)(payload - at) + len);
}

/* Handles an event in one frame, or in two with its attachment. `at` is the answer: all that is to be sent. */
static void
on_event(int fd, struct frame *f, const uint8_t *at, size_t len)
{
	uint8_t *args = memchr(f->payload, '[', f->len);

	if (args == NULL)
		return;
	if (begins(f, args, "[\"echo\"")) {
		send_or_queue(fd, at, len);
	} else if (begins(f, args, "[\"broadcast\"")) {
		for (unsigned i = 0; i < joined_count; i++)
			send_or_queue(joined[i], at, len);
	} else if (begins(f, args, "[\"ack\"")) {
		answer_ack(fd, f, args);
	}
}

/* Moves the text up to its attachment, so that both leave together. */
static void
on_binary_event(int fd, struct frame *text, struct frame *attachment)
{
	uint8_t *end, *at;
	size_t len;

	frame_unmask(attachment);
	end = frame_head(0x82, attachment->payload, attachment->len);
	memmove(end - text->len, text->payload, text->len);
	text->payload = end - text->len;
	at = frame_head(0x81, text->payload, text->len);
	len = (size_t)(attachment->payload + attachment->len - at);
	on_event(fd, text, at, len);
}

/* Handles the message at `at`. Returns its size; 0: incomplete. */
static size_t
on_input(int fd, uint8_t *at, size_t len)
{
	struct frame f, attachment;
	size_t size = frame_parse(at, len, &f), more = 0;
	uint8_t *answer;

	if (size > 0 && (f.first & 0xf) == OPCODE_CLOSE)
		shutdown(fd, SHUT_RDWR); /* the end is read next */
	if (size == 0 || f.len < 2)
		return size;
	if ((f.payload[0] ^ f.mask[0]) == '4' && (f.payload[1] ^ f.mask[1]) == '5') {
		more = frame_parse(at + size, len - size, &attachment);
		if (more == 0)
			return 0;
	}
	frame_unmask(&f);
	if (more > 0) {
		on_binary_event(fd, &f, &attachment);
	} else if (memcmp(f.payload, "42", 2) == 0) {
		answer = frame_head(0x81, f.payload, f.len);
		on_event(fd, &f, answer, (size_t)(f.payload - answer) + f.len);
	} else if (memcmp(f.payload, "40", 2) == 0 && conns[fd].joined == 0) {
		on_joined(fd);
	}
	return size + more;
}

/* -------------------------------------------------------------- connections */

/* Sec-WebSocket-Accept (RFC 6455, 4.2.2). */
static void
accept_key(uint8_t *out, const uint8_t *key)
{
	uint8_t hash[EVP_MAX_MD_SIZE], text[ACCEPT_LEN + 1];

	EVP_DigestInit_ex(digest, sha1, NULL);
	EVP_DigestUpdate(digest, key, KEY_LEN);
	EVP_DigestUpdate(digest, GUID, sizeof GUID - 1);
	EVP_DigestFinal_ex(digest, hash, NULL);
	EVP_EncodeBlock(text, hash, 20);
	memcpy(out, text, ACCEPT_LEN);
}

/* Answers the request and sends the open packet. Returns the size of the request; 0: incomplete. */
static size_t
on_request(int fd, const uint8_t *at, size_t len)
{
	static uint8_t reply[] = SWITCHING "0123456789012345678901234567\r\n\r\n  " OPEN_PACKET;
	const uint8_t *end = memmem(at, len, "\r\n\r\n", 4), *key;

	if (end == NULL)
		return 0;
	key = memmem(at, (size_t)(end - at), KEY_FIELD, sizeof KEY_FIELD - 1);
	if (key == NULL)
		exit_with("not a WebSocket request: %.40s", (const char *)at);
	accept_key(reply + sizeof SWITCHING - 1, key + sizeof KEY_FIELD - 1);
	frame_head(0x81, reply + sizeof reply - sizeof OPEN_PACKET, sizeof OPEN_PACKET - 1);
	send_or_queue(fd, reply, sizeof reply - 1);
	conns[fd].upgraded = true;
	return (size_t)(end - at) + 4;
}

static void
on_closed(int fd)
{
	struct conn *c = &conns[fd];

	if (c->joined > 0) {
		joined[c->joined - 1] = joined[--joined_count];
		conns[joined[c->joined - 1]].joined = c->joined;
	}
	free(c->in.at);
	free(c->out.at);
	memset(c, 0, sizeof *c);
	close(fd);
}

static void
on_readable(int fd)
{
	struct conn *c = &conns[fd];
	size_t held = c->in.len, len, at = 0, size = 1;
	ssize_t n = recv(fd, input + held, INPUT_MAX - held, 0);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			on_closed(fd);
		return;
	}
	if (held > 0)
		memcpy(input, c->in.at, held);
	c->in.len = 0;
	len = held + (size_t)n;
	if (!c->upgraded)
		at = size = on_request(fd, input, len);
	while (at < len && size > 0) {
		size = on_input(fd, input + at, len - at);
		at += size;
	}
	if (at < len)
		append(&c->in, input + at, len - at);
}

static void
accept_all(void)
{
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		watch(fd, EPOLLIN, EPOLL_CTL_ADD);
}

/* New connections come last, because the next turn may use a descriptor again that was closed in this one. */
static void
turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
	bool accepting = false;

	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == listen_fd) {
			accepting = true;
			continue;
		}
		if ((events[i].events & EPOLLOUT) != 0)
			flush(fd);
		if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
			on_readable(fd);
	}
	for (unsigned i = 0; i < dirty_count; i++)
		flush(dirty[i]);
	dirty_count = 0;
	if (accepting)
		accept_all();
}

/* -------------------------------------------------------------------- start */

static void
listen_on(const char *host, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof a;
	int one = 1;

	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (listen_fd < 0 || inet_pton(AF_INET, host, &a.sin_addr) != 1)
		exit_with("%s is no IPv4 address", host);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	/* accepted sockets inherit it */
	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind(listen_fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(listen_fd, 4096) != 0 ||
		getsockname(listen_fd, (struct sockaddr *)&a, &len) != 0)
		exit_with("%s:%u: %s", host, port, strerror(errno));
	watch(listen_fd, EPOLLIN, EPOLL_CTL_ADD);
	fprintf(stderr, "event=listening port=%u\n", ntohs(a.sin_port));
}

static void
make_tables(void)
{
	struct rlimit limit;
	size_t n;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	n = (size_t)limit.rlim_cur;
	conns = calloc(n, sizeof *conns);
	joined = calloc(n, sizeof *joined);
	/* a descriptor may be listed twice if its socket was full before */
	dirty = calloc(2 * n, sizeof *dirty);
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	digest = EVP_MD_CTX_new();
	epoll_fd = epoll_create1(0);
	if (conns == NULL || joined == NULL || dirty == NULL || sha1 == NULL || digest == NULL || epoll_fd < 0)
		exit_with("%s", strerror(errno));
}

int
main(int argc, char **argv)
{
	const char *host = "127.0.0.1";
	unsigned long port = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--per-turn") == 0)
			per_turn = true;
		else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc)
			port = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--host") == 0 && i + 1 < argc)
			host = argv[++i];
		else
			exit_with("usage: bench-floor [--host ADDRESS] [--port PORT] [--per-turn]");
	}
	make_tables();
	listen_on(host, (uint16_t)port);
	for (;;)
		turn();
}
