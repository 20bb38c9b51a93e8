/* Loaded in front of the C library: other clocks for one process.
 *
 * By how many seconds they are fast stands as two numbers of eight bytes in the file that
 * TEST_CLOCK names, and may change at any time: first the wall clock's, which can be set,
 * then that of the clock that counts from boot, which goes on while a computer sleeps. The
 * file is mapped at the start, before the program gives up the right to open files. The
 * clock that stands still meanwhile is left alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TIMERS 16

static volatile int64_t *fast;

/* Timers on these clocks, and what they were set to: the kernel would bring them forward
 * when its clock is set or was asleep, so this has to. */
static struct {
    int fd, flags;
    clockid_t clock;
    struct itimerspec set;
} timers[TIMERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is_ours(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME; }

static int64_t by(clockid_t clock)
{
    return fast && is_ours(clock) ? fast[clock == CLOCK_BOOTTIME] : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0)
        now->tv_sec += by(clock);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}

/* With the lock held. */
static int arm(int i, int flags, const struct itimerspec *set, struct itimerspec *old)
{
    struct itimerspec real = *set;
    if ((flags & TFD_TIMER_ABSTIME) && (set->it_value.tv_sec || set->it_value.tv_nsec)) {
        real.it_value.tv_sec -= by(timers[i].clock);
        if (real.it_value.tv_sec <= 0)
            real.it_value = (struct timespec){0, 1};
    }
    return syscall(SYS_timerfd_settime, timers[i].fd, flags, &real, old);
}

int timerfd_create(clockid_t clock, int flags)
{
    int fd = syscall(SYS_timerfd_create, clock, flags);
    pthread_mutex_lock(&lock);
    /* Its number may be that of one that was closed, on another clock. */
    for (int i = 0; fd >= 0 && i < TIMERS; i++)
        if (timers[i].fd == fd)
            timers[i].fd = 0;
    for (int i = 0; fd >= 0 && is_ours(clock) && i < TIMERS; i++)
        if (!timers[i].fd) {
            timers[i].fd = fd;
            timers[i].clock = clock;
            timers[i].set = (struct itimerspec){0};
            break;
        }
    pthread_mutex_unlock(&lock);
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *set, struct itimerspec *old)
{
    int result = -1, i = 0;
    pthread_mutex_lock(&lock);
    while (i < TIMERS && timers[i].fd != fd)
        i++;
    if (i < TIMERS) {
        timers[i].flags = flags;
        timers[i].set = *set;
        result = arm(i, flags, set, old);
    } else {
        result = syscall(SYS_timerfd_settime, fd, flags, set, old);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static void *follow(void *unused)
{
    int64_t wall = by(CLOCK_REALTIME), boot = by(CLOCK_BOOTTIME);
    (void)unused;
    for (;;) {
        struct timespec pause = {0, 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
        if (by(CLOCK_REALTIME) == wall && by(CLOCK_BOOTTIME) == boot)
            continue;
        wall = by(CLOCK_REALTIME);
        boot = by(CLOCK_BOOTTIME);
        pthread_mutex_lock(&lock);
        for (int i = 0; i < TIMERS; i++)
            if (timers[i].fd && (timers[i].flags & TFD_TIMER_ABSTIME) && timers[i].set.it_value.tv_sec)
                arm(i, timers[i].flags, &timers[i].set, NULL);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof *fast, PROT_READ, MAP_SHARED, fd, 0);
    pthread_t thread;
    sigset_t all, before;
    if (map == MAP_FAILED)
        abort();
    fast = map;
    close(fd);
    /* Signals are the program's: one that it holds back must not come in here. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_create(&thread, NULL, follow, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
