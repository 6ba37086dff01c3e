/*
 * Frames for clients that have just been lost. A backend hears of a loss only when it reads CLOSED, so what it has
 * sent to the socket before is still on its way. If the client can come back (connection state recovery), its handle
 * stays known for BACKEND_LATE_MS:
 *
 *   EMIT          is recorded: the client gets it when it comes back, or now if it is back already
 *   JOIN, LEAVE   if the client is back already, the rooms of its socket change, and its backend is told. Otherwise
 *                 its session ends, because the rooms from before the loss decide which events it has missed
 *   others        are ignored, as for any socket that has left
 *
 * An EMIT with VOLATILE or ACK is dropped: such events are not recorded.
 */
#ifndef NODE_BACKEND_BACKEND_LATE_H
#define NODE_BACKEND_BACKEND_LATE_H

#include "node/backend/backend_group.h"
#include "node/socketio/sio_raw.h"

#define BACKEND_LATE_MS 10000
#define BACKEND_LATE_MAX 4096 /* handles of one link; the oldest is forgotten first */

struct backend_late;

/*
 * The client of an attached socket has been lost and may come back: moves the socket's handle, which the backend `m`
 * knows, to a struct backend_late. If memory is short, it does nothing, and late frames are ignored.
 */
void backend_late_add(struct backend_member *m, sio_socket *socket, struct backend_handle *handle);
/* Returns the entry of this handle, or NULL. */
struct backend_late *backend_late_find(const struct backend_member *m, uint32_t handle);
/* Carries out a late EMIT, JOIN or LEAVE. Returns 0 or an error of sio_raw.h. */
int backend_late_emit(const struct backend_late *late, unsigned flags, const struct sio_content *event);
int backend_late_rooms(const struct backend_late *late, bool joins, const struct text *rooms, unsigned rooms_count);

/* Forgets the entries that are too old. Returns true if others are left. */
bool backend_late_sweep(struct backend_member *m);
/* Forgets all entries. */
void backend_late_forget(struct backend_member *m);

#endif
