/*
 * The links of one worker: which instances there are, what one backend sends to another, who is kept out.
 */
#ifndef NODE_BACKEND_BACKEND_LINKS_H
#define NODE_BACKEND_BACKEND_LINKS_H

#include "common/io/conn.h"
#include "node/backend/backend_link.h"

#define BACKEND_LINKS_MAX 256 /* of one worker */
#define BACKEND_NSPS_MAX 1024 /* numbers of namespaces that the edge gives on a link; then they are given anew */
#define BACKEND_NSP_BYTES_MAX (4 << 20) /* all names that a backend has given numbers to */

struct backend_links_setup {
	struct text edge;
	unsigned worker, workers;
	uint64_t window, max_frame;   /* bytes */
	uint64_t ping, stall_timeout; /* ms */
	/* Appends the "options" of WELCOME, a JSON object. */
	void (*write_options)(void *arg, struct buffer *out);
	/* A backend serves HTTP at `url`, until it is told with `there` false. May be NULL. */
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

/* What the texts of `setup` point to is borrowed. */
struct backend_links *backend_links_new(struct loop *l, const struct backend_links_setup *setup);
/* No link may be left. Accepts NULL. */
void backend_links_free(struct backend_links *all);

/* May an instance of that name come in? BACKEND_REFUSED_PROTOCOL: not yet; BACKEND_REFUSED_FULL; -1: yes. */
int backend_links_check(const struct backend_links *all, struct text instance);
/*
 * A link over `c`, whose owner it becomes and of which it is a service already. Takes over `hello`. A link of the
 * same instance ends.
 */
void backend_links_add(struct backend_links *all, struct conn *c, struct backend_hello *hello);

/* DRAIN on every link: this server is about to end. */
void backend_links_drain(struct backend_links *all);
/* Every link ends: BYE "shutdown". */
void backend_links_close(struct backend_links *all);
const struct backend_links_setup *backend_links_setup(const struct backend_links *all);
unsigned backend_links_count(const struct backend_links *all); /* those with an open connection */

const struct backend_links_stats *backend_links_stats(const struct backend_links *all);
/* Calls `visit` for each link that is ready or draining; it may close them. */
void backend_links_each(struct backend_links *all, void (*visit)(void *arg, struct backend_link *link), void *arg);

#endif
