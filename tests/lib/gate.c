/*
 * tests/lib/gate.c
 *    A door in a TCP connection, for tests: lets everything through until it is told otherwise.
 *
 *    gate --to HOST:PORT --control FIFO --log FILE
 *
 * Listens on a free port of 127.0.0.1; the first line of FILE is "port N". FIFO exists already; each line written
 * into it is a command, after which FILE has one more line "done COMMAND":
 *    hold      what clients of the present connections send is kept; what they are sent passes
 *    mute      what the servers of the present connections send is thrown away; the other direction passes
 *    cut       the present connections are closed towards the client; held bytes stay, for release
 *    release   held bytes go to the server after all, also those of clients that are gone
 *    open      everything passes again, held bytes first
 *    dark      nothing passes in either direction, and nobody is told: a network that is cut. Also for connections made later
 *    refuse    the present connections are closed, later ones at once
 *    mute-commit   in front of Kafka: the next commit of a transaction goes to the broker, its answer and what follows
 *              on that connection do not come back, "commit" is said
 *    hold-commit   the same, but the commit does not go through: as after "hold", for this connection alone
 * FILE also gets "held N" and "muted N" (bytes so far) as they grow. Connections made later are touched by dark and
 * refuse alone.
 * It ends with its parent. No part of the product.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PAIRS = 256, HELD_MAX = 256 * 1024, CHUNK = 16 * 1024 };
enum { FRAME_HEAD = 6, FRAME_SIZE = 4, KAFKA_END_TXN = 26 };
enum at_commit { PASS_COMMIT, MUTE_COMMIT, HOLD_COMMIT };

struct pair {
	int client; /* -1: gone */
	int server; /* -1: gone */
	bool hold;
	bool mute;
	char *held;
	size_t n_held;
	/* The request that the client is sending, as Kafka frames it: its length, its kind, and how much is to come. */
	unsigned char head[FRAME_HEAD];
	size_t n_head;
	size_t left;
};

static struct pair pairs[MAX_PAIRS];
static size_t n_pairs;
static FILE *said;
static size_t total_held, total_muted;
static bool dark, refuse; /* until "open" */
static enum at_commit at_commit; /* of the next one */

static void say(const char *what, const char *detail)
{
	(void)fprintf(said, "%s %s\n", what, detail);
	(void)fflush(said);
}

