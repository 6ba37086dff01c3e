/* A server and two connections of one client, as browsers do long-polling: one polls, one posts. */
#ifndef TESTS_UNIT_ENGINEIO_POLLING_PAIR_H
#define TESTS_UNIT_ENGINEIO_POLLING_PAIR_H

#include "tests/unit/engineio/harness.h"

#include "node/engineio/eio_error.h"

struct pair {
	struct client *get, *post;
	char sid[EIO_SID_LENGTH + 1];
};

static inline struct pair
pair_open(void)
{
	struct pair p = {client_new(), client_new(), ""};

	client_handshake(p.get, p.sid);
	return p;
}

static inline void
pair_close(struct pair *p)
{
	client_free(p->get);
	client_free(p->post);
}

#endif
