/*
 * The client of a test: a socket over which it speaks WebSocket, Engine.IO and Socket.IO, as far as tests need. Calls
 * go to the server's loop, while a client waits until the server reads.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/testing/sockeye_test_internal.h"

#define PONG 0xA    /* opcode, RFC 6455 5.2 */
#define MASKED 0x80 /* bit of the second byte of a frame */

/* -------------------------------------------------------------------- texts */

_Noreturn void
sockeye_test_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("sockeye_test: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

void *
sockeye_test_alloc(size_t size)
{
	void *at = calloc(1, size);

	if (!at)
		sockeye_test_fail("out of memory");
	return at;
}

char *
sockeye_test_text(const char *at, size_t n)
{
	char *text = sockeye_test_alloc(n + 1);

	memcpy(text, at, n);
	return text;
}

void
sockeye_test_replace_text(char **text, char *with)
{
	free(*text);
	*text = with;
}

/* Returns the length of the JSON string that begins `text`, quotes included; 0 if `text` begins differently. */
static size_t
json_string_length(const char *text)
{
	size_t i = 1;

	if (text[0] != '"')
		return 0;
	while (text[i] && text[i] != '"')
		i += text[i] == '\\' && text[i + 1] ? 2 : 1;
	return text[i] ? i + 1 : 0;
}

/* ------------------------------------------------------------------ sending */

void
sockeye_test_client_close(sio_test_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

void
sockeye_test_client_write(sio_test_client *client, const void *bytes, size_t n)
{
	const char *at = bytes;
	double late = sockeye_test_seconds() + SOCKEYE_TEST_PATIENCE_S;

	while (n > 0 && client->fd >= 0) {
		ssize_t written = send(client->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (written > 0) {
			at += written;
			n -= (size_t)written;
		} else if (errno == EAGAIN && sockeye_test_seconds() < late) {
			ev_run(client->test->ev, EVRUN_NOWAIT); /* the server has to read first */
		} else {
			sockeye_test_client_close(client);
		}
	}
}

/* Sends a frame (RFC 6455 5.2). The mask is 0, so the bytes stay as they are. */
void
sockeye_test_client_send_frame(sio_test_client *client, unsigned opcode, const char *text, size_t n)
{
	unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
	size_t length = 2;

	if (n < 126) {
		head[1] = (unsigned char)(MASKED | n);
	} else if (n < 65536) {
		head[1] = MASKED | 126;
		head[2] = (unsigned char)(n >> 8);
		head[3] = (unsigned char)n;
		length = 4;
	} else {
		head[1] = MASKED | 127;
		for (unsigned i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)(n >> (56 - 8 * i));
		length = 10;
	}
	sockeye_test_client_write(client, head, length + 4);
	sockeye_test_client_write(client, text, n);
}

void
sockeye_test_client_send(sio_test_client *client, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		sockeye_test_fail("out of memory");
	sockeye_test_client_send_frame(client, 1, text, (size_t)n);
	free(text);
}

/* ---------------------------------------------------------------- receiving */

/* Queues an event: `array` is the JSON array of its name and arguments. */
static void
client_on_event(sio_test_client *client, const char *ack, size_t ack_len, const char *array)
{
	struct received *event = sockeye_test_alloc(sizeof *event), **end = &client->events;
	size_t n = array[0] == '[' ? json_string_length(array + 1) : 0;

	if (n < 2)
		sockeye_test_fail("the server sent an event that the test client cannot read: %s", array);
	event->name = sockeye_test_text(array + 2, n - 2);
	event->ack = sockeye_test_text(ack, ack_len);
	if (array[1 + n] == ',') {
		event->args = sockeye_test_text(array + 1 + n, strlen(array + 1 + n));
		event->args[0] = '[';
	} else {
		event->args = sockeye_test_text("[]", 2);
	}
	while (*end)
		end = &(*end)->next;
	*end = event;
}

static void
client_on_admitted(sio_test_client *client, const char *json)
{
	const char *id = strstr(json, "\"sid\":\"");

	client->answered = true;
	if (id)
		sockeye_test_replace_text(&client->id, sockeye_test_text(id + 7, strcspn(id + 7, "\"")));
}

/* Handles a Socket.IO packet: type, attachments and a dash, namespace and a comma, number, JSON. */
static void
client_on_packet(sio_test_client *client, const char *packet)
{
	char type = packet[0];
	const char *at = packet + 1, *number;
	size_t prefix = strlen(client->prefix);

	if (type == '5' || type == '6')
		at += strcspn(at, "-") + 1;
	if (strncmp(at, client->prefix, prefix) == 0)
		at += prefix;
	else if (prefix > 0 && strncmp(at, client->prefix, prefix - 1) == 0)
		at += prefix - 1; /* a packet without data has no comma */
	number = at;
	at += strspn(at, "0123456789");
	if (type == '0') {
		client_on_admitted(client, at);
	} else if (type == '1') {
		sockeye_test_client_close(client);
	} else if (type == '2' || type == '5') {
		client_on_event(client, number, (size_t)(at - number), at);
	} else if (type == '4') {
		client->answered = true;
		sockeye_test_replace_text(&client->refusal, sockeye_test_text(at, strlen(at)));
	} else if (strtoul(number, NULL, 10) == client->acks) {
		sockeye_test_replace_text(&client->acked, sockeye_test_text(at, strlen(at)));
	}
}

/* Handles an Engine.IO packet. */
static void
client_on_text(sio_test_client *client, const char *text)
{
	if (text[0] == '0')
		sockeye_test_client_send(client, "40%s%s", client->prefix, client->auth);
	else if (text[0] == '2')
		sockeye_test_client_send(client, "3");
	else if (text[0] == '4')
		client_on_packet(client, text + 1);
}

/* Handles the first frame. Returns its length, or 0 if it is not complete. Servers do not mask. */
static size_t
client_take_frame(sio_test_client *client)
{
	const unsigned char *at = (const unsigned char *)client->in;
	size_t head = 2, n;
	char *text;

	if (client->in_len < 2)
		return 0;
	n = at[1];
	head += n == 126 ? 2 : n == 127 ? 8 : 0;
	if (client->in_len < head)
		return 0;
	if (n > 125)
		n = 0;
	for (size_t i = 2; i < head; i++)
		n = n << 8 | at[i];
	if (client->in_len - head < n)
		return 0;
	if ((at[0] & 0xF) == 1) {
		text = sockeye_test_text(client->in + head, n);
		client_on_text(client, text);
		free(text);
	} else if ((at[0] & 0xF) == PONG) {
		client->pongs++;
	} else if ((at[0] & 0xF) == 8) {
		sockeye_test_client_close(client);
	}
	return head + n;
}

/* Handles the head of the reply to the upgrade. Returns its length, or 0 if it is not complete. */
static size_t
client_take_answer(sio_test_client *client)
{
	static const char status[] = "HTTP/1.1 101";
	char *end = memmem(client->in, client->in_len, "\r\n\r\n", 4);

	if (!end)
		return 0;
	if (strncmp(client->in, status, sizeof status - 1) != 0) {
		sockeye_test_replace_text(&client->refusal, sockeye_test_text(client->in, strcspn(client->in, "\r")));
		client->answered = true;
		sockeye_test_client_close(client);
	}
	client->upgraded = true;
	return (size_t)(end + 4 - client->in);
}

bool
sockeye_test_client_read(sio_test_client *client)
{
	ssize_t n;
	size_t used;

	if (client->fd < 0)
		return false;
	if (client->in_size - client->in_len < 4096) {
		client->in_size += 65536;
		client->in = realloc(client->in, client->in_size);
		if (!client->in)
			sockeye_test_fail("out of memory");
	}
	n = recv(client->fd, client->in + client->in_len, client->in_size - client->in_len - 1, MSG_DONTWAIT);
	if (n < 0)
		return false;
	if (n == 0) {
		sockeye_test_client_close(client);
		return true;
	}
	client->in_len += (size_t)n;
	client->in[client->in_len] = '\0';
	while ((used = client->upgraded ? client_take_frame(client) : client_take_answer(client)) > 0) {
		memmove(client->in, client->in + used, client->in_len - used + 1);
		client->in_len -= used;
	}
	return true;
}

static void
received_clear(struct received *event)
{
	free(event->name);
	free(event->args);
	free(event->ack);
	*event = (struct received){NULL, NULL, NULL, NULL};
}

void
sockeye_test_client_free(sio_test_client *client)
{
	struct received *event;

	sockeye_test_client_close(client);
	while ((event = client->events) != NULL) {
		client->events = event->next;
		received_clear(event);
		free(event);
	}
	received_clear(&client->last);
	free(client->in);
	free(client->auth);
	free(client->id);
	free(client->refusal);
	free(client->acked);
	free(client);
}

const char *
sockeye_test_client_take_event(sio_test_client *client, const char *name)
{
	for (struct received **at = &client->events; *at; at = &(*at)->next) {
		struct received *event = *at;

		if (strcmp(event->name, name) != 0)
			continue;
		*at = event->next;
		received_clear(&client->last);
		client->last = *event;
		client->last.next = NULL;
		free(event);
		return client->last.args;
	}
	return NULL;
}
