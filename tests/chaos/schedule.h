/*
 * tests/chaos/schedule.h
 *    Which fault comes when: a pure function of seed and length.
 *
 * Each kind of fault comes once before any comes twice. Two faults of one thing (the brokers, one PostgreSQL,
 * the set's owner …) never overlap; faults of different things do. Every fault ends before the run does.
 */
#ifndef PGSHOVEL_TESTS_SCHEDULE_H
#define PGSHOVEL_TESTS_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, what it happens to, shortest and longest time in ms between begin and end (0 0: no end of its own) */
#define CHAOS_FAULTS(X)                                                                            \
	X(relay_kill, OWNER, 0, 0)                                                                 \
	X(relay_pause, OWNER, 500, 2500)                                                           \
	X(relay_pause_long, OWNER, 6000, 11000)                                                    \
	X(owner_kill, OWNER, 1000, 9000)                                                           \
	X(owner_stop, OWNER, 1000, 9000)                                                           \
	X(owner_pause, OWNER, 6000, 10000)                                                         \
	X(broker_kill, BROKER, 500, 10000)                                                         \
	X(broker_stop, BROKER, 500, 6000)                                                          \
	X(zk_kill, ZK, 500, 3000)                                                                  \
	X(zk_away, ZK, 6000, 12000)                                                                \
	X(zk_pause, ZK, 1000, 9000)                                                                \
	X(zk_expire, ZK, 0, 0)                                                                     \
	X(pg_fast, PG, 200, 3000)                                                                  \
	X(pg_immediate, PG, 200, 3000)                                                             \
	X(pg_kill, PG, 200, 6000)                                                                  \
	X(terminate, PG, 0, 0)                                                                     \
	X(terminate_all, PG, 0, 0)                                                                 \
	X(ticker_pause, TICKER, 11000, 16000)                                                      \
	X(rotation, QUEUE, 6000, 9000)                                                             \
	X(upgrade, ADMIN, 0, 0)                                                                    \
	X(upgrade_kill, ADMIN, 50, 1200)

#define CHAOS_FAULT_ENUM(name, thing, shortest, longest) CHAOS_##name,
enum chaos_kind { CHAOS_FAULTS(CHAOS_FAULT_ENUM) CHAOS_N_KINDS };

enum { CHAOS_DATABASES = 2, CHAOS_MAX = 4096 };

struct chaos_fault {
	enum chaos_kind kind;
	int database; /* 1 or 2; 0 where it does not matter */
	int begin_ms;
	int end_ms; /* equal to begin_ms: it has no end of its own */
};

const char *chaos_name(enum chaos_kind kind);

/* The faults of a run of so many seconds in the order of their begin; returns their number, at most CHAOS_MAX. */
size_t chaos_schedule(uint64_t seed, int seconds, struct chaos_fault *ret);

/* Lines "SECONDS begin|end NAME DATABASE" in the order of time into a buffer; returns false when it is too small. */
bool chaos_print(const struct chaos_fault *faults, size_t n, char *buf, size_t size);

#endif
