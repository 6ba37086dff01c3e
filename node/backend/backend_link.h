/*
 * A link to a backend: frames both ways over one connection, the handshake of the protocol, pings, windows.
 *
 *   state        event                                  next
 *   CHALLENGED   HELLO is good and wants this worker     READY, on_ready()
 *                it wants a sibling                      the connection goes there; closed here
 *                HELLO is bad, or does not come          closed after BYE
 *   READY        DRAIN from the backend                  DRAINING, on_drain()
 *   any          BYE, end of stream, silence, nonsense   closed, on_lost() if it was READY or DRAINING
 *
 * Data goes up by the calls of backend_link_ops, down by backend_send*(), which never calls up. What is sent in one
 * turn leaves in one write.
 */
#ifndef NODE_BACKEND_BACKEND_LINK_H
#define NODE_BACKEND_BACKEND_LINK_H

#include "node/backend/backend_frame.h"

struct backend_link;

/* What HELLO said; good for the life of the link. */
struct backend_hello {
	struct text instance, group;
	const struct text *namespaces; /* NULL: all that other groups do not name */
	unsigned namespace_count;
	unsigned weight;
	bool wants_requests, wants_errors;
	long pid;
};

struct backend_link_ops {
	void (*on_ready)(void *arg, struct backend_link *link);
	/*
	 * A frame of a type that this table's owner handles: all but those of the link itself (HELLO, PING, PONG,
	 * WINDOW, PEER, DRAIN, BYE). False: it makes no sense, the link is closed with "protocol". When it returns,
	 * the frame is processed: its bytes go back to the backend's window.
	 */
	bool (*on_frame)(void *arg, struct backend_link *link, const struct backend_frame *frame);
	/* The backend drains; the edge's DRAIN leaves behind what is sent inside this call. */
	void (*on_drain)(void *arg, struct backend_link *link);
	/* There was no window and there is one again. */
	void (*on_window)(void *arg, struct backend_link *link);
	/* The last call. `reason`: a word for the log and the metrics. */
	void (*on_lost)(void *arg, struct backend_link *link, const char *reason);
};

const struct backend_hello *backend_link_hello(const struct backend_link *link);
bool backend_link_is_draining(const struct backend_link *link);
/* The owner's pointer; NULL at first. */
void backend_link_set_owned(struct backend_link *link, void *owned);
void *backend_link_owned(const struct backend_link *link);
/* A new handle of this link; never 0. */
uint32_t backend_link_new_handle(struct backend_link *link);
/* The number of a namespace in frames to this backend; sends NSP before its first use. */
uint16_t backend_link_nsp(struct backend_link *link, struct text name);
/* The namespace that the backend means; TEXT_NONE: it has never said. */
struct text backend_link_nsp_name(const struct backend_link *link, uint16_t number);

/* False: the backend has had its window full; what can wait had better wait for on_window(). */
bool backend_link_has_window(const struct backend_link *link);

/*
 * Sends a frame, now or behind others: begin, any number of parts, end. Parts are copied but for blocks, of which a
 * reference is taken when they are large. The length is set by the end.
 */
void backend_begin(
	struct backend_link *link, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id);
void backend_put(struct backend_link *link, const void *bytes, size_t n);
void backend_put_u32(struct backend_link *link, uint32_t value);
void backend_put_text(struct backend_link *link, struct text t); /* with its length */
void backend_put_rooms(struct backend_link *link, const struct text *rooms, unsigned n);
/* Args to the end of the frame; sets flag BIN of the frame when there are attachments. */
void backend_put_args(struct backend_link *link, struct text json, const struct attachments *attachments);
void backend_end(struct backend_link *link);

/* Ends the link: BYE with the reason, then the connection. on_lost() comes at the end of the turn. */
void backend_link_close(struct backend_link *link, const char *reason);

#endif
