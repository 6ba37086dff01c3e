/*
 * The body of a POST to /api/...: JSON text to what shall be done. A pure codec. Bytes are hostile though their
 * sender has a key: every field is checked by name and type, and a field that is unknown or comes twice is refused,
 * since a mistyped "rooms" would send to everybody.
 */
#ifndef NODE_API_API_COMMAND_H
#define NODE_API_API_COMMAND_H

#include "common/base/json_msgpack.h"
#include "node/api/api_fault.h"

#define API_NAMES_MAX 10000    /* rooms, or excepts, or rooms to join or leave, of one request */
#define API_NAME_MAX 512       /* bytes of a room's name or an event's: the default of maxRoomLength */
#define API_ATTACHMENTS_MAX 64 /* binary values of one event; maxAttachments is less in most applications */
#define API_TIMEOUT_MAX 60000  /* ms to wait for acknowledgements */
#define API_TIMEOUT_INITIAL 5000

enum api_kind { API_EMIT, API_JOIN, API_LEAVE, API_DISCONNECT, API_KINDS };

struct api_names {
	struct text *at; /* plain text */
	unsigned count;
};

struct api_command {
	enum api_kind kind;
	struct text nsp;		/* begins with "/" */
	struct api_names rooms, except; /* no rooms: every socket of the namespace */
	struct api_names moves;		/* to join or to leave */
	struct buffer event;		/* emit: a JSON array, the name first; its placeholders mean `attachments` */
	struct attachments attachments;
	bool is_volatile, compress, ack;
	bool close; /* disconnect: the whole connection too */
	uint32_t timeout_ms;
	char *plain; /* private: what the texts lie in */
};

/*
 * Reads `body`, whatever it is, as a request of that kind. False: `fault` says what is wrong, `c` is empty. What is
 * read is good until api_command_fini(), also without `body`.
 */
bool api_command_read(struct api_command *c, enum api_kind kind, struct text body, struct api_fault *fault);
void api_command_fini(struct api_command *c);

#endif
