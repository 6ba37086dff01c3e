/*
 * The messages of all scenarios that send: which clients send and when (closed or open loop), who must receive each
 * message, and which messages were lost.
 */
#ifndef TESTS_LOAD_MESSAGES_H
#define TESTS_LOAD_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct load;
struct load_client;
struct load_options;

/* The number of clients that send. */
uint64_t messages_senders(const struct load_options *o);
/* True if client number `client`, counted over all processes, is a sender; *sender receives its sender number. */
bool messages_is_sender(const struct load_options *o, uint64_t client, uint64_t *sender);
/* Checks that the pairs of sender and receiver fit into memory: 0, or ERROR_ARGUMENT with one line in `error`. */
int messages_check(const struct load_options *o, char *error);

/* Call it when the load process has its clients. */
void messages_new(struct load *load);
void messages_free(struct load *load);

/* A client has joined. It becomes ready now, or when it is in its room. */
void messages_joined(struct load *load, struct load_client *c);
void messages_away(struct load *load, struct load_client *c);

void messages_begin(struct load *load); /* starts the warm-up */
void messages_stop(struct load *load);	/* stops sending */
bool messages_settled(const struct load *load);
/* Counts the messages that have not arrived. */
void messages_finish(struct load *load);
/* Closed loop: gives up messages that are not answered in time. Call it regularly. */
void messages_expire(struct load *load);

void messages_on_event(struct load *load, struct load_client *c, const uint8_t *bytes, size_t n);
void messages_on_ack(struct load *load, struct load_client *c, uint64_t id, const uint8_t *bytes, size_t n);

#endif
