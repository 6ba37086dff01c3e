/*
 * The history of rooms for backends (docs/history.md). Each question has a struct backend_past until it is answered:
 *
 *   CATCHUP   joins a socket to a room   PAST with LAST, when the socket has the last events of the room
 *   HISTORY   reads events               PAST for each event, then PAST with LAST
 *   FORGET    removes events             PAST with LAST
 *
 * If the link is lost first, the answer is discarded. The Socket.IO layer limits the number of questions
 * (SIO_HISTORY_ASKS_MAX) and the time of each. A link may have only BACKEND_READS_MAX unanswered HISTORY questions,
 * because each may hold BACKEND_PAST_MAX bytes. A CATCHUP does not count: each client that joins a room needs one.
 */
#ifndef NODE_BACKEND_BACKEND_HISTORY_H
#define NODE_BACKEND_BACKEND_HISTORY_H

#include "node/backend/backend_group.h"

#define BACKEND_PAST_MAX (1 << 20)  /* bytes of the PAST frames that answer one HISTORY */
#define BACKEND_READS_MAX 16	    /* unanswered HISTORY questions of a link */
#define BACKEND_PAST_ROOM_MAX 65535 /* bytes of the name of a room, as in CAST */

/*
 * Executes a CATCHUP. `socket` is that of the frame's handle, or NULL if it has left. If the room cannot be joined
 * with its history, joins it without. Returns false if the frame is malformed, as the next two functions do.
 */
bool backend_history_join(struct backend_member *m, const struct backend_frame *f, sio_socket *socket);
/* Executes a HISTORY. */
bool backend_history_read(struct backend_member *m, const struct backend_frame *f);
/* Executes a FORGET. */
bool backend_history_remove(struct backend_member *m, const struct backend_frame *f);
/* The link of `m` was lost: the answers of its questions will be discarded. */
void backend_history_forget(struct backend_member *m);

#endif
