/*
 * supervisor/restart.c
 *    See restart.h. Four questions, one after the other: our unit, its file store, its job, the kind of the job.
 *
 * A wrong "no" costs a failover and nothing else: the locks are given back, as at any stop.
 */
#include "supervisor/restart.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "supervisor/loop.h"
#include "supervisor/session.h"
#include "supervisor/supervisor.h"

enum { LIMIT_US = 2 * 1000 * 1000 };

#define SYSTEMD "org.freedesktop.systemd1"

static void settle(struct supervisor *sup, bool is)
{
	struct restart *restart = &sup->restart;

	if (restart->settled)
		return;
	restart->settled = true;
	restart->is = is;
	if (is)
		pgs_log(PGS_LOG_INFO, NULL,
			"this is a restart: the ZooKeeper session and its locks are left to the "
			"next supervisor");
	loop_wake(sup);
}

static int on_limit(sd_event_source *source, uint64_t at_us, void *userdata)
{
	(void)source;
	(void)at_us;
	settle(userdata, false);
	return 0;
}

static void get(struct supervisor *sup, const char *path, const char *interface,
		const char *property, sd_bus_message_handler_t handler)
{
	if (sd_bus_call_method_async(sup->restart.bus, NULL, SYSTEMD, path,
				     "org.freedesktop.DBus.Properties", "Get", handler, sup, "ss",
				     interface, property) < 0)
		settle(sup, false);
}

static int on_kind(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *kind = "";

	(void)error;
	settle(userdata, !sd_bus_message_is_method_error(m, NULL) &&
				 sd_bus_message_read(m, "v", "s", &kind) >= 0 &&
				 strcmp(kind, "restart") == 0);
	return 0;
}

static int on_job(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *path = "";
	uint32_t id = 0;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL) ||
	    sd_bus_message_read(m, "v", "(uo)", &id, &path) < 0 || id == 0)
		settle(userdata, false);
	else
		get(userdata, path, SYSTEMD ".Job", "JobType", on_kind);
	return 0;
}

static int on_store(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct supervisor *sup = userdata;
	uint32_t n = 0;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "v", "u", &n) < 0 ||
	    n == 0)
		settle(sup, false);
	else
		get(sup, sup->restart.unit, SYSTEMD ".Unit", "Job", on_job);
	return 0;
}

static int on_unit(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct supervisor *sup = userdata;
	const char *path = "";

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "o", &path) < 0) {
		settle(sup, false);
		return 0;
	}
	(void)snprintf(sup->restart.unit, sizeof(sup->restart.unit), "%s", path);
	get(sup, sup->restart.unit, SYSTEMD ".Service", "NFileDescriptorStore", on_store);
	return 0;
}

void restart_ask(struct supervisor *sup)
{
	struct restart *restart = &sup->restart;

	if (restart->asked)
		return;
	restart->asked = true;
	int r = session_kept(sup) ? sd_bus_open_system(&restart->bus) : -1;
	if (r >= 0)
		r = sd_bus_attach_event(restart->bus, sup->event, PRIORITY_SIGNAL);
	if (r >= 0)
		r = sd_event_add_time_relative(sup->event, &restart->timer, CLOCK_MONOTONIC,
					       LIMIT_US, 0, on_limit, sup);
	if (r >= 0)
		r = sd_bus_call_method_async(restart->bus, NULL, SYSTEMD,
					     "/org/freedesktop/systemd1", SYSTEMD ".Manager",
					     "GetUnitByPID", on_unit, sup, "u", (uint32_t)getpid());
	if (r < 0)
		settle(sup, false);
}

void restart_done(struct supervisor *sup)
{
	sup->restart.timer = sd_event_source_disable_unref(sup->restart.timer);
	sup->restart.bus = sd_bus_close_unref(sup->restart.bus);
}
