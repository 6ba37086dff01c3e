/* How a broker tells the other nodes about itself and hears of them: heartbeats over the form of the bus. */
#ifndef BROKER_BROKER_MEMBERS_H
#define BROKER_BROKER_MEMBERS_H

#include "broker/broker.h"

void broker_members_init(struct broker *broker, const struct broker_options *options);
/* Says that this node leaves. The bus must still be open. */
void broker_members_fini(struct broker *broker);

#endif
