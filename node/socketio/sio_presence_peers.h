/*
 * How the servers of a cluster tell one another who is present. The messages are events between servers
 * (serverSideEmit), which Node.js servers ignore:
 *
 *   ["sockeye:presence", 1, FROM, NUMBER, "hello"]                      send me your lists
 *   ["sockeye:presence", 1, FROM, NUMBER, "here"]                       NUMBER is the number of my last change
 *   ["sockeye:presence", 1, FROM, NUMBER, "want", [ID, ...]]            these servers, send me your lists
 *   ["sockeye:presence", 1, FROM, NUMBER, "change", [ITEM, ...]]        what has changed since NUMBER - 1
 *   ["sockeye:presence", 1, FROM, NUMBER, "list", PART, [ITEM, ...], LAST]   part of my list
 *
 * 1 is the version of the messages. FROM is the id in the sender's heartbeats. An ITEM is [room, user, data] for a
 * user who is present at FROM (data null: no data), or [room, user] for a user who has left. PART counts from 1; LAST
 * is true in the last part.
 *
 * A receiver that finds a gap in the numbers asks for the list with "want". The "here" after the last change shows
 * whether that change was lost. When a server's heartbeats end, its entries are removed.
 */
#ifndef NODE_SOCKETIO_SIO_PRESENCE_PEERS_H
#define NODE_SOCKETIO_SIO_PRESENCE_PEERS_H

#include "common/base/json_msgpack.h"
#include "node/socketio/sio_presence_state.h"

#define SIO_PRESENCE_EVENT "sockeye:presence"

/* Sends the changes of this server's own entries, if there are other servers. */
void sio_presence_publish(struct sio_presence *presence);

/* Timer: sends "hello", "here" and "want", and removes the entries of servers that have gone. */
void sio_presence_on_tick(struct wheel_entry *entry);
/* Timer: sends the next part of the list. */
void sio_presence_on_list(struct wheel_entry *entry);

/*
 * Handles an event of another server; `data` is its checked array. Returns false if the event is not about presence.
 * A message that breaks the rules above is counted and dropped.
 */
bool sio_presence_hear(struct sio_presence *presence, struct text data, const struct attachments *attachments);

#endif
