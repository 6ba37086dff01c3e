/*
 * How the servers of a cluster tell one another who is present. The messages are events between servers
 * (serverSideEmit), which Node.js servers ignore:
 *
 *   ["sockeye:presence", 1, FROM, NUMBER, "hello"]                      send me your lists
 *   ["sockeye:presence", 1, FROM, NUMBER, "here"]                       NUMBER is the number of my last change
 *   ["sockeye:presence", 1, FROM, NUMBER, "want", [ID, ...]]            these servers, send me your lists
 *   ["sockeye:presence", 1, FROM, NUMBER, "change", [ITEM, ...]]        what has changed since NUMBER - 1
 *   ["sockeye:presence", 1, FROM, NUMBER, "list", PART, [ITEM, ...], LAST]   who is here; PART counts from 1
 *
 * FROM is the id of the server's heartbeats. An ITEM is [room, user, data] for a user who is present at FROM (data
 * null: none), or [room, user] for one who is not any more. A receiver that has missed a change asks for the list;
 * the "here" that follows the last change shows a loss at the end. The entries of a server go when its heartbeats
 * end.
 */
#ifndef NODE_SOCKETIO_SIO_PRESENCE_PEERS_H
#define NODE_SOCKETIO_SIO_PRESENCE_PEERS_H

#include "common/base/json_msgpack.h"
#include "node/socketio/sio_presence_state.h"

#define SIO_PRESENCE_EVENT "sockeye:presence"

/* Sends the changes of this server's own entries, if there are other servers. */
void sio_presence_publish(struct sio_presence *presence);

/* Timers: one looks after the servers and says hello, one sends the next part of the list. */
void sio_presence_on_tick(struct wheel_entry *entry);
void sio_presence_on_list(struct wheel_entry *entry);

/*
 * Takes an event of another server. Returns false if it is not one of presence. `data` is its checked array. A
 * message that breaks the rules above is counted and dropped.
 */
bool sio_presence_hear(struct sio_presence *presence, struct text data, const struct attachments *attachments);

#endif
