/* The JSON of a link's first frames (backends/PROTOCOL.md, section 1). Pure. */
#ifndef NODE_BACKEND_BACKEND_HELLO_H
#define NODE_BACKEND_BACKEND_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define BACKEND_HELLO_MAX 32768 /* largest frame before WELCOME, in bytes */
#define BACKEND_NAME_MAX 64	/* longest name of an instance or a group, in bytes */
#define BACKEND_NAMESPACES_MAX 1024

/* What happens to the clients of a backend that is lost without a hand-off (HELLO, onLoss). */
enum backend_on_loss { BACKEND_ON_LOSS_REATTACH, BACKEND_ON_LOSS_RECONNECT, BACKEND_ON_LOSS_CLOSE };

/* The fields of HELLO. Valid until backend_hello_fini(). */
struct backend_hello {
	struct text instance, group;
	const struct text *namespaces; /* NULL: all that no other group names */
	unsigned namespace_count;
	unsigned weight;
	bool wants_requests, wants_errors;
	bool recovers; /* takes sockets of connection state recovery */
	enum backend_on_loss on_loss;
	long pid;
	unsigned worker;
	struct text proof;	   /* TEXT_NONE if absent */
	struct text upstream;	   /* TEXT_NONE if absent */
	struct text app, language; /* for the log */
	bool speaks_version;
	void *memory; /* holds all texts */
};

/*
 * Reads the body of HELLO. Returns 0; then call backend_hello_fini(). ERROR_SYNTAX: the HELLO is malformed.
 * ERROR_MEMORY: no memory for its texts.
 */
int backend_hello_read(struct backend_hello *out, struct text json);
void backend_hello_fini(struct backend_hello *hello);

/* Appends the body of CHALLENGE. */
void backend_challenge_write(struct buffer *out, struct text edge, struct text nonce);

struct backend_welcome {
	struct text edge;
	unsigned worker, workers;
	uint64_t up; /* ms since this worker started; no client has been connected for longer */
	uint64_t window, max_frame, ping;
	struct text options; /* a JSON object */
};
/* Appends the body of WELCOME. */
void backend_welcome_write(struct buffer *out, const struct backend_welcome *welcome);

#endif
