/* The options of this layer. Their table is in sio_options.c. */
#ifndef NODE_SOCKETIO_SIO_OPTIONS_H
#define NODE_SOCKETIO_SIO_OPTIONS_H

#include "common/base/options.h"

/* Values of the option parser, in the order of its choices. */
enum { SIO_PARSER_AUTO, SIO_PARSER_JSON, SIO_PARSER_MSGPACK };

struct sio_options {
	uint64_t connect_timeout;	    /* ms within which a connection must join a namespace */
	bool serve_client;		    /* serve the browser bundle under the path */
	int cleanup_empty_child_namespaces; /* 1: yes; 0: no; -1: auto, which sio_listen() makes 1 or 0 */
	int parser;			    /* SIO_PARSER_: which parsers clients may use */
	uint64_t max_attachments;	    /* binary attachments in one packet from a client */
	uint64_t max_namespaces;	    /* namespaces joined by one client */
	uint64_t max_refused_connects;	    /* CONNECTs of one client refused within SIO_REFUSED_MS */
	uint64_t max_rooms;		    /* rooms joined by one socket */
	uint64_t max_room_length;	    /* bytes of a room's name */
	uint64_t max_room_bytes;	    /* bytes of the names of all rooms of one client */
	uint64_t max_pending_acks;	    /* acknowledgements that one socket owes, and its events that are kept */
	uint64_t presence_interval;	    /* ms for which changes of presence are collected */
	uint64_t presence_max_users;	    /* users in rooms, of all servers, in one namespace */
	char *history;			    /* rules (sio_history_rules.h); NULL: no room has a history */
	uint64_t history_max_bytes;	    /* entries kept in memory */
	bool connection_state_recovery;
	uint64_t max_disconnection_duration; /* ms */
	bool skip_middlewares;		     /* for a recovered socket */
	uint64_t recovery_max_bytes;	     /* events and sessions that are kept */
	uint64_t recovery_max_sessions;
	bool recovery_trust_foreign; /* continue sessions that Node.js servers have stored */
	uint64_t loss_notice;  /* not an option: ms until a lost client is noticed, set by the owner of the engine */
	uint64_t work_threads; /* for sio_work() */
	uint64_t max_work;     /* calls of sio_work() that are not done yet */
	uint64_t max_children; /* namespaces made by patterns and functions in the whole server */
};

struct option_table sio_options_table(struct sio_options *options);

#endif
