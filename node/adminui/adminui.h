/*
 * The server's half of the dashboard @socket.io/admin-ui: an ordinary namespace, /admin, whose clients are the
 * admins. They log in, get statistics and (in development mode) every event of the server, and send commands. Each
 * server emits to the admins of all servers, so one dashboard shows all servers of a cluster, Node.js servers among
 * them.
 *
 *   file                what it does
 *   adminui.c           the namespace; knows whether anybody looks
 *   adminui_login.c     users, passwords and sessions
 *   adminui_command.c   carries out the admins' commands, and logs them
 *   adminui_stats.c     server_stats, every two seconds
 *   adminui_live.c      development: events as they happen
 *   adminui_list.c      development: the sockets that exist when an admin arrives
 *   adminui_foreign.c   development: the same for the sockets of Node.js servers
 *   adminui_socket.c    one socket as the dashboard expects it
 *
 * Somebody looks at this server if an admin is connected to it, if another server has said within ADMINUI_WATCH_MS
 * that an admin is connected there, or if there are Node.js servers, whose admins it cannot see. Otherwise this layer
 * has no listeners in other namespaces, and only a timer that looks for Node.js servers.
 */
#ifndef NODE_ADMINUI_ADMINUI_H
#define NODE_ADMINUI_ADMINUI_H

#include "common/io/loop.h"
#include "node/adminui/adminui_options.h"
#include "node/engineio/eio.h"
#include "node/sockeye.h"

#define ADMINUI_NAMESPACE "/admin"
#define ADMINUI_WATCH_MS 7000 /* three times the interval of server_stats, and a second */

struct adminui;

struct adminui_setup {
	struct loop *loop;
	struct sio_server *io;
	struct eio_server *engine;
	const struct adminui_options *options; /* borrowed, as all pointers here */
	unsigned node, worker;		       /* part of the name of the server in the dashboard */
};

/*
 * Serves the namespace. The options have passed adminui_options_check(). Returns NULL if they do not enable it, or if
 * the file of users has become unreadable since, which is logged.
 */
struct adminui *adminui_new(const struct adminui_setup *setup);
/*
 * Reads the file of users again, and logs a line. Sessions and connections of users who are gone or have another
 * password end. Returns false if there is no such file. Accepts NULL.
 */
bool adminui_reload(struct adminui *ui);
/* Ends timers and refuses the clients that wait for their log-in, before the server closes. Accepts NULL. */
void adminui_stop(struct adminui *ui);
/* Requires that no client is connected. Waits for a password that is being compared. Accepts NULL. */
void adminui_free(struct adminui *ui);

#endif
