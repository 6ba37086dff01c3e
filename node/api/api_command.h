/*
 * The body of a POST to /api/...: from JSON text to a command. A pure codec. The bytes are hostile although the
 * sender has a key. Each field is checked by name and type. A field that is unknown or occurs twice is refused,
 * because with a mistyped "rooms" the request would reach every socket.
 */
#ifndef NODE_API_API_COMMAND_H
#define NODE_API_API_COMMAND_H

#include "common/base/json_msgpack.h"
#include "node/api/api_fault.h"

#define API_NAMES_MAX 10000    /* names in `rooms`, `except` or `moves` */
#define API_NAME_MAX 512       /* bytes of the name of a room or event: the default of maxRoomLength */
#define API_ATTACHMENTS_MAX 64 /* binary values of one event */
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
	struct api_names moves;		/* rooms to join or to leave */
	struct buffer event;		/* emit: a JSON array, the name first; its placeholders mean `attachments` */
	struct attachments attachments;
	bool is_volatile, compress, ack;
	bool close; /* disconnect: also close the connection */
	uint32_t timeout_ms;
	char *plain; /* private: holds the texts */
};

/*
 * Reads `body` as a request of this kind. Returns false if it is malformed; then `fault` says why, and `command` is
 * empty. The command is valid until api_command_fini(), and does not need `body`.
 */
bool api_command_read(struct api_command *command, enum api_kind kind, struct text body, struct api_fault *fault);
void api_command_fini(struct api_command *command);

#endif
