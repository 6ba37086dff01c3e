/* The functions that the parts of a client (client*.c) call in each other. */
#ifndef TESTS_LOAD_CLIENT_INTERNAL_H
#define TESTS_LOAD_CLIENT_INTERNAL_H

#include "tests/load/client.h"

#define CLIENT_SID_MAX 128

/* client.c */
/* Handle a packet of the server: Engine.IO text that starts with the type digit, or bytes. May change the bytes. */
void client_on_text(struct client *c, uint8_t *bytes, size_t n);
void client_on_binary(struct client *c, uint8_t *bytes, size_t n);
void client_fail(struct client *c, enum load_error error, const char *why);
void client_fail_format(struct client *c, enum load_error error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The client has joined once CONNECT is answered and no upgrade is under way. */
void client_check_joined(struct client *c);
/* A connection is gone. When no connection is left, the client ends. */
void client_check_ended(struct client *c);
/* Queues a packet on the current transport. */
void client_packet(struct client *c, struct text head, struct text tail);
/* A connection ended without a call of the client. */
void client_lost(struct client *c, unsigned reason, bool answered);
/* Opens a connection to the target; NULL after client_fail(). */
struct conn *client_connect(struct client *c, const struct conn_ops *ops, void *owner);

/* client_recovery.c */
/* Sends CONNECT, with pid and offset if a session may be continued. */
void client_recovery_connect(struct client *c);
/* CONNECT has been answered with this object. False after client_fail(). */
bool client_recovery_connected(struct client *c, struct text object);
/* An event came before the answer to CONNECT. Returns true if the client has missed the event. */
bool client_recovery_missed(struct client *c);
/* Notes the offset in the JSON text of an event. The offset counts from client_recovery_received() on. */
void client_recovery_offset(struct client *c, const uint8_t *json, size_t n);
/* The event has arrived with all its attachments. */
void client_recovery_received(struct client *c);

/* client_ws.c */
/* `sid` NULL: opens a session of its own. */
void client_ws_open(struct client *c, const char *sid);
void client_ws_send(struct client *c, enum ws_opcode opcode, struct text head, struct text tail);
/* Sends a Close frame, then FIN. */
void client_ws_finish(struct client *c);

/* client_polling.c */
void client_polling_open(struct client *c);
bool client_polling_gone(const struct client *c); /* true when no connection is left */
void client_polling_close(struct client *c);
void client_polling_free(struct client *c);
/* The open packet has arrived with this sid; starts the first poll. */
void client_polling_begin(struct client *c, struct text sid);
const char *client_polling_sid(const struct client *c);
void client_polling_send(struct client *c, bool binary, struct text head, struct text tail);
/* Starts no new poll and no new POST; calls client_polling_paused() when nothing is under way. */
void client_polling_pause(struct client *c);
/* Sends the queued packets by WebSocket and closes the connections. */
void client_polling_move(struct client *c);
/* Sends Engine.IO's close packet, then ends. */
void client_polling_finish(struct client *c);

/* client_upgrade.c */
void client_upgrade_start(struct client *c);
void client_upgrade_on_text(struct client *c, const uint8_t *bytes, size_t n); /* a packet on the probe */
void client_polling_paused(struct client *c);
/* The probe failed; the client fails with it. */
void client_upgrade_failed(struct client *c, const char *why);

/* client_packet.c */
void client_on_message(
	struct client *c, uint8_t *bytes, size_t n); /* a Socket.IO packet, without the Engine.IO type */
void client_on_attachment(struct client *c, uint8_t *bytes, size_t n);

#endif
