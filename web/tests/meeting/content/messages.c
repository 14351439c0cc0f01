/*
 * A conversation by BFCP (RFC 8855; and over TCP, RFC 4582) between a device and a floor control server, both sides in the words of libre: what
 * signalling/src/sip/bfcp/conversation.txt holds, and the node's server has to say byte for byte.
 *
 * A line each: `<version> > <hex>` the device says, `<version> < <hex>` the server says, `<version> = <holder>` the meeting's floor is with.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <re.h>

enum { CONFERENCE = 0x01020304, USER = 9, FLOOR = 5, SOMEBODY = 0xffff, M = BFCP_MANDATORY };

static const uint16_t user = USER, floor_id = FLOOR, somebody = SOMEBODY;

static void say(uint8_t ver, bool server, bool r, enum bfcp_prim prim, uint16_t tid, unsigned attrc, ...)
{
	struct mbuf *mb = mbuf_alloc(128);
	va_list ap;
	size_t i;

	va_start(ap, attrc);
	if (bfcp_msg_vencode(mb, ver, r, prim, CONFERENCE, tid, USER, attrc, &ap))
		fprintf(stderr, "%s is not encoded\n", bfcp_prim_name(prim));
	va_end(ap);
	printf("%u %c ", ver, server ? '<' : '>');
	for (i = 0; i < mb->end; i++)
		printf("%02x", mb->buf[i]);
	printf("\n");
	mem_deref(mb);
}

/* Where floor request `id` of `of` stands: FLOOR-REQUEST-INFORMATION. */
#define INFORMATION(id, status, of)                                                                                                                    \
	M | BFCP_FLOOR_REQ_INFO, 3, (id), M | BFCP_OVERALL_REQ_STATUS, 1, (id), M | BFCP_REQUEST_STATUS, 0, (status), M | BFCP_FLOOR_REQ_STATUS, 0, \
		&floor_id, M | BFCP_BENEFICIARY_INFO, 0, (of)

static void converse(uint8_t ver)
{
	/* Over an unreliable transport answers say that they are, and what the server begins is numbered and acknowledged. */
	const bool r = ver == BFCP_VER2;
	uint16_t notice = 0;
	const uint16_t id = 1, stranger = 3;
	const struct bfcp_reqstatus pending = {BFCP_PENDING, 0}, granted = {BFCP_GRANTED, 0}, released = {BFCP_RELEASED, 0};
	enum bfcp_prim prims[17];
	enum bfcp_attrib attrs[18];
	const struct bfcp_supprim supprim = {prims, ARRAY_SIZE(prims)};
	const struct bfcp_supattr supattr = {attrs, ARRAY_SIZE(attrs)};
	const struct bfcp_errcode nosuch = {BFCP_FLOOR_REQ_ID_NOT_EXIST, NULL, 0};
	unsigned i;

	for (i = 0; i < (unsigned)ARRAY_SIZE(prims); i++)
		prims[i] = i + 1;
	for (i = 0; i < (unsigned)ARRAY_SIZE(attrs); i++)
		attrs[i] = i + 1;

	say(ver, false, false, BFCP_HELLO, 1, 0);
	say(ver, true, r, BFCP_HELLO_ACK, 1, 2, M | BFCP_SUPPORTED_PRIMS, 0, &supprim, M | BFCP_SUPPORTED_ATTRS, 0, &supattr);
	say(ver, false, false, BFCP_FLOOR_QUERY, 2, 1, M | BFCP_FLOOR_ID, 0, &floor_id);
	say(ver, true, r, BFCP_FLOOR_STATUS, 2, 1, M | BFCP_FLOOR_ID, 0, &floor_id);
	say(ver, false, false, BFCP_FLOOR_REQUEST, 3, 1, M | BFCP_FLOOR_ID, 0, &floor_id);
	say(ver, true, r, BFCP_FLOOR_REQUEST_STATUS, 3, 1, INFORMATION(&id, &pending, &user));

	printf("%u = device\n", ver);
	notice += r;
	say(ver, true, false, BFCP_FLOOR_REQUEST_STATUS, notice, 1, INFORMATION(&id, &granted, &user));
	if (r)
		say(ver, false, true, BFCP_FLOOR_REQ_STATUS_ACK, notice, 0);
	notice += r;
	say(ver, true, false, BFCP_FLOOR_STATUS, notice, 2, M | BFCP_FLOOR_ID, 0, &floor_id, INFORMATION(&id, &granted, &user));
	if (r)
		say(ver, false, true, BFCP_FLOOR_STATUS_ACK, notice, 0);

	say(ver, false, false, BFCP_FLOOR_REQUEST_QUERY, 4, 1, M | BFCP_FLOOR_REQUEST_ID, 0, &id);
	say(ver, true, r, BFCP_FLOOR_REQUEST_STATUS, 4, 1, INFORMATION(&id, &granted, &user));
	say(ver, false, false, BFCP_USER_QUERY, 5, 0);
	say(ver, true, r, BFCP_USER_STATUS, 5, 1, INFORMATION(&id, &granted, &user));
	say(ver, false, false, BFCP_FLOOR_RELEASE, 6, 1, M | BFCP_FLOOR_REQUEST_ID, 0, &id);
	say(ver, true, r, BFCP_FLOOR_REQUEST_STATUS, 6, 1, INFORMATION(&id, &released, &user));

	printf("%u = somebody\n", ver);
	notice += r;
	say(ver, true, false, BFCP_FLOOR_STATUS, notice, 2, M | BFCP_FLOOR_ID, 0, &floor_id, INFORMATION(&somebody, &granted, &somebody));
	if (r)
		say(ver, false, true, BFCP_FLOOR_STATUS_ACK, notice, 0);
	say(ver, false, false, BFCP_FLOOR_RELEASE, 7, 1, M | BFCP_FLOOR_REQUEST_ID, 0, &stranger);
	say(ver, true, r, BFCP_ERROR, 7, 1, M | BFCP_ERROR_CODE, 0, &nosuch);
	say(ver, false, false, BFCP_GOODBYE, 8, 0);
	say(ver, true, r, BFCP_GOODBYE_ACK, 8, 0);
}

int main(void)
{
	converse(BFCP_VER1);
	converse(BFCP_VER2);
	return 0;
}
