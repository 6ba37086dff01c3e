/*
 * The members of the cluster that have answered one question. From this record the asker names the members that have
 * not answered, and stops waiting for members that are gone or silent.
 *
 * Node.js servers do not name themselves in their answers, and are only counted.
 */
#ifndef BROKER_ANSWERERS_H
#define BROKER_ANSWERERS_H

#include "broker/members.h"

struct answerer {
	char id[BEAT_ID_LENGTH + 1];
	bool counted; /* it is counted as a server that has answered; an acknowledgement alone does not count */
	/* for a question that asks for acknowledgements: clients of the member, and those that have acknowledged */
	uint64_t clients, acks;
};

struct answerers {
	struct answerer *list;
	unsigned count, size;
	uint64_t last_number; /* members with a higher number came after the question */
};

/* Begins the record of a question that is asked now. */
void answerers_init(struct answerers *answerers, const struct members *members);
void answerers_fini(struct answerers *answerers);

/* What one message of a server adds to the answers. */
struct answer {
	bool counts; /* true: the answer of a server; false: an acknowledgement of one of its clients */
	uint64_t clients, acks;
};

/*
 * Notes an answer of a member; `id` may be anything. If memory is short, the answer stays that of an unknown server.
 * Returns false if the member has already answered: the message has come twice, and the caller drops it.
 */
bool answerers_add(
	struct answerers *answerers, const struct members *members, struct text id, const struct answer *answer);

/* Returns true if the member has answered; `id` may be anything. */
bool answerers_has(const struct answerers *answerers, struct text id);

/* Returns the number of members that have gone since they answered. */
unsigned answerers_gone(const struct answerers *answerers, const struct members *members);
/*
 * Returns the number of members of the namespace that were asked, have not answered, and have said that they leave.
 */
unsigned answerers_left(const struct answerers *answerers, const struct members *members, struct text nsp);
/* Returns the number of acknowledgements still owed by members that are gone or silent. */
uint64_t answerers_lost_acks(const struct answerers *answerers, const struct members *members);
/* Returns the number of silent members of the namespace that were asked and have not answered. */
unsigned answerers_abandoned(const struct answerers *answerers, const struct members *members, struct text nsp);
/*
 * Finds the members that have not answered, given that `silent` servers have not. If a server has answered without
 * its name, it may be any of them, so fewer members or none are named. Returns the number of members in `out`, at
 * most `max`.
 */
unsigned answerers_name_silent(const struct answerers *answerers, const struct members *members, struct text nsp,
	unsigned silent, const struct member_record **out, unsigned max);

#endif
