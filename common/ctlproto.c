/*
 * common/ctlproto.c
 *    The words for the states and phases of a source, as status, metrics and logs have them.
 */
#include "common/ctlproto.h"

const char *ctl_state_name(enum ctl_state state)
{
	switch (state) {
	case CTL_STATE_STARTING:
		return "starting";
	case CTL_STATE_WORKING:
		return "working";
	case CTL_STATE_RETRYING:
		return "retrying";
	case CTL_STATE_PARKED:
		return "parked";
	case CTL_STATE_STALLED:
		return "stalled";
	}
	return "?";
}

const char *ctl_phase_name(enum ctl_phase phase)
{
	switch (phase) {
	case CTL_PHASE_IDLE:
		return "idle";
	case CTL_PHASE_CONNECT:
		return "connect";
	case CTL_PHASE_KAFKA:
		return "kafka";
	case CTL_PHASE_WINDOW:
		return "window";
	case CTL_PHASE_ENCODE:
		return "encode";
	case CTL_PHASE_FLUSH:
		return "flush";
	case CTL_PHASE_COMMIT:
		return "commit";
	case CTL_PHASE_UPKEEP:
		return "upkeep";
	case CTL_PHASE_BACKOFF:
		return "backoff";
	}
	return "?";
}
