/* For client*.c: the parts of a client among each other. */
#ifndef TESTS_LOAD_CLIENT_INTERNAL_H
#define TESTS_LOAD_CLIENT_INTERNAL_H

#include "tests/load/client.h"

#define CLIENT_SID_MAX 128

/* client.c */
/* An Engine.IO packet of text, type digit first; a message of bytes. The bytes may be changed. */
void client_on_text(struct client *c, uint8_t *bytes, size_t n);
void client_on_binary(struct client *c, uint8_t *bytes, size_t n);
void client_fail(struct client *c, enum load_error error, const char *why);
void client_fail_format(struct client *c, enum load_error error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* It has joined if CONNECT is answered and no upgrade is under way. */
void client_check_joined(struct client *c);
/* A connection is gone; when all are, the client has ended. */
void client_check_ended(struct client *c);
/* Queues a packet by the transport that is in use. */
void client_packet(struct client *c, struct text head, struct text tail);
/* A connection of the client ended by itself. */
void client_lost(struct client *c, unsigned reason, bool answered);
/* A new connection to the target, connecting; NULL after client_fail(). */
struct conn *client_connect(struct client *c, const struct conn_ops *ops, void *owner);

/* client_ws.c */
/* `sid` NULL: a session of its own. */
void client_ws_open(struct client *c, const char *sid);
void client_ws_send(struct client *c, enum ws_opcode opcode, struct text head, struct text tail);
/* Close frame, then FIN. */
void client_ws_finish(struct client *c);

/* client_polling.c */
void client_polling_open(struct client *c);
bool client_polling_gone(const struct client *c); /* no connection is left */
void client_polling_close(struct client *c);
void client_polling_free(struct client *c);
/* After the open packet: its sid is good, the first poll leaves. */
void client_polling_begin(struct client *c, struct text sid);
const char *client_polling_sid(const struct client *c);
void client_polling_send(struct client *c, bool binary, struct text head, struct text tail);
/* Nothing new is asked or posted; client_polling_paused() is called once nothing is under way. */
void client_polling_pause(struct client *c);
/* What waits leaves by the WebSocket; the connections end. */
void client_polling_move(struct client *c);
/* The engine's close packet, then the end. */
void client_polling_finish(struct client *c);

/* client_upgrade.c */
void client_upgrade_start(struct client *c);
void client_upgrade_on_text(struct client *c, const uint8_t *bytes, size_t n); /* on the probe */
void client_polling_paused(struct client *c);
/* The probe failed: the client has. */
void client_upgrade_failed(struct client *c, const char *why);

/* client_packet.c */
void client_on_message(struct client *c, uint8_t *bytes, size_t n); /* Socket.IO, without the Engine.IO type */
void client_on_attachment(struct client *c, uint8_t *bytes, size_t n);

#endif
