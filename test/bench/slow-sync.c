/*
 * Preloaded into a process under test: every fsync and fdatasync takes SLOW_SYNC_MS longer, as on a poor card. One byte is
 * added to the file SLOW_SYNC_LOG for each sync that the main thread, and so the event loop, waited for.
 * Built by the bench: gcc -shared -fPIC -O2 -o slow-sync.so slow-sync.c
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int slow(int fd, long number) {
  const char *ms = getenv("SLOW_SYNC_MS"), *log = getenv("SLOW_SYNC_LOG");
  if (log && syscall(SYS_gettid) == getpid()) {
    int out = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0 || syscall(SYS_write, out, "m", 1) != 1) abort(); /* A count with holes would prove nothing. */
    syscall(SYS_close, out);
  }
  usleep((useconds_t)(ms ? atoi(ms) : 50) * 1000);
  return (int)syscall(number, fd);
}
int fsync(int fd) { return slow(fd, SYS_fsync); }
int fdatasync(int fd) { return slow(fd, SYS_fdatasync); }
