/* sockeye: reads the command line and runs one worker, or the master of several. */
#include <stdio.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/inherited.h"
#include "common/io/log.h"
#include "common/io/streams.h"
#include "node/api/api.h"
#include "node/process/config.h"
#include "node/process/health.h"
#include "node/process/metrics.h"
#include "node/process/master.h"
#include "node/process/notify.h"
#include "node/process/worker.h"

#define HELP_MAX (1 << 20) /* far more than the help takes */

static const char help_head[] =
	"Usage: sockeye --app FILE [OPTION]...\n"
	"       sockeye --exec COMMAND [OPTION]...\n"
	"       sockeye --backend URL [OPTION]...\n"
	"A Socket.IO server. It runs an application: FILE, a shared object built from C, or COMMAND, a\n"
	"program in another language, or applications in other processes, which connect to URL.\n"
	"\n"
	"  sockeye --app build/apps/chat.so --public node/apps/public      the chat on http://localhost:3000\n"
	"  sockeye --backend unix:///run/sockeye/backend.sock    a Node.js or Python application behind it\n"
	"  sockeye --app my.so --port 443 --tls-cert cert.pem --tls-key key.pem\n"
	"  sockeye --exec \"node --import @sockeye/backend/register server.js\"\n"
	"\n"
	"Every option is a flag (--ping-interval 25s), an environment variable (SOCKEYE_PING_INTERVAL=25s),\n"
	"a line of the file of --config (pingInterval = 25s) and a name for sio_set_option(). Flags override\n"
	"the environment, which overrides the file, which overrides what the application sets.\n"
	"Times are in milliseconds, or like 300ms, 25s, 2m. Sizes are in bytes, or like 64k, 1m, 1e6.\n"
	"\n"
	"  --check           check all options and files, report every mistake and end: 0, or 2 with mistakes\n"
	"  --print-config    print all options and where each value comes from; secrets are not shown\n"
	"  --health          ask the server with these options, at its admin port, whether it is alive; exit\n"
	"                    status 0 if it is, otherwise 1\n"
	"  --help, -h        print this text (--help=markdown: the options as a table; --help=metrics: the\n"
	"                    metrics of the admin port as a table)\n"
	"  --version         print the version\n"
	"\n";

static const char help_tail[] =
	"\n"
	"Signals: SIGTERM and SIGINT disconnect the clients over --drain-time, then stop the server; a second\n"
	"one stops it at once. SIGHUP reloads certificates, API keys, admins and the file of --config, and\n"
	"deploys the program of --exec, and the file of --app if it has been replaced.\n"
	"SIGUSR1 disconnects every tenth client over --drain-time, so that it connects to another server.\n"
	"SIGUSR2 starts the program again, perhaps a new version, which takes over the port; then the old\n"
	"processes disconnect their clients over --drain-time and end. No connection is refused.\n"
	"SIGTTIN switches to the next log level; after debug comes the initial level.\n"
	"With several workers, send signals to the process that you started: it supervises the workers.\n"
	"Exit status: 0 after a stop signal, 1 cannot start, 2 invalid usage.\n";

static void
print_help(const struct option_table *tables, size_t n, bool markdown)
{
	struct buffer out;

	buffer_init(&out, HELP_MAX);
	if (markdown) {
		options_markdown(tables, n, &out);
	} else {
		buffer_add(&out, help_head, sizeof help_head - 1);
		options_help(tables, n, &out);
		buffer_add(&out, help_tail, sizeof help_tail - 1);
	}
	fwrite(out.data, 1, out.len, stdout);
	buffer_fini(&out);
}

/* Returns true if the first argument asks for the help in this format. */
static bool
wants_help_as(const char *format, int argc, char **argv)
{
	return argc > 1 && strncmp(argv[1], "--help=", 7) == 0 && strcmp(argv[1] + 7, format) == 0;
}

static void
print_metrics(void)
{
	struct buffer out;

	buffer_init(&out, HELP_MAX);
	metrics_markdown(&out);
	api_metrics_markdown(&out);
	fwrite(out.data, 1, out.len, stdout);
	buffer_fini(&out);
}

static const char *
program_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "sockeye";
}

/* Prints a mistake; called for the first one, or with --check for each. */
static void
print_mistake(void *program, const char *error)
{
	streams_complain(program, error);
}

static void
print_config(struct config *config, struct server_options *server)
{
	struct buffer out;

	buffer_init(&out, HELP_MAX);
	config_print(config, server, &out);
	fwrite(out.data, 1, out.len, stdout);
	buffer_fini(&out);
}

static int
check_health(const struct worker_setup *setup)
{
	char error[HEALTH_ERROR_MAX];

	if (health_check(&setup->options->admin, error) == 0)
		return EXIT_FINE;
	streams_complain(setup->program, error);
	return 1;
}

/* Acts on what config_read() has returned. Returns the exit code. */
static int
run_server(const struct worker_setup *setup, struct server_options *server, int read)
{
	struct config *config = setup->config;
	char error[INHERITED_ERROR_MAX];
	unsigned workers;

	if (read < 0) /* a file cannot be read: the usage is right */
		return read == ERROR_SYSTEM && !config->check ? EXIT_NO_START : EXIT_USAGE;
	if (config->health)
		return check_health(setup);
	if (config->print)
		print_config(config, server);
	if (config->check || config->print)
		return streams_flush(setup->program) ? EXIT_FINE : EXIT_NO_START;
	log_set_format((enum log_format)config->program.log_format);
	workers = program_workers(&config->program);
	if (inherited_read(setup->inherited, error) < 0) {
		streams_complain(setup->program, error);
		return EXIT_NO_START;
	}
	/* a program that replaces another one needs a master, because the other master waits for its report */
	if (workers == 1 && !exec_is_wanted(&config->program.exec) && !config->program.master &&
		!master_has_predecessor(setup->inherited))
		return (int)worker_run(setup);
	return master_run(setup, server, workers);
}

int
main(int argc, char **argv)
{
	const char *program = program_name(argc > 0 ? argv[0] : NULL);
	struct config config;
	struct server_options server;
	struct option_table tables[CONFIG_TABLES];
	struct notify notify;
	struct inherited inherited = {.count = 0};
	struct worker_setup setup = {program, &config.program, &config, NULL, &notify, &inherited};
	const struct config_listener listener = {print_mistake, (void *)(uintptr_t)program};
	bool markdown = wants_help_as("markdown", argc, argv);
	int code = EXIT_FINE, read;

	mem_use_heap();
	streams_open();
	notify_init(&notify);
	if (wants_help_as("metrics", argc, argv)) {
		print_metrics();
		return streams_flush(program) ? EXIT_FINE : EXIT_NO_START;
	}
	config_init(&config, argc, argv);
	server_options_init(&server);
	read = markdown ? 1 : config_read(&config, &server, &listener);
	if (read == 1) {
		config_tables(&config, &server, tables);
		print_help(tables, CONFIG_TABLES, markdown);
	} else if (read == 2) {
		printf("sockeye %s\n", SOCKEYE_VERSION);
	} else {
		code = run_server(&setup, &server, read);
	}
	if (read > 0 && !streams_flush(program))
		code = EXIT_NO_START;
	inherited_free(&inherited);
	server_options_fini(&server);
	config_fini(&config);
	return code;
}
