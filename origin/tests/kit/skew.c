/* Loaded before libc: shifts the clocks by the milliseconds in the file named by SKEW, two 64-bit numbers: wall, monotonic. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t none[2];
static volatile int64_t *skew;

static volatile int64_t *shifts(void) {
    if (!skew) {
        const char *file = getenv("SKEW");
        int fd = file ? open(file, O_RDONLY) : -1;
        void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
        skew = mapped == MAP_FAILED ? none : mapped;
    }
    return skew;
}

int clock_gettime(clockid_t id, struct timespec *time) {
    int failed = (int)syscall(SYS_clock_gettime, id, time);
    int is_wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    int is_monotonic = id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE;
    if (!failed && (is_wall || is_monotonic)) {
        int64_t shift = shifts()[is_wall ? 0 : 1];
        int64_t nanos = time->tv_nsec + shift % 1000 * 1000000;
        time->tv_sec += shift / 1000 + (nanos < 0 ? -1 : nanos / 1000000000);
        time->tv_nsec = (nanos + 1000000000) % 1000000000;
    }
    return failed;
}
