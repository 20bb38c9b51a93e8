/* Loaded in front of the C library: a disk that may stop answering.
 *
 * Whether it has stopped stands in the first byte of the file that TEST_DISK names, which
 * is mapped at the start, before the program gives up the right to open files.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile char *stopped;

static void wait_for_it(void)
{
    struct timespec pause = {0, 10 * 1000 * 1000};
    while (stopped && *stopped)
        nanosleep(&pause, NULL);
}

int fsync(int fd)
{
    wait_for_it();
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    wait_for_it();
    return syscall(SYS_fdatasync, fd);
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("TEST_DISK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    stopped = map;
    close(fd);
}
