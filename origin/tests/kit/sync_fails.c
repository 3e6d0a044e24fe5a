/* Loaded before libc: while the file named by FAIL_SYNC exists, nothing can be synced to the disk. While the one named by
   HANG_SYNC exists, the disk does not answer. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int exists(const char *variable) {
    const char *file = getenv(variable);
    return file && access(file, F_OK) == 0;
}

static int fails(void) {
    while (exists("HANG_SYNC")) usleep(2000);
    return exists("FAIL_SYNC");
}

int fsync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return (int)syscall(SYS_fdatasync, fd);
}
