/*
 * tests/fakes/attacks.h
 *    The attacks of tests/fakes/attack.c, and on whom.
 */
#ifndef PGSHOVEL_TESTS_FAKES_ATTACKS_H
#define PGSHOVEL_TESTS_FAKES_ATTACKS_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ATTACK_SECRET "the secret of another set"

struct victim {
	int pid; /* a worker of another set */
	unsigned long address; /* of ATTACK_SECRET in its memory */
	char abstract[64]; /* the name of its socket */
	char folder[256]; /* a folder of the host, with the files "pgpass" and "removable" */
	unsigned port; /* where somebody listens that is not ours */
};

extern struct victim victim;

struct attack {
	const char *name;
	int (*run)(void); /* 0: it worked; else errno */
};

extern const struct attack attacks[];
extern const size_t n_attacks;

int attack_connect_tcp(int protocol, unsigned port);
socklen_t attack_abstract_address(const char *name, struct sockaddr_un *ret);

#endif
