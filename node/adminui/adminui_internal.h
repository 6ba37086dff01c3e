/* What the files of this layer share; see the table in adminui.h. */
#ifndef NODE_ADMINUI_ADMINUI_INTERNAL_H
#define NODE_ADMINUI_ADMINUI_INTERNAL_H

#include "common/io/loop.h"
#include "node/adminui/adminui_bcrypt.h"
#include "node/adminui/adminui_guard.h"
#include "node/adminui/adminui_options.h"
#include "node/adminui/adminui_sessions.h"
#include "node/adminui/adminui_tables.h"
#include "node/engineio/eio_cause.h"
#include "node/engineio/eio_error.h"
#include "node/sockeye.h"

/*
 * Events between the servers of a cluster, in the admin namespace. Node.js servers ignore them.
 *   WATCH    an admin is connected here
 *   SESSION  (hash of the id, user): a log-in; acknowledged
 *   LIST     (id of an admin's socket): send it your sockets
 *   COMMAND  (command, arguments...): for a namespace that this server does not have
 */
#define ADMINUI_SAY_WATCH "sockeye:admin-watch"
#define ADMINUI_SAY_SESSION "sockeye:admin-session"
#define ADMINUI_SAY_LIST "sockeye:admin-list"
#define ADMINUI_SAY_COMMAND "sockeye:admin-command"

/* The user pointer of an admin's socket. */
struct adminui_admin {
	char user[ADMINUI_NAME_MAX + 1];
	char session[ADMINUI_SESSION_ID + 1]; /* made by this log-in; "": an older one, or none is needed */
	bool foreign_listed;		      /* has got the sockets of Node.js servers */
};

/* Counters at the last sample. */
struct adminui_sample {
	uint64_t opened, packets_in, packets_out, bytes_in, bytes_out;
	uint64_t ended[EIO_FORCED_CLOSE + 1]; /* by reason */
};

struct adminui {
	struct loop *loop;
	struct sio_server *io;
	struct eio_server *engine;
	const struct adminui_options *options;
	sio_nsp *nsp;
	bool stopped;

	/* adminui_login.c */
	struct adminui_users *users;
	struct adminui_bcrypt *bcrypt;
	struct list logins; /* struct adminui_login: those that wait for the thread or for the other servers */
	uint64_t tickets;
	struct log_limit refusals;
	struct adminui_guard guard;
	struct adminui_sessions sessions;

	/* adminui.c */
	unsigned admins;	/* connected here */
	uint64_t watched_until; /* loop time until which admins at other servers count as watching */
	bool watched;
	unsigned ticks;
	struct wheel_entry tick;

	/* adminui_stats.c */
	char host[65], server_id[100];
	uint64_t started;
	struct adminui_sample last;
	struct buffer aggregated; /* elements of aggregatedEvents since the last server_stats */

	/* adminui_live.c */
	bool live;
	uint64_t second; /* the second, by the wall clock, in which `shown` events were emitted */
	unsigned shown;

	/* adminui_list.c */
	struct list listings;
	unsigned listings_count;
	struct wheel_entry slice;

	/* adminui_foreign.c */
	struct list foreign; /* struct foreign_socket: those still to be sent */
	size_t foreign_bytes;
	struct wheel_entry foreign_slice;
};

static inline bool
adminui_shows_events(const struct adminui *ui)
{
	return ui->options->mode == ADMINUI_DEVELOPMENT;
}

/* Reads the users. Returns false, after a line in the log, if that fails. */
bool adminui_login_init(struct adminui *ui);
/* Admits or refuses clients from now on. The namespace exists. */
void adminui_login_listen(struct adminui *ui);
/* Reads the users again. If that fails, the old users stay, and a line in the log says why. */
void adminui_login_reload(struct adminui *ui);
/* Refuses the clients that wait for their log-in. */
void adminui_login_stop(struct adminui *ui);
void adminui_login_fini(struct adminui *ui);

/* Registers the commands, unless the options forbid them. */
void adminui_command_init(struct adminui *ui);

void adminui_stats_init(struct adminui *ui, unsigned node, unsigned worker);
void adminui_stats_begin(struct adminui *ui);  /* somebody looks from now on */
void adminui_stats_sample(struct adminui *ui); /* once a second: what has happened since the last sample */
void adminui_stats_emit(struct adminui *ui);
void adminui_stats_fini(struct adminui *ui);

void adminui_live_init(struct adminui *ui);
void adminui_live_fini(struct adminui *ui);
void adminui_live_begin(struct adminui *ui);
void adminui_live_end(struct adminui *ui);

void adminui_list_init(struct adminui *ui);
/* Sends the sockets of this server to an admin who has just connected, here or elsewhere. */
void adminui_list_begin(struct adminui *ui, const char *admin);
void adminui_list_stop(struct adminui *ui);

/*
 * If there are Node.js servers, sends their sockets in all namespaces of this server to the admins of this server who
 * have not got them yet. The number of servers becomes known over time, so the caller repeats this call.
 */
void adminui_foreign_look(struct adminui *ui);
void adminui_foreign_init(struct adminui *ui);
void adminui_foreign_stop(struct adminui *ui);

#define ADMINUI_DATE 25 /* "2026-11-29T05:15:54.000Z" and NUL */
/* Writes a time, in ms since 1970, as JSON.stringify writes a Date. */
void adminui_date(uint64_t ms, char out[ADMINUI_DATE]);
/*
 * Appends a connected socket as JSON, without cookies and tokens: header fields that are not known to be harmless,
 * and the application's query parameters, appear by name only.
 */
void adminui_socket_write(const sio_socket *socket, struct buffer *out);
/* The same for a socket of another server. Writes nothing if its data has the mark of a Sockeye server. */
void adminui_remote_write(const sio_socket_info *info, const char *nsp, struct buffer *out);
/* Appends the mark of a socket, see sio_observer. */
void adminui_mark_write(const sio_socket *socket, struct buffer *out);

#endif
