/*
 * Presence for backends (docs/presence.md): which users are in a room, on all servers.
 *
 *   PRESENCE   turns presence on for a namespace       PRESENT with LAST
 *   USER       names the user of a socket              -
 *   WHO        asks who is in a room                   PRESENT for each user, then PRESENT with LAST
 *              a user has joined, changed or left      CHANGE, to the links that asked for it by PRESENCE
 *
 * The Socket.IO layer keeps the users of all servers, so every question is answered at once. A namespace with
 * presence belongs to the backends for the life of the server. The first PRESENCE decides its settings.
 */
#ifndef NODE_BACKEND_BACKEND_PRESENCE_H
#define NODE_BACKEND_BACKEND_PRESENCE_H

#include "node/backend/backend_group.h"

#define BACKEND_PRESENCE_MAX 100       /* namespaces of a worker to which backends give presence */
#define BACKEND_PRESENCE_NAME_MAX 512  /* bytes of the prefix of rooms, and of the name of the event */
#define BACKEND_PRESENT_MAX (1 << 20)  /* bytes of the PRESENT frames that answer one WHO */
#define BACKEND_PRESENT_ROOM_MAX 65535 /* bytes of the name of a room, as in CAST */

/* Executes a PRESENCE. Returns false if the frame is malformed, as the next two functions do. */
bool backend_presence_start(struct backend_member *m, const struct backend_frame *f);
/* Executes a USER. `socket` is that of the frame's handle, or NULL if it has left. */
bool backend_presence_user(struct backend_member *m, const struct backend_frame *f, sio_socket *socket);
/* Executes a WHO. */
bool backend_presence_who(struct backend_member *m, const struct backend_frame *f);
/* The link of `m` was lost: no further CHANGE is sent to it. */
void backend_presence_forget(struct backend_member *m);
/* Frees core->presences. Afterwards the namespaces must not call their listeners. */
void backend_presence_free(struct backend_core *core);

#endif
