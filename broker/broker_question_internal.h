/*
 * Declarations shared by the files of questions: broker_question.c asks and ends them, broker_question_answers.c
 * handles their answers, broker_recount.c counts the servers again.
 */
#ifndef BROKER_BROKER_QUESTION_INTERNAL_H
#define BROKER_BROKER_QUESTION_INTERNAL_H

#include "broker/broker_internal.h"

struct question {
	struct table_node by_id, by_handle;
	struct list link; /* in nsp->questions, nsp->held or broker->ended */
	struct broker_nsp *nsp;
	struct broker_question asked;
	struct wheel_entry deadline;
	struct bus_count count;
	enum wire_type type;
	struct block *held; /* the message, until it is sent */
	bool must_send;	    /* the message also has effects of its own, so it is sent even if answers cannot come */
	bool counted;
	bool incomplete;   /* some answers have been given up */
	bool troubled;	   /* members have gone or become silent since it was asked */
	uint64_t asked_at; /* loop time */
	struct answerers answerers;
	unsigned first_count; /* other nodes when the question was asked */
	unsigned nodes;	      /* first_count, less the nodes that have left */
	unsigned last_count;  /* first_count, or what the last recount says instead */
	unsigned reachable;   /* nodes that have answered or can still answer */
	unsigned answered;
	uint64_t clients, acks, bytes;
	uint64_t handle;
	int error; /* valid once the question has ended */
	char id[WIRE_ID_LENGTH_MAX];
};

/* broker_question.c */

/*
 * Returns true if no further answer is waited for, and notes whether some answers were given up. The caller then ends
 * the question.
 */
bool question_may_end(struct question *question);
/* Ends the question: calls on_end with question->error and frees the question. */
void question_finish(struct question *question);
/* Ends the question with `error` (0: none) at the end of the turn. */
void question_finish_later(struct question *question, int error);

/* broker_recount.c */

/* Starts the recounts, which go on while the broker has questions. */
void broker_recounts_begin(struct broker *broker);
void broker_on_recount_timer(struct wheel_entry *entry);	/* of broker->recount_timer */
void broker_on_recount(struct bus_count *query, int64_t count); /* of nsp->recount */

#endif
