/*
 * tests/model/rollout_state.h
 *    What the model of the rollout protocol is made of: admins, databases, the nodes of ZooKeeper. For rollout.c.
 */
#ifndef PGSHOVEL_TESTS_MODEL_ROLLOUT_STATE_H
#define PGSHOVEL_TESTS_MODEL_ROLLOUT_STATE_H

#include <stdint.h>

#include "tests/model/rollout.h"

enum {
	DATABASES = 2,
	ADMINS = 3,
	ROLLOUTS = 2,
	RECOVERER = 2
}; /* admins 0 and 1 make rollouts 1 and 2 */

enum pc {
	PC_BEGIN,
	PC_LOCKED,
	PC_PLAN,
	PC_INTENT,
	PC_STUB,
	PC_PREPARE,
	PC_PREPARED,
	PC_DECIDE,
	PC_ASKED, /* the deciding request is on its way */
	PC_RELOCK, /* its answer was lost */
	PC_LOOK,
	PC_READ,
	PC_VERDICT,
	PC_COMMIT,
	PC_ROLL_BACK,
	PC_RECORD,
	PC_CLEAN,
	PC_CLOSE,
	PC_DONE,
	PC_DEAD,
	N_PCS,
};

enum {
	ROW_NONE,
	ROW_OPEN,
	ROW_PREPARED,
	ROW_COMMITTED,
	ROW_ABORTED
}; /* of table rollout, with its transaction */
enum { REQUEST_NONE, REQUEST_SENT, REQUEST_OK, REQUEST_REFUSED };

struct admin_state {
	uint8_t pc;
	uint8_t at; /* the database that comes next */
	uint8_t closing; /* the rollout that it ends; 0: none */
	uint8_t known; /* enum recover_known */
	uint8_t session; /* the ZooKeeper session that took the lock lives */
	uint8_t token; /* of that lock */
	uint8_t connected; /* a bit for each database */
	uint8_t reached, committed; /* bits: what "look" has seen */
	uint8_t decision, in_header; /* what "read" has seen */
	uint8_t header; /* the set's node when the plan was made */
	uint8_t request;
	uint8_t commit; /* the verdict */
	uint8_t failed; /* the intent stays */
};

struct database {
	uint8_t up;
	uint8_t version,
		former; /* the rollout that was committed last, and the one before; 0: none */
	uint8_t trigger; /* of the table that both rollouts capture */
	uint8_t lost; /* it was captured without a trigger */
	uint8_t row[ROLLOUTS];
	uint8_t opener[ROLLOUTS]; /* ROW_OPEN: whose session */
};

struct state {
	struct admin_state admin[ADMINS];
	struct database database[DATABASES];
	uint8_t lock; /* admin + 1 */
	uint8_t tokens;
	uint8_t header, former_header; /* the rollout that wrote the set's node; 0: none of these */
	uint8_t intent[ROLLOUTS];
	uint8_t decision[ROLLOUTS]; /* enum recover_decision */
	uint8_t committed, aborted; /* bits of rollouts: carried out somewhere */
	uint8_t restored;
	struct model_budget left;
};

#endif
