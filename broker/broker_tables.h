/* Why connections end: the rows of this layer (names.h). */
#ifndef BROKER_BROKER_TABLES_H
#define BROKER_BROKER_TABLES_H

#include "common/base/names.h"

/*        number                      log word               what it means */
#define BROKER_REASON_TABLE(X) X(REASON_HUB_SYNTAX, "hub-syntax", "a worker sent its hub what is not a hub command")

NAMES_DECLARE(NAMES_BROKER, BROKER_REASON_TABLE, BROKER_REASON_END);
extern const struct names broker_reasons;

#endif
