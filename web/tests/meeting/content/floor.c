/*
 * A floor participant (RFC 8855) by libre, whose BFCP is not ours: what a room system says of its content.
 *
 *   floor udp|tcp ADDRESS PORT CONFERENCE USER FLOOR
 *
 * Takes words from standard input, a line each: hello, query, request, release, goodbye. Tells of every message that comes in a line: its primitive,
 * and of a floor request its status, of an error its code. Over UDP the library sends again and acknowledges, over TCP its messages are sent and
 * read as they are. Ends with its input.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <re.h>

enum { HEADER_BYTES = 12, MESSAGE_BYTES_MAX = 1024 };

static struct {
	bool tcp;
	struct sa server;
	uint32_t conference;
	uint16_t user;
	uint16_t floor;
	uint16_t request;     /* the floor request that was answered last */
	struct bfcp_conn *conn;
	int sock;
	uint16_t transaction; /* over TCP the library numbers nothing */
	uint8_t held[MESSAGE_BYTES_MAX];
	size_t held_bytes;
} device;

static void fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err));
	exit(1);
}

static void tell(const struct bfcp_msg *msg)
{
	const struct bfcp_attr *info = bfcp_msg_attr(msg, BFCP_FLOOR_REQ_INFO);
	const struct bfcp_attr *overall = info ? bfcp_attr_subattr(info, BFCP_OVERALL_REQ_STATUS) : NULL;
	const struct bfcp_attr *status = overall ? bfcp_attr_subattr(overall, BFCP_REQUEST_STATUS) : NULL;
	const struct bfcp_attr *of = info ? bfcp_attr_subattr(info, BFCP_BENEFICIARY_INFO) : NULL;
	const struct bfcp_attr *error = bfcp_msg_attr(msg, BFCP_ERROR_CODE);

	printf("%s", bfcp_prim_name(msg->prim));
	if (status)
		printf(" %s", bfcp_reqstatus_name(status->v.reqstatus.status));
	if (of)
		printf(" %s", of->v.u16 == device.user ? "own" : "other");
	if (error)
		printf(" %d", error->v.errcode.code);
	printf("\n");
	fflush(stdout);

	if (msg->prim == BFCP_FLOOR_REQUEST_STATUS && info)
		device.request = info->v.u16;
}

static void answered(int err, const struct bfcp_msg *msg, void *arg)
{
	(void)arg;
	if (err)
		fail("no answer", err);
	tell(msg);
}

static void notified(const struct bfcp_msg *msg, void *arg)
{
	(void)arg;
	tell(msg);
	if (msg->prim == BFCP_FLOOR_REQUEST_STATUS)
		(void)bfcp_reply(device.conn, msg, BFCP_FLOOR_REQ_STATUS_ACK, 0);
	else if (msg->prim == BFCP_FLOOR_STATUS)
		(void)bfcp_reply(device.conn, msg, BFCP_FLOOR_STATUS_ACK, 0);
}

/* Says `prim`, with one number when `attribute` is not 0. */
static void say(enum bfcp_prim prim, unsigned attribute, uint16_t number)
{
	const unsigned attributes = attribute ? 1 : 0;
	int err;

	if (!device.tcp) {
		err = bfcp_request(device.conn, &device.server, BFCP_VER2, prim, device.conference, device.user, answered,
				   NULL, attributes, BFCP_MANDATORY | attribute, 0, &number);
	} else {
		struct mbuf *mb = mbuf_alloc(64);

		err = bfcp_msg_encode(mb, BFCP_VER1, false, prim, device.conference, ++device.transaction, device.user,
				      attributes, BFCP_MANDATORY | attribute, 0, &number);
		if (!err && send(device.sock, mb->buf, mb->end, MSG_NOSIGNAL) != (ssize_t)mb->end)
			err = EPIPE;
		mem_deref(mb);
	}
	if (err)
		fail("cannot be said", err);
}

static void stream_read(int flags, void *arg)
{
	const ssize_t bytes = recv(device.sock, device.held + device.held_bytes, sizeof(device.held) - device.held_bytes, 0);

	(void)flags;
	(void)arg;
	if (bytes <= 0) {
		printf("closed\n");
		fflush(stdout);
		fd_close(device.sock);
		return;
	}
	device.held_bytes += bytes;
	while (device.held_bytes >= HEADER_BYTES) {
		const size_t whole = HEADER_BYTES + 4 * (device.held[2] << 8 | device.held[3]);
		struct bfcp_msg *msg = NULL;
		struct mbuf mb;
		int err;

		if (device.held_bytes < whole)
			return;
		mbuf_init(&mb);
		mb.buf = device.held;
		mb.size = mb.end = whole;
		err = bfcp_msg_decode(&msg, &mb);
		if (err)
			fail("not understood", err);
		tell(msg);
		mem_deref(msg);
		device.held_bytes -= whole;
		memmove(device.held, device.held + whole, device.held_bytes);
	}
}

static void words_read(int flags, void *arg)
{
	char line[64];

	(void)flags;
	(void)arg;
	if (!fgets(line, sizeof(line), stdin)) {
		re_cancel();
		return;
	}
	line[strcspn(line, "\n")] = '\0';
	if (!strcmp(line, "hello"))
		say(BFCP_HELLO, 0, 0);
	else if (!strcmp(line, "query"))
		say(BFCP_FLOOR_QUERY, BFCP_FLOOR_ID, device.floor);
	else if (!strcmp(line, "request"))
		say(BFCP_FLOOR_REQUEST, BFCP_FLOOR_ID, device.floor);
	else if (!strcmp(line, "release"))
		say(BFCP_FLOOR_RELEASE, BFCP_FLOOR_REQUEST_ID, device.request);
	else if (!strcmp(line, "goodbye"))
		say(BFCP_GOODBYE, 0, 0);
	else
		fail(line, EINVAL);
}

int main(int argc, char *argv[])
{
	struct sa local;
	int err;

	if (argc != 7) {
		fprintf(stderr, "usage: floor udp|tcp ADDRESS PORT CONFERENCE USER FLOOR\n");
		return 2;
	}
	/* A line at a time, or what is buffered is not seen to be there. */
	setvbuf(stdin, NULL, _IONBF, 0);
	device.tcp = !strcmp(argv[1], "tcp");
	device.conference = strtoul(argv[4], NULL, 10);
	device.user = strtoul(argv[5], NULL, 10);
	device.floor = strtoul(argv[6], NULL, 10);
	err = libre_init();
	if (!err)
		err = sa_set_str(&device.server, argv[2], strtoul(argv[3], NULL, 10));
	if (!err && device.tcp) {
		device.sock = socket(sa_af(&device.server), SOCK_STREAM, 0);
		if (connect(device.sock, &device.server.u.sa, device.server.len))
			err = errno;
		else
			err = fd_listen(device.sock, FD_READ, stream_read, NULL);
	} else if (!err) {
		err = sa_set_str(&local, argv[2], 0);
		if (!err)
			err = bfcp_listen(&device.conn, BFCP_UDP, &local, NULL, notified, NULL);
	}
	if (!err)
		err = fd_listen(STDIN_FILENO, FD_READ, words_read, NULL);
	if (err)
		fail("cannot begin", err);
	err = re_main(NULL);
	fd_close(STDIN_FILENO);
	mem_deref(device.conn);
	libre_close();
	return err ? 1 : 0;
}
