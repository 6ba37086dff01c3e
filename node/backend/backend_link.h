/*
 * A link to a backend: frames both ways over one connection, pings, windows. It exists from WELCOME on; what comes
 * before that is backend_listen.h's.
 *
 *   state      event                                     next
 *   -          a good HELLO for this worker              READY: WELCOME, PEERS, on_ready()
 *   READY      DRAIN from the backend                    DRAINING: on_drain(), then DRAIN
 *   both       a frame of the owner's                    same: on_frame(), its bytes go back to the window
 *   both       PING                                      same: PONG
 *   both       PEER                                      same: sent on
 *   both       WINDOW, and there was none                same: what waits is sent, on_window()
 *   both       silence of `ping` ms                      same: PING
 *   both       a frame that makes no sense               LOST: BYE "protocol", its instance is kept out for a while
 *   both       nothing heard for stall_timeout, or no    LOST: BYE "timeout"
 *              WINDOW or PONG while its window is full
 *   both       more waits than max_waiting               LOST: BYE "slow"
 *   both       backend_link_close()                      LOST: BYE with its reason
 *   both       BYE, end of the stream                    LOST
 *   LOST       end of the turn, or its instance is       on_lost(); the connection ends by itself
 *              there again
 *
 * Data goes up by the calls of backend_link_ops, down by backend_begin() ... backend_end(), which never call up. What
 * is sent in one turn leaves in one write.
 */
#ifndef NODE_BACKEND_BACKEND_LINK_H
#define NODE_BACKEND_BACKEND_LINK_H

#include "node/backend/backend_frame.h"
#include "node/backend/backend_hello.h"
#include "node/backend/backend_tables.h"

struct backend_link;

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
	/* The last call; the link is gone afterwards. `reason`: a word for the log. */
	void (*on_lost)(void *arg, struct backend_link *link, const char *reason);
};

const struct backend_hello *backend_link_hello(const struct backend_link *link);
bool backend_link_is_draining(const struct backend_link *link);
/* The owner's pointer; NULL at first. */
void backend_link_set_owned(struct backend_link *link, void *owned);
void *backend_link_owned(const struct backend_link *link);
/* A new handle of this link; never 0. With the last one the link ends: BACKEND_LOST_FULL. */
uint32_t backend_link_new_handle(struct backend_link *link);
/* The number of a namespace in frames to this backend; sends NSP before its first use. */
uint16_t backend_link_nsp(struct backend_link *link, struct text name);
/* The namespace that the backend means; TEXT_NONE: it has never said. */
struct text backend_link_nsp_name(const struct backend_link *link, uint16_t number);

/*
 * False: the backend's window is full. What is sent nevertheless waits here, as much as the window again, then the
 * link is closed: what can wait had better wait for on_window().
 */
bool backend_link_has_window(const struct backend_link *link);
/*
 * False: so much waits already that a client's answer of so many bytes had better be dropped. Clients choose what
 * they answer, all of them at once when they are asked by a broadcast, and must not be able to end the link by that.
 */
bool backend_link_has_space(const struct backend_link *link, size_t bytes);

/*
 * Sends a frame, now or behind others: begin, any number of parts, end; one link at a time. Parts are copied but for
 * blocks, of which a reference is taken when they are large. The length is set by the end. On a link that is lost all
 * of them do nothing.
 */
void backend_begin(
	struct backend_link *link, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id);
void backend_put(struct backend_link *link, const void *bytes, size_t n);
void backend_put_u32(struct backend_link *link, uint32_t value);
void backend_put_text(struct backend_link *link, struct text t);	/* with its length */
void backend_put_block(struct backend_link *link, struct block *block); /* its bytes, without a length */
void backend_put_rooms(struct backend_link *link, const struct text *rooms, unsigned n);
/* Args to the end of the frame; sets flag BIN of the frame when there are attachments. */
void backend_put_args(struct backend_link *link, struct text json, const struct attachments *attachments);
/* False: the frame is larger than maxFrame, or there was no memory for it: nothing is sent. */
bool backend_end(struct backend_link *link);

/* Ends the link: BYE with the reason's word, then the connection. on_lost() comes at the end of the turn. */
void backend_link_close(struct backend_link *link, enum backend_lost reason);

#endif
