/*
 * A link to a backend: frames in both directions over one connection, pings and windows. It exists from WELCOME on;
 * backend_listen.h handles what comes before.
 *
 *   state      event                                     next
 *   -          a good HELLO for this worker              READY: WELCOME, PEERS, on_ready()
 *   READY      DRAIN from the backend                    DRAINING: on_drain(), then DRAIN with ACK
 *   both       a frame for the owner                     same: on_frame(), then its bytes return to the window
 *   both       PING                                      same: PONG
 *   both       PEER                                      same: passed to its receivers
 *   both       WINDOW, which opens a full window         same: waiting frames are sent, on_window()
 *   both       silence of `ping` ms                      same: PING
 *   both       a malformed frame                         LOST: BYE "protocol"; the instance is refused for a while
 *   both       no byte for stall_timeout; or no WINDOW   LOST: BYE "timeout"
 *              or PONG while the window is full
 *   both       more bytes wait than allowed              LOST: BYE "slow"
 *   both       backend_link_close()                      LOST: BYE with its reason
 *   both       BYE, end of the stream                    LOST
 *   LOST       end of the turn, or the same instance     on_lost(); the connection ends by itself
 *              connects again
 *
 * Frames go up by the calls of backend_link_ops, and down by backend_begin() ... backend_end(), which never call up.
 * All frames of one turn leave in one write.
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
	 * A frame for the owner of this table: every type except HELLO, NSP, PING, PONG, WINDOW, PEER, DRAIN and BYE,
	 * which the link handles. Returns false if the frame is malformed; the link then ends with "protocol". When
	 * the call returns, the frame is processed and its bytes return to the backend's window.
	 */
	bool (*on_frame)(void *arg, struct backend_link *link, const struct backend_frame *frame);
	/* The backend drains. Frames sent inside this call precede the edge's DRAIN. */
	void (*on_drain)(void *arg, struct backend_link *link);
	/* The window was full and has room again. */
	void (*on_window)(void *arg, struct backend_link *link);
	/* The last call; the link is freed afterwards. `reason` is a word for the log. */
	void (*on_lost)(void *arg, struct backend_link *link, const char *reason);
};

/* Returns the fields of the backend's HELLO, valid until on_lost() returns. */
const struct backend_hello *backend_link_hello(const struct backend_link *link);
/* Returns true if the backend drains, or if the link is lost. */
bool backend_link_is_draining(const struct backend_link *link);
/* The owner's pointer. It is NULL at first. */
void backend_link_set_owned(struct backend_link *link, void *owned);
void *backend_link_owned(const struct backend_link *link);
/* Returns a new handle of this link, never 0. When the handles are used up, the link ends with BACKEND_LOST_FULL. */
uint32_t backend_link_new_handle(struct backend_link *link);
/* Returns the number of a namespace in frames to this backend. Sends NSP before the first use of a number. */
uint16_t backend_link_nsp(struct backend_link *link, struct text name);
/* Returns the namespace that the backend means by `number`, or TEXT_NONE if it has not announced this number. */
struct text backend_link_nsp_name(const struct backend_link *link, uint16_t number);

/*
 * Returns false if the backend's window is full. A frame that is sent anyway waits in the link. The link ends when
 * more than the window and one frame wait, so callers hold back what can wait until on_window().
 */
bool backend_link_has_window(const struct backend_link *link);
/*
 * Returns false if so many bytes wait that a client's answer of this size should be dropped. Clients choose the size
 * of their answers, and a broadcast can make all of them answer at once; they must not be able to end the link.
 */
bool backend_link_has_space(const struct backend_link *link, size_t bytes);

/*
 * Sends a frame, behind the frames that wait: begin, any number of parts, end. Build one frame at a time. Parts are
 * copied, except large blocks, which are referenced. backend_end() sets the length. On a lost link all these
 * functions do nothing.
 */
void backend_begin(
	struct backend_link *link, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id);
void backend_put(struct backend_link *link, const void *bytes, size_t n);
void backend_put_u32(struct backend_link *link, uint32_t value);
void backend_put_text(struct backend_link *link, struct text t);	/* preceded by its length */
void backend_put_block(struct backend_link *link, struct block *block); /* without a length */
void backend_put_rooms(struct backend_link *link, const struct text *rooms, unsigned n);
/* Args to the end of the frame. Sets flag BIN if there are attachments. */
void backend_put_args(struct backend_link *link, struct text json, const struct attachments *attachments);
/* Returns false, and sends nothing, if the frame is larger than maxFrame or memory is short. */
bool backend_end(struct backend_link *link);

/*
 * Ends the link: sends BYE with the word of `reason`, then closes the connection. on_lost() follows at the end of the
 * turn.
 */
void backend_link_close(struct backend_link *link, enum backend_lost reason);

#endif
