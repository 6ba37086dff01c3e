/* The broker's way to the keeper of recorded events (bus_keep.h). */
#include "broker/broker_internal.h"
#include "broker/bus_keep.h"
#include "common/base/error.h"

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
