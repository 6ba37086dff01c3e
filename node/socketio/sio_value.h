/*
 * What stands behind the public sio_value: checked JSON text, the attachments its placeholders mean, and the
 * decoded copies that sio_string() and sio_msgpack() hand out.
 *
 * One owner per received text (an event, one answer to an emit, a socket's data). It is embedded in that thing and
 * lives as long; text and attachments are borrowed and must outlive it. Decoded copies are made on demand, at most
 * once the text's size for strings however often they are asked for, and are freed by sio_value_owner_fini(). Calls
 * go down only.
 */
#ifndef NODE_SOCKETIO_SIO_VALUE_H
#define NODE_SOCKETIO_SIO_VALUE_H

#include "common/base/json_msgpack.h"
#include "common/base/text.h"
#include "node/sockeye.h"

struct sio_decoded; /* sio_value.c: the copies, NULL until one is needed */

struct sio_value_owner {
	struct text json; /* the whole checked text; every value made with the owner lies within */
	const struct attachments *attachments; /* NULL: none, placeholders are plain objects */
	struct sio_decoded *decoded;
	bool no_memory; /* a copy could not be made: whose bytes these are is closed by who owns them */
};

/* `json` is checked (json_check(), sio_packet_parse()) or packed by sio_payload. Allocates nothing. */
void sio_value_owner_init(struct sio_value_owner *owner, struct text json, const struct attachments *attachments);
void sio_value_owner_fini(struct sio_value_owner *owner);

/* A value within owner->json, without blanks around it; TEXT_NONE gives SIO_NONE. */
sio_value sio_value_make(struct text json, const struct sio_value_owner *owner);

/* No value: a missing argument or member. */
sio_value sio_value_none(void);

/* The arguments of a received event, its name not counted; kept in struct sio_event by the runtime. */
struct sio_args {
	struct text list; /* as they stand in the packet between the name's comma and the "]": `1,"x"`; TEXT_NONE when
			     none */
	unsigned count;
	const struct sio_value_owner *owner;
};

/* From the bounds that sio_packet_parse() found: `args` + 1 and `argc` - 1 for an event, all of them for an ack. */
struct sio_args sio_args_make(const struct text *args, unsigned count, const struct sio_value_owner *owner);

/* Implemented by the runtime beside struct sio_event: good as long as the event. */
const struct sio_args *sio_event_args(const struct sio_event *event);

#endif
