/* The reasons that this layer adds to the table of close reasons (names.h). */
#ifndef BROKER_BROKER_TABLES_H
#define BROKER_BROKER_TABLES_H

#include "common/base/names.h"

/*        number                      log word               what it means */
#define BROKER_REASON_TABLE(X) X(REASON_HUB_SYNTAX, "hub-syntax", "a worker sent a malformed command to its hub")

NAMES_DECLARE(NAMES_BROKER, BROKER_REASON_TABLE, BROKER_REASON_END);
extern const struct names broker_reasons;

#endif
