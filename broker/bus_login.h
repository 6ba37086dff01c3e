/*
 * How a link logs in to its server and keeps its login.
 *
 * With a password file, the link reads the file once a second while it is connected. If the password has changed, the
 * link sends AUTH on the live connection, so a token that expires is renewed without a new connection. A server
 * accepts AUTH on a connection with subscriptions only in RESP 3 (Redis 6 and later). A link for subscriptions
 * therefore asks for RESP 3 if it has a password file; with a server that refuses RESP 3, it reconnects instead.
 *
 * A file that cannot be read, or a password that the server refuses, is logged, and the connection goes on with what
 * it has. A new connection then uses the certificates or the password of the last successful login.
 */
#ifndef BROKER_BUS_LOGIN_H
#define BROKER_BUS_LOGIN_H

#include "broker/bus_link.h"

/*
 * Reads the certificates and the password for a new connection. Returns 0, or a negative error with one line of text
 * in `error` (BUS_ERROR_MAX bytes) if a file is bad and no earlier login has left something to use instead.
 */
int bus_login_read(struct bus_link *link, char error[BUS_ERROR_MAX]);
/* The TLS context for the connection, or NULL. Valid until the server answers or the link is closed. */
struct tls_context *bus_login_tls(const struct bus_link *link);

/* Sends the commands of the login. Returns true if the link needs none and is ready. */
bool bus_login_begin(struct bus_link *link);

enum bus_login_result { BUS_LOGIN_GOES_ON, BUS_LOGIN_READY, BUS_LOGIN_REFUSED, BUS_LOGIN_MALFORMED };
/* Takes an answer while the link is not ready. If the login has failed, `why` (BUS_WHY_MAX bytes) is set. */
enum bus_login_result bus_login_on_reply(struct bus_link *link, const struct resp *reply, char *why);

/*
 * The server has sent bytes, so the TLS handshake is over: remembers the certificates. A link without a password is
 * ready before the handshake, which may still fail.
 */
void bus_login_keep_tls(struct bus_link *link);
/* The link is ready: remembers the password, and begins to watch its file. */
void bus_login_keep(struct bus_link *link);
/* Returns true if the answer of a ready link belongs to the renewal of its login. */
bool bus_login_is_renewal(struct bus_link *link, const struct resp *reply);

void bus_login_init(struct bus_link *link);
void bus_login_end(struct bus_link *link); /* frees what belongs to a connection that has ended */

#endif
