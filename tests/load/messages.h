/*
 * Messages of all scenarios that send any: who sends when (closed or open loop), who is to have what, and what became
 * of it.
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

/* How many clients send. */
uint64_t messages_senders(const struct load_options *o);
/* Is client number `client` of all one of them? Then *sender is its number among them. */
bool messages_is_sender(const struct load_options *o, uint64_t client, uint64_t *sender);
/* A line in `error` if so many receivers of so many senders are too many to be kept apart. 0, or ERROR_ARGUMENT. */
int messages_check(const struct load_options *o, char *error);

/* After the load process has its clients. */
void messages_new(struct load *l);
void messages_free(struct load *l);

/* A client has joined: it is ready now, or when it is in its room. */
void messages_joined(struct load *l, struct load_client *c);
void messages_away(struct load *l, struct load_client *c);

void messages_begin(struct load *l); /* the warm-up begins */
void messages_stop(struct load *l);  /* nothing more is sent */
bool messages_settled(const struct load *l);
/* Counts what never came. */
void messages_finish(struct load *l);
/* Closed loop: gives up what is not answered in time. Call it now and then. */
void messages_expire(struct load *l);

void messages_on_event(struct load *l, struct load_client *c, const uint8_t *bytes, size_t n);
void messages_on_ack(struct load *l, struct load_client *c, uint64_t id, const uint8_t *bytes, size_t n);

#endif
