/* The functions of sockeye.h that add metrics of the application. */
#include "node/process/app_metrics.h"
#include "node/process/server.h"
#include "node/socketio/sio_check.h"

/* Logs why a metric is refused. */
static void
server_metric_refused(const char *name, const char *why)
{
	static _Thread_local struct log_limit limit;

	if (log_allow(&limit, 1, loop_wall_ms()))
		log_event(LOG_WARN, "metric_refused", "name", LOG_STR(name), "reason", LOG_STR(why), NULL);
}

/* Returns false if a text is missing. */
static bool
server_metric_setup(struct app_series_setup *setup, const char *function)
{
	if (sio_is_name(setup->name) && sio_is_pointer(setup->help) && !setup->label == !setup->value)
		return true;
	sio_misused(function, setup->name, NULL, NULL, SIO_ERR_ARGUMENT);
	return false;
}

static union app_number *
server_metric_number(sio_server *io, struct app_series_setup *setup, const char *function)
{
	const double *bounds;
	const char *why;
	union app_number *number;

	if (!server_metric_setup(setup, function))
		return NULL;
	number = app_registry_series(server_app_metrics(io), setup, &bounds, &why);
	if (!number)
		server_metric_refused(setup->name, why);
	return number;
}

uint64_t *
sio_counter(sio_server *io, const char *name, const char *help, const char *label, const char *value)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	struct app_series_setup setup = {name, help, label, value, APP_COUNTER, NULL, 0};
	union app_number *number = server_metric_number(io, &setup, __func__);

	return number ? &number->count : &server_app_metrics(io)->spare_count;
}

double *
sio_gauge(sio_server *io, const char *name, const char *help, const char *label, const char *value)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	struct app_series_setup setup = {name, help, label, value, APP_GAUGE, NULL, 0};
	union app_number *number = server_metric_number(io, &setup, __func__);

	return number ? &number->real : &server_app_metrics(io)->spare_real;
}

sio_histogram *
sio_histogram_of(sio_server *io, const char *name, const char *help, const char *label, const char *value,
	const double *bounds, unsigned n)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	struct app_series_setup setup = {name, help, label, value, APP_HISTOGRAM, bounds, n};
	const char *why = NULL;
	sio_histogram *histogram;

	if (!server_metric_setup(&setup, __func__))
		return NULL;
	histogram = app_registry_histogram(server_app_metrics(io), &setup, &why);
	if (histogram->bounds_count == 0)
		server_metric_refused(name, why);
	return histogram;
}

void
sio_observe(sio_histogram *histogram, double value)
{
	SIO_NEEDS(SIO_A_RESULT, histogram);
	unsigned i = 0;

	while (i < histogram->bounds_count && !(value <= histogram->bounds[i]))
		i++;
	histogram->numbers[i].count++;
	histogram->numbers[histogram->bounds_count + 1].real += value;
}
