/* The clients of a test and what they receive. Include it after fake_link.h. */
#ifndef TESTS_UNIT_BACKEND_PEOPLE_H
#define TESTS_UNIT_BACKEND_PEOPLE_H

#include "node/backend/backend_client_tables.h"

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"
#define SESSION_HEAD                                                                                                 \
	"\",\"transport\":\"websocket\",\"address\":\"192.0.2.7\",\"secure\":true,\"time\":1,\"method\":\"GET\","    \
	"\"url\":\""                                                                                                 \
	"/socket.io/"                                                                                                \
	"?EIO=4&name=a+b%21\",\"headers\":[\"Host\",\"localhost\",\"X-Thing\",\"a\\\"b\",\"x-thing\",\"c\","         \
	"\"Origin\",\"http://x\"]"
#define SESSION(handle, sid) "SESSION h=" #handle " {\"id\":\"" sid SESSION_HEAD "}\n"

static struct eio_session *
client(unsigned i)
{
	return &fake_engine.sessions[i];
}

static void
receive(unsigned i, const char *packet)
{
	fake_receive(client(i), false, packet, strlen(packet));
}

/* What a client has received since the last call; ids appear as *. */
static const char *
sent(unsigned i)
{
	static char shown[65536];
	const struct buffer *b = &client(i)->sent;
	size_t n = 0;

	for (size_t at = client(i)->read; at < b->len; at++) {
		must(n < sizeof shown - 2);
		shown[n++] = (char)b->data[at];
		if (n >= 7 && memcmp(shown + n - 7, "\"sid\":\"", 7) == 0) {
			shown[n++] = '*';
			at += SIO_ID_LENGTH;
		}
	}
	shown[n] = '\0';
	client(i)->read = b->len;
	return shown;
}

#define EXPECT_SENT(i, text) assert_string_equal(sent(i), text)

static inline sio_socket *
socket_of(unsigned i)
{
	return ((struct sio_client *)client(i)->owner)->sockets;
}

static inline void
backend_comes(unsigned i)
{
	static const char *const names[FAKE_LINKS] = {"b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"};
	struct backend_hello hello = link_hello(names[i]);

	(void)link_ready(i, &hello);
}

static inline void
start_with_one(void)
{
	struct backend_limits limits = fake_limits();

	backends_start(&limits);
	backend_comes(0);
}

/* A client in "/" that backend 0 has accepted. Forgets what has been sent so far. */
static inline void
attached(unsigned i)
{
	uint32_t handle;

	(void)fake_open(i);
	receive(i, "0");
	handle = fake_links[0].handles;
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, handle, 0, ""));
	(void)sent(i);
	(void)link_sent(0);
}

#endif
