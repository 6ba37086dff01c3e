/*
 * Connection state recovery, as the stock client asks for it: the answer to CONNECT names a pid, and each event ends
 * with its offset. After a loss, both go into CONNECT. The server sends the missed events, then it answers CONNECT
 * with the same pid.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "tests/load/client_internal.h"

#define PID_MAX 128    /* bytes of the JSON text; the pids of Node.js have 20 characters, Sockeye's 32 */
#define OFFSET_MAX 256 /* bytes of the JSON text; the longest offsets of Sockeye have 70 characters */
#define HEAD_MAX (TARGET_NSP_MAX + PID_MAX + OFFSET_MAX + 64)

/* A JSON string with its quotes and escapes, so that it is sent back unchanged. `n` is 0 if there is none. */
struct pid_text {
	size_t n;
	char at[PID_MAX];
};

struct offset_text {
	size_t n;
	char at[OFFSET_MAX];
};

struct client_recovery {
	struct pid_text pid;
	struct offset_text offset;
	struct offset_text next; /* offset of the event whose attachments are still missing; n 0: it has none */
};

static bool
client_may_return(const struct client *c)
{
	return c->recovery != NULL && c->recovery->pid.n > 0;
}

void
client_recovery_connect(struct client *c)
{
	const struct block *connect = c->target->connect;
	struct text whole = text_of((const char *)connect->data, connect->len);
	struct text auth = text_of(whole.at + c->target->connect_auth, whole.n - c->target->connect_auth);
	struct client_recovery *kept = c->recovery;
	char head[HEAD_MAX];
	int n;

	if (!client_may_return(c)) {
		client_packet(c, whole, TEXT_NONE);
		return;
	}
	kept->next.n = 0; /* the attachments of that event will not come */
	/* the members of --auth follow in the same object */
	auth = auth.n > 0 ? text_trim(text_of(auth.at + 1, auth.n - 1)) : TEXT("}");
	n = snprintf(head, sizeof head, "%.*s{\"pid\":%.*s%s%.*s%s", (int)c->target->connect_auth, whole.at,
		(int)kept->pid.n, kept->pid.at, kept->offset.n > 0 ? ",\"offset\":" : "", (int)kept->offset.n,
		kept->offset.at, auth.at[0] == '}' ? "" : ",");
	client_packet(c, text_of(head, (size_t)n), auth);
}

/* Copies the pid of the answer to CONNECT. Without one the server does not offer recovery. */
static void
read_pid(struct pid_text *out, struct text object)
{
	struct text pid = TEXT_NONE;

	if (json_check(object, 16) >= 0 && json_type(object) == JSON_OBJECT)
		pid = json_object_get(object, TEXT("pid"));
	out->n = pid.n > 0 && pid.n <= PID_MAX && json_type(pid) == JSON_STRING ? pid.n : 0;
	memcpy(out->at, out->n > 0 ? pid.at : "", out->n);
}

bool
client_recovery_connected(struct client *c, struct text object)
{
	bool missed = c->recovered;
	struct pid_text pid;

	if (!c->setup->recover)
		return true;
	read_pid(&pid, object);
	if (c->recovery == NULL && pid.n > 0)
		c->recovery = mem_zalloc(sizeof *c->recovery);
	if (c->recovery == NULL)
		return true;
	c->recovered = pid.n > 0 && pid.n == c->recovery->pid.n && memcmp(pid.at, c->recovery->pid.at, pid.n) == 0;
	c->recovery->pid = pid;
	if (missed && !c->recovered)
		client_fail(c, LOAD_ERROR_PROTOCOL, "missed events, and then a CONNECT that does not recover");
	return !missed || c->recovered;
}

bool
client_recovery_missed(struct client *c)
{
	if (client_may_return(c))
		c->recovered = true; /* the answer to CONNECT must confirm this */
	return c->recovered;
}

/*
 * The stock client takes the last element of the array for the offset if it is a string. It is searched from the end,
 * because events may be long: the first quote that no backslash escapes begins it.
 */
void
client_recovery_offset(struct client *c, const uint8_t *json, size_t n)
{
	struct offset_text *next;
	size_t end = n - 2, at = end;

	if (!client_may_return(c))
		return;
	next = &c->recovery->next;
	next->n = 0;
	if (n < 4 || json[n - 1] != ']' || json[end] != '"')
		return;
	while (at > 0 && end - at + 1 < OFFSET_MAX) {
		size_t backslashes = 0;

		if (json[--at] != '"')
			continue;
		while (backslashes < at && json[at - 1 - backslashes] == '\\')
			backslashes++;
		if (backslashes % 2 == 0) {
			next->n = end - at + 1;
			memcpy(next->at, json + at, next->n);
			return;
		}
	}
	/* longer than the offsets of any server: the client sends an empty one, which the server refuses */
	next->n = 2;
	memcpy(next->at, "\"\"", 2);
}

void
client_recovery_received(struct client *c)
{
	if (c->recovery == NULL || c->recovery->next.n == 0)
		return;
	c->recovery->offset = c->recovery->next;
	c->recovery->next.n = 0;
}
