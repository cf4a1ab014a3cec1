/*
 * tests/fakes/notify.c
 *    The listening end of NOTIFY_SOCKET: appends every message to a file, one line "|FIELD|FIELD|" each.
 *
 *    notify SOCKET FILE      until it is killed. No part of the product.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char message[4096];

	if (argc != 3 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 64;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	memcpy(address.sun_path, argv[1], strlen(argv[1]));
	int out = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (out < 0 || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 1;
	for (;;) {
		ssize_t n = recv(fd, message + 1, sizeof(message) - 3, 0);
		if (n < 0)
			return 1;
		for (ssize_t i = 1; i <= n; i++)
			if (message[i] == '\n')
				message[i] = '|';
		message[0] = '|';
		message[n + 1] = '|';
		message[n + 2] = '\n';
		if (write(out, message, (size_t)n + 3) != n + 3)
			return 1;
	}
}
