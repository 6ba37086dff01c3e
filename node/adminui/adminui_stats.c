/*
 * server_stats: what this worker does, as the dashboard expects it. The figures of aggregatedEvents are differences
 * of the counters that exist anyway, so counting costs nothing. "packets" are Socket.IO packets, and "bytes" are
 * those of the network connections.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/base/json.h"
#include "node/adminui/adminui_internal.h"
#include "common/io/io_tables.h"
#include "node/engineio/eio_tables.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_tables.h"

#define AGGREGATED_MAX 4096	/* bytes of the events of two seconds */
#define STATS_MAX (1024 * 1024) /* bytes of server_stats; the namespaces that do not fit are left out */

static void
stats_take(const struct adminui *ui, struct adminui_sample *out)
{
	const uint64_t *value = ui->loop->counters.value;
	struct eio_stats engine;

	*out = (struct adminui_sample){.opened = value[COUNT_EIO_OPENED],
		.packets_in = value[COUNT_PACKETS_IN],
		.packets_out = value[COUNT_PACKETS_OUT],
		.bytes_in = value[COUNT_BYTES_IN],
		.bytes_out = value[COUNT_BYTES_OUT]};
	eio_stats(ui->engine, &engine);
	for (unsigned cause = 0; cause < EIO_CAUSE_COUNT; cause++)
		out->ended[eio_cause_reason((enum eio_cause)cause)] += engine.ended[cause];
}

static void
stats_add(struct adminui *ui, const char *type, const char *sub_type, uint64_t count, uint64_t second)
{
	struct buffer *out = &ui->aggregated;

	if (count == 0)
		return;
	buffer_printf(out, "%s{\"timestamp\":%llu000,\"type\":\"%s\"", out->len > 0 ? "," : "",
		(unsigned long long)second, type);
	if (sub_type != NULL)
		buffer_printf(out, ",\"subType\":\"%s\"", sub_type);
	buffer_printf(out, ",\"count\":%llu}", (unsigned long long)count);
}

void
adminui_stats_sample(struct adminui *ui)
{
	uint64_t second = loop_wall_ms() / 1000;
	struct adminui_sample now;

	stats_take(ui, &now);
	stats_add(ui, "rawConnection", NULL, now.opened - ui->last.opened, second);
	for (unsigned reason = 0; reason < sizeof now.ended / sizeof now.ended[0]; reason++)
		stats_add(ui, "rawDisconnection", eio_close_reason_text((enum eio_close_reason)reason),
			now.ended[reason] - ui->last.ended[reason], second);
	stats_add(ui, "packetsIn", NULL, now.packets_in - ui->last.packets_in, second);
	stats_add(ui, "packetsOut", NULL, now.packets_out - ui->last.packets_out, second);
	stats_add(ui, "bytesIn", NULL, now.bytes_in - ui->last.bytes_in, second);
	stats_add(ui, "bytesOut", NULL, now.bytes_out - ui->last.bytes_out, second);
	ui->last = now;
}

struct namespaces {
	struct buffer *out;
	bool full, any;
};

static void
stats_write_namespace(void *arg, struct text name, unsigned sockets)
{
	struct namespaces *list = arg;

	list->full = list->full || list->out->len + 6 * name.n + 100 > STATS_MAX;
	if (list->full)
		return;
	buffer_add_text(list->out, list->any ? TEXT(",{\"name\":") : TEXT("{\"name\":"));
	list->any = true;
	json_write_string(list->out, name);
	buffer_printf(list->out, ",\"socketsCount\":%u}", sockets);
}

static void
stats_write(struct adminui *ui, struct buffer *out)
{
	struct namespaces list = {.out = out};
	struct sio_stats sockets;
	struct eio_stats engine;

	eio_stats(ui->engine, &engine);
	buffer_add_text(out, TEXT("{\"serverId\":"));
	json_write_string(out, text_from(ui->server_id));
	buffer_add_text(out, TEXT(",\"hostname\":"));
	json_write_string(out, text_from(ui->host));
	buffer_printf(out, ",\"pid\":%ld,\"uptime\":", (long)getpid());
	json_write_double(out, (double)(ui->loop->now - ui->started) / 1000.);
	buffer_printf(out, ",\"clientsCount\":%llu,\"pollingClientsCount\":%llu,\"aggregatedEvents\":[",
		(unsigned long long)engine.sessions, (unsigned long long)(engine.sessions - engine.websockets));
	buffer_add_text(out, buffer_text(&ui->aggregated));
	buffer_add_text(out, TEXT("],\"namespaces\":["));
	sio_core_stats(ui->io, &sockets, stats_write_namespace, &list);
	buffer_add_text(out, TEXT("]}"));
	buffer_add_byte(out, '\0');
}

void
adminui_stats_emit(struct adminui *ui)
{
	struct buffer out;

	buffer_init(&out, STATS_MAX + AGGREGATED_MAX);
	stats_write(ui, &out);
	if (buffer_error(&out) == 0)
		sio_emit(sio_all(ui->nsp), "server_stats", "j", (const char *)out.data);
	buffer_fini(&out);
	buffer_reset(&ui->aggregated);
}

void
adminui_stats_begin(struct adminui *ui)
{
	stats_take(ui, &ui->last);
	buffer_reset(&ui->aggregated);
}

void
adminui_stats_init(struct adminui *ui, unsigned node, unsigned worker)
{
	if (gethostname(ui->host, sizeof ui->host - 1) != 0)
		snprintf(ui->host, sizeof ui->host, "unknown");
	snprintf(ui->server_id, sizeof ui->server_id, "%s#%u.%u", ui->host, node, worker);
	ui->started = ui->loop->now;
	buffer_init(&ui->aggregated, AGGREGATED_MAX);
}

void
adminui_stats_fini(struct adminui *ui)
{
	buffer_fini(&ui->aggregated);
}
