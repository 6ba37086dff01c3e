#include "node/socketio/sio_options.h"

#include "node/socketio/sio_parser.h"

#define AT(field) offsetof(struct sio_options, field)

static const struct option_row rows[] = {
	{"connectTimeout", OPTION_MS, AT(connect_timeout), "45000", 1, 86400000, NULL, "MS",
		"Close a connection that has not joined a namespace within this time", .group = "Socket.IO"},
	{"serveClient", OPTION_FLAG, AT(serve_client), "true", 0, 0, NULL, NULL,
		"Serve the browser bundle under the path", .group = NULL},
	{"cleanupEmptyChildNamespaces", OPTION_AUTO, AT(cleanup_empty_child_namespaces), "auto", 0, 0, NULL, NULL,
		"Free a namespace made by a pattern or function when its last socket leaves; auto: only with Redis, "
		"where each namespace costs a subscription",
		.group = NULL},
	{"parser", OPTION_CHOICE, AT(parser), "auto", 0, 0, "auto|json|msgpack", "PARSER",
		"Parser of the clients: json (the default of Socket.IO), msgpack (socket.io-msgpack-parser), or "
		"auto: "
		"the first packet of each client shows which one it uses",
		.group = NULL},
	{"maxAttachments", OPTION_NUMBER, AT(max_attachments), "10", 1, SIO_ATTACHMENTS_MAX, NULL, "N",
		"Maximum number of binary attachments in one packet from a client of the JSON parser", .group = NULL},
	{"maxNamespaces", OPTION_NUMBER, AT(max_namespaces), "100", 1, 10000, NULL, "N",
		"Maximum number of namespaces that one client may join", .group = NULL},
	{"maxRefusedConnects", OPTION_NUMBER, AT(max_refused_connects), "100", 1, 1000000, NULL, "N",
		"Maximum number of refused attempts of one client to join a namespace within 10 s; one more closes "
		"the client",
		.group = NULL},
	{"maxRooms", OPTION_NUMBER, AT(max_rooms), "10000", 1, 10000000, NULL, "N",
		"Maximum number of rooms that one socket may join", .group = NULL},
	{"maxRoomLength", OPTION_BYTES, AT(max_room_length), "512", 20, 65535, NULL, "BYTES",
		"Maximum length of the name of a room that a socket joins", .group = NULL},
	{"maxRoomBytes", OPTION_BYTES, AT(max_room_bytes), "1m", 1024, 1 << 30, NULL, "BYTES",
		"Maximum total length of the names of all rooms that the sockets of one client are in",
		.group = NULL},
	{"maxPendingAcks", OPTION_NUMBER, AT(max_pending_acks), "1000", 1, 1000000, NULL, "N",
		"Maximum number of acknowledgements that one socket may owe, and of its events that the application "
		"may keep",
		.group = NULL},
	{"maxChildren", OPTION_NUMBER, AT(max_children), "10000", 1, 10000000, NULL, "N",
		"Maximum number of namespaces made by patterns and functions; beyond it, namespaces without sockets "
		"are freed, the longest empty first",
		.group = NULL},
	{"workThreads", OPTION_NUMBER, AT(work_threads), "4", 1, 256, NULL, "N",
		"Maximum number of threads that a worker has for calls of the application that block (sio_work)",
		.group = NULL},
	{"maxWork", OPTION_NUMBER, AT(max_work), "1000", 1, 1000000, NULL, "N",
		"Maximum number of calls of sio_work() that wait or run; further calls fail", .group = NULL},
	{"presenceInterval", OPTION_MS, AT(presence_interval), "100", 1, 60000, NULL, "MS",
		"Time for which changes of presence are collected before they are announced", .group = NULL},
	{"presenceMaxUsers", OPTION_NUMBER, AT(presence_max_users), "100000", 1, 10000000, NULL, "N",
		"Maximum number of users in rooms that a server knows of in one namespace, counted for each server "
		"that names them; further ones are left out",
		.group = NULL},
	{"history", OPTION_TEXT, AT(history), NULL, 0, 0, NULL, "RULES",
		"Rooms whose last events are kept for clients that join, such as room:*=50/1h: the last 50 events, "
		"for an hour, of each room that begins with room:; several rules are separated by commas",
		.group = "History of rooms"},
	{"historyMaxBytes", OPTION_BYTES, AT(history_max_bytes), "64m", 65536, UINT64_C(1) << 40, NULL, "BYTES",
		"Maximum size of all histories in memory, without Redis; beyond it the oldest events are dropped",
		.group = NULL, .needs = "history"},
	{"connectionStateRecovery", OPTION_FLAG, AT(connection_state_recovery), "false", 0, 0, NULL, NULL,
		"Let a client that lost its connection continue its session, with the events that it missed; with "
		"Redis, it needs redisLog or redisMode streams",
		.group = "Connection state recovery"},
	{"maxDisconnectionDuration", OPTION_MS, AT(max_disconnection_duration), "2m", 1000, 86400000, NULL, "MS",
		"Time within which a lost client can come back", .group = NULL, .needs = "connectionStateRecovery"},
	{"skipMiddlewares", OPTION_FLAG, AT(skip_middlewares), "true", 0, 0, NULL, NULL,
		"Let a recovered socket connect without running the middlewares", .group = NULL,
		.needs = "connectionStateRecovery"},
	{"recoveryMaxBytes", OPTION_BYTES, AT(recovery_max_bytes), "64m", 1 << 20, UINT64_C(1) << 40, NULL, "BYTES",
		"Maximum size of the events and sessions that are kept; beyond it the oldest events are dropped, "
		"then the oldest sessions",
		.group = NULL, .needs = "connectionStateRecovery"},
	{"recoveryMaxSessions", OPTION_NUMBER, AT(recovery_max_sessions), "100000", 1, 100000000, NULL, "N",
		"Maximum number of lost clients whose sessions are kept; beyond it the longest lost are dropped",
		.group = NULL, .needs = "connectionStateRecovery"},
	{"recoveryTrustForeign", OPTION_FLAG, AT(recovery_trust_foreign), "false", 0, 0, NULL, NULL,
		"Redis streams mode: continue sessions that Node.js servers have stored, although they do not name "
		"their "
		"namespace",
		.group = NULL, .needs = "connectionStateRecovery"},
};

struct option_table
sio_options_table(struct sio_options *options)
{
	return (struct option_table){rows, sizeof rows / sizeof rows[0], options, false};
}
