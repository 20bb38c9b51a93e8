/* Loaded in front of the C library: a kernel that lacks what came late, or a container that hides it.
 *
 * UDP takes no trains of datagrams (before Linux 4.18 and 5.0). What a TUN device takes stands in
 * TEST_OFFLOAD, as the bits of TUNSETOFFLOAD; whatever else is asked of it is refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refused(int error)
{
    errno = error;
    return -1;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (level == SOL_UDP && (name == UDP_SEGMENT || name == UDP_GRO))
        return refused(ENOPROTOOPT);
    return syscall(SYS_setsockopt, fd, level, name, value, len);
}

int ioctl(int fd, unsigned long request, ...)
{
    const char *known = getenv("TEST_OFFLOAD");
    unsigned long argument;
    va_list rest;

    va_start(rest, request);
    argument = va_arg(rest, unsigned long);
    va_end(rest);
    if (request == TUNSETOFFLOAD && (argument & ~(known ? strtoul(known, NULL, 0) : 0)))
        return refused(EINVAL);
    return syscall(SYS_ioctl, fd, request, argument);
}
