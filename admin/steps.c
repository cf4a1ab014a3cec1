/*
 * admin/steps.c
 *    The labels of steps.h as a table.
 *
 * Holds nobody: common/step.c does.
 */
#include "admin/steps.h"

const struct admin_step_info admin_steps[ADMIN_N_STEPS] = {
#define ADMIN_STEP_INFO(name, label, kinds) [ADMIN_STEP_##name] = { label, kinds },
	ADMIN_STEPS(ADMIN_STEP_INFO)
#undef ADMIN_STEP_INFO
};
