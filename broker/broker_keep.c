/* The broker's way to the keeper of recorded events (bus_keep.h). */
#include "broker/broker_internal.h"
#include "broker/bus_keep.h"
#include "broker/bus_store.h"
#include "common/base/error.h"

uint64_t
broker_keep_number(const struct broker *broker, struct text *payload)
{
	struct bus_point point;

	if (broker->form->store == NULL)
		return bus_keep_number_take(payload);
	return bus_store_point(broker->form->store(broker->end), &point) ? point.event : 0;
}

struct bus *
broker_store(const struct broker *broker)
{
	return broker->form->store != NULL ? broker->form->store(broker->end) : NULL;
}

bool
broker_keeps(const struct broker *broker)
{
	return broker->keeper;
}

void
broker_keep_open(struct broker *broker, struct bus_keep *keep)
{
	broker->form->keep_open(broker->end, keep);
}

void
broker_keep_close(struct broker *broker, struct bus_keep *keep)
{
	broker->form->keep_close(broker->end, keep);
}

int
broker_keep_send_block(struct broker *broker, struct bus_keep *keep, struct block *message)
{
	int rc = message != NULL ? broker->form->keep_send(broker->end, keep, message) : ERROR_MEMORY;

	if (message != NULL)
		block_unref(message);
	return rc;
}

int
broker_keep_send(struct broker *broker, struct bus_keep *keep, struct text message)
{
	return broker_keep_send_block(broker, keep, block_try_copy(message.at, message.n));
}
