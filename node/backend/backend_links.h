/* The links of one worker: the list of instances, messages from one backend to another, and penalties. */
#ifndef NODE_BACKEND_BACKEND_LINKS_H
#define NODE_BACKEND_BACKEND_LINKS_H

#include "common/io/conn.h"
#include "node/backend/backend_link.h"

#define BACKEND_LINKS_MAX 256 /* per worker */
#define BACKEND_NSPS_MAX 1024 /* numbers of namespaces that the edge assigns on a link; then it reuses them */
#define BACKEND_NSP_BYTES_MAX (4 << 20) /* of all names that a backend has assigned numbers to */

struct backend_links_setup {
	struct text edge;
	unsigned worker, workers;
	uint64_t window, max_frame;   /* bytes */
	uint64_t ping, stall_timeout; /* ms */
	/* Appends the "options" of WELCOME, a JSON object. */
	void (*write_options)(void *arg, struct buffer *out);
	/* A backend serves HTTP at `url`; with `there` false it no longer does. May be NULL. */
	void (*on_upstream)(void *arg, struct text url, bool there);
	void *arg;
	const struct backend_link_ops *ops;
	void *ops_arg;
};

struct backend_links_stats {
	uint64_t ready, draining;
	uint64_t lost[BACKEND_LOST_REASONS];
	uint64_t frames_in[BACKEND_TYPES], frames_out[BACKEND_TYPES];
};

struct backend_links;

/* The texts in `setup` are borrowed. */
struct backend_links *backend_links_new(struct loop *l, const struct backend_links_setup *setup);
/* All links must be closed. Accepts NULL. */
void backend_links_free(struct backend_links *all);

/*
 * Checks whether an instance of this name may have a link. Returns -1 if it may. Otherwise returns
 * BACKEND_REFUSED_PROTOCOL if it has a penalty, or BACKEND_REFUSED_FULL.
 */
int backend_links_check(const struct backend_links *all, struct text instance);
/*
 * Makes a link of `c`, which must already be a service, and owns it from now on. Takes over the content of `hello`.
 * An older link of the same instance ends.
 */
void backend_links_add(struct backend_links *all, struct conn *c, struct backend_hello *hello);

/* Sends DRAIN on every link, because this server is about to end. */
void backend_links_drain(struct backend_links *all);
/* Ends every link with BYE "shutdown". */
void backend_links_close(struct backend_links *all);
const struct backend_links_setup *backend_links_setup(const struct backend_links *all);
/* Returns the number of links with an open connection, including lost ones. */
unsigned backend_links_count(const struct backend_links *all);

const struct backend_links_stats *backend_links_stats(const struct backend_links *all);
/* Calls `visit` for each ready or draining link. `visit` may close links. */
void backend_links_each(struct backend_links *all, void (*visit)(void *arg, struct backend_link *link), void *arg);

#endif
