/* What SIGHUP does with the file of --config: reads it again, applies what may change, and logs the result. */
#ifndef NODE_PROCESS_CONFIG_HUP_H
#define NODE_PROCESS_CONFIG_HUP_H

#include "node/process/config.h"
#include "node/process/log_control.h"

/*
 * Reloads the file into the tables, see config_reload(). One line names the options that changed and those that need
 * a restart; each mistake has a line of its own. A worker with a master passes NULL for `log`, and logs nothing: its
 * master does. Otherwise, a new level or filter of the log takes effect too.
 */
void config_on_hup(struct config *config, const struct option_table tables[CONFIG_TABLES], struct log_control *log);

#endif
