/*
 * How recorded events and the messages of connection state recovery travel over the hub (struct hub_keeper). The
 * first byte, 0xC1, is never used in MessagePack, so it tells these payloads from others.
 *
 *   worker to hub   C1, origin (8 bytes), local number (8 bytes), payload: an event that the worker has recorded
 *   hub to worker   C1, number (8 bytes), payload: an event that the hub has recorded
 *
 * Numbers are written as they are in memory, because both ends are on one machine. Events for sockets of one worker
 * go to the channel of the keeper, and no worker gets them. Messages for the keeper go there without this head. Each
 * worker has a channel of its own for answers.
 */
#ifndef BROKER_BUS_KEEP_H
#define BROKER_BUS_KEEP_H

#include <string.h>

#include "broker/bus.h"
#include "common/base/buffer.h"

#define BUS_KEEP_MARK 0xC1
#define BUS_KEEP_HEAD 17
#define BUS_KEEP_NUMBER 9
#define BUS_KEEP_ID 8 /* characters of the name of a worker's channel */

/* The worker that recorded an event, and the number of the event there. A payload without a head has origin 0. */
struct bus_keep_head {
	uint64_t origin, local;
};

/* Reads the head and takes it off the payload. */
static inline void
bus_keep_head_take(struct text *payload, struct bus_keep_head *head)
{
	*head = (struct bus_keep_head){0, 0};
	if (payload->n < BUS_KEEP_HEAD || (uint8_t)*payload->at != BUS_KEEP_MARK)
		return;
	memcpy(&head->origin, payload->at + 1, sizeof head->origin);
	memcpy(&head->local, payload->at + 9, sizeof head->local);
	*payload = text_of(payload->at + BUS_KEEP_HEAD, payload->n - BUS_KEEP_HEAD);
}

static inline void
bus_keep_head_add(struct buffer *out, const struct bus_keep_head *head)
{
	buffer_add_byte(out, BUS_KEEP_MARK);
	buffer_add(out, &head->origin, sizeof head->origin);
	buffer_add(out, &head->local, sizeof head->local);
}

static inline void
bus_keep_number_add(struct buffer *out, uint64_t number)
{
	buffer_add_byte(out, BUS_KEEP_MARK);
	buffer_add(out, &number, sizeof number);
}

/* Reads the number of an event and takes it off the payload. Returns 0 if the event has none. */
static inline uint64_t
bus_keep_number_take(struct text *payload)
{
	uint64_t number;

	if (payload->n < BUS_KEEP_NUMBER || (uint8_t)*payload->at != BUS_KEEP_MARK)
		return 0;
	memcpy(&number, payload->at + 1, sizeof number);
	*payload = text_of(payload->at + BUS_KEEP_NUMBER, payload->n - BUS_KEEP_NUMBER);
	return number;
}

/* Appends the name of the channel of worker `id`. If `id` is TEXT_NONE, it is the channel of the keeper. */
static inline void
bus_keep_channel(struct buffer *out, struct text key, struct text id)
{
	buffer_add_text(out, key);
	buffer_add_text(out, TEXT("-keep#"));
	buffer_add_text(out, id);
}

/* One worker's channel. The caller owns the storage. */
struct bus_keep {
	struct bus_subscription subscription; /* private */
	struct buffer channel, keeper;	      /* private: names of the channels */
	char id[BUS_KEEP_ID];		      /* set by the caller before it is opened */
	void (*on_message)(struct bus_keep *keep, struct text message);
	/* The channel is subscribed to, for the first time or again after a connection was lost. */
	void (*on_ready)(struct bus_keep *keep);
};

#endif