static void say_number(const char *what, size_t n)
{
	(void)fprintf(said, "%s %zu\n", what, n);
	(void)fflush(said);
}

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "gate: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void shut(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Blocking: both ends are on this machine and read at once, or are gone. */
static bool put(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static void keep(struct pair *p, const char *data, size_t len)
{
	if (!p->held)
		p->held = malloc(HELD_MAX);
	if (!p->held || p->n_held + len > HELD_MAX)
		die("too much is held");
	memcpy(p->held + p->n_held, data, len);
	p->n_held += len;
	total_held += len;
	say_number("held", total_held);
}

static void release(struct pair *p)
{
	if (p->n_held > 0 && p->server >= 0)
		(void)put(p->server, p->held, p->n_held); /* the server may have hung up */
	p->n_held = 0;
}

/* How much of the data comes before the end of a commit's head; all of it when there is none. */
static size_t find_commit(struct pair *p, const char *data, size_t len, bool *found)
{
	size_t i = 0;

	*found = false;
	while (i < len && !*found) {
		if (p->left > 0) {
			size_t n = p->left < len - i ? p->left : len - i;
			p->left -= n;
			i += n;
			continue;
		}
		p->head[p->n_head++] = (unsigned char)data[i++];
		if (p->n_head < FRAME_HEAD)
			continue;
		size_t size = (size_t)p->head[0] << 24 | (size_t)p->head[1] << 16 |
			      (size_t)p->head[2] << 8 | p->head[3];
		p->left = size > FRAME_HEAD - FRAME_SIZE ? size - (FRAME_HEAD - FRAME_SIZE) : 0;
		p->n_head = 0;
		*found = p->head[4] == 0 && p->head[5] == KAFKA_END_TXN;
	}
	return i;
}

/* False: the server is gone. */
static bool pass_on(struct pair *p, const char *data, size_t len)
{
	while (len > 0) {
		bool found;
		size_t n = find_commit(p, data, len, &found);
		if (p->hold)
			keep(p, data, n);
		else if (!put(p->server, data, n))
			return false;
		data += n;
		len -= n;
		if (!found || at_commit == PASS_COMMIT)
			continue;
		p->mute = true;
		p->hold = at_commit == HOLD_COMMIT;
		at_commit = PASS_COMMIT;
		say("commit", p->hold ? "held" : "muted");
	}
	return true;
}

static void from_client(struct pair *p)
{
	char data[CHUNK];
	ssize_t n = recv(p->client, data, sizeof(data), 0);

	if (n <= 0) {
		shut(&p->client);
		if (!p->hold)
			shut(&p->server);
	} else if (!pass_on(p, data, (size_t)n)) {
		shut(&p->client);
		shut(&p->server);
	}
}

static void from_server(struct pair *p)
{
	char data[CHUNK];
	ssize_t n = recv(p->server, data, sizeof(data), 0);

	if (n <= 0) {
		shut(&p->client);
		shut(&p->server);
	} else if (p->mute) {
		total_muted += (size_t)n;
		say_number("muted", total_muted);
	} else if (p->client >= 0 && !put(p->client, data, (size_t)n)) {
		shut(&p->client);
	}
}

static void command(const char *word)
{
	if (strcmp(word, "dark") == 0)
		dark = true;
	else if (strcmp(word, "refuse") == 0)
		refuse = true;
	else if (strcmp(word, "mute-commit") == 0)
		at_commit = MUTE_COMMIT;
	else if (strcmp(word, "hold-commit") == 0)
		at_commit = HOLD_COMMIT;
	else if (strcmp(word, "open") == 0)
		dark = refuse = false;
	for (size_t i = 0; i < n_pairs; i++) {
		struct pair *p = &pairs[i];
		if (strcmp(word, "hold") == 0)
			p->hold = true;
		else if (strcmp(word, "mute") == 0)
			p->mute = true;
		else if (strcmp(word, "release") == 0)
			release(p);
		else if (strcmp(word, "open") == 0) {
			release(p);
			p->hold = p->mute = false;
		} else if (strcmp(word, "cut") == 0) {
			shut(&p->client);
			if (!p->hold)
				shut(&p->server);
		} else if (strcmp(word, "refuse") == 0) {
			shut(&p->client);
			shut(&p->server);
		}
	}
	say("done", word);
}

static void read_commands(int fd)
{
	static char line[256];
	static size_t len;
	ssize_t n = read(fd, line + len, sizeof(line) - 1 - len);

	if (n <= 0)
		return;
	len += (size_t)n;
	line[len] = '\0';
	for (char *end; (end = strchr(line, '\n')) != NULL;) {
		*end = '\0';
		command(line);
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
}

static int connect_to(const struct sockaddr_in *to)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
		shut(&fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void accept_one(int listener, const struct sockaddr_in *to)
{
	int on = 1, client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0)
		return;
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	int server = n_pairs < MAX_PAIRS && !refuse ? connect_to(to) : -1;
	if (server < 0)
		shut(&client);
	else
		pairs[n_pairs++] = (struct pair){ .client = client, .server = server };
}

static void forget_closed(void)
{
	size_t n = 0;

	for (size_t i = 0; i < n_pairs; i++) {
		if (pairs[i].client < 0 && pairs[i].server < 0)
			free(pairs[i].held);
		else
			pairs[n++] = pairs[i];
	}
	n_pairs = n;
}

static void turn(int listener, int control, const struct sockaddr_in *to)
{
	static struct pollfd fds[2 + 2 * MAX_PAIRS];
	size_t n = n_pairs;

	fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = control, .events = POLLIN };
	for (size_t i = 0; i < n; i++) {
		fds[2 + 2 * i] =
			(struct pollfd){ .fd = dark ? -1 : pairs[i].client, .events = POLLIN };
		fds[3 + 2 * i] =
			(struct pollfd){ .fd = dark ? -1 : pairs[i].server, .events = POLLIN };
	}
	if (poll(fds, 2 + 2 * n, -1) < 0)
		return;
	/* A command first: what came at the same time is already under it. */
	if (fds[1].revents)
		read_commands(control);
	for (size_t i = 0; i < n && !dark; i++) {
		if (fds[2 + 2 * i].revents && pairs[i].client >= 0)
			from_client(&pairs[i]);
		if (fds[3 + 2 * i].revents && pairs[i].server >= 0)
			from_server(&pairs[i]);
	}
	forget_closed();
	if (fds[0].revents)
		accept_one(listener, to);
}

static struct sockaddr_in parse_address(char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char *colon = strrchr(text, ':');

	if (!colon)
		die("--to HOST:PORT");
	*colon = '\0';
	a.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		die("--to wants a numeric address");
	return a;
}

int main(int argc, char **argv)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(own);

	if (argc != 7)
		die("gate --to HOST:PORT --control FIFO --log FILE");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves nothing behind */
	struct sockaddr_in to = parse_address(argv[2]);
	int control = open(argv[4], O_RDWR | O_CLOEXEC);
	said = fopen(argv[6], "we");
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (control < 0 || !said || listener < 0 ||
	    bind(listener, (struct sockaddr *)&own, sizeof(own)) < 0 || listen(listener, 16) < 0 ||
	    getsockname(listener, (struct sockaddr *)&own, &len) < 0)
		die("could not begin");
	say_number("port", ntohs(own.sin_port));
	for (;;)
		turn(listener, control, &to);
}
