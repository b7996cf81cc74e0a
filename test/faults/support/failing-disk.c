/*
 * Preloaded into a process under test: a disk that fails. Counts what is done to files whose path holds "cellgate.db"
 * (writes, truncations, syncs), in the order of the calls, and fails some of them; and makes syncs slow.
 *   DISK_FAIL_AT      number of the first call to fail, from 1; absent: none
 *   DISK_FAIL_MS      all calls fail from there on for so long (default 0: that one alone)
 *   DISK_FAIL_ERRNO   with what (a number)
 *   DISK_FAIL_ONLY    "write" or "sync": counts only those; default both
 *   DISK_COUNT        file that gets the number of calls so far (decimal, rewritten), and a line "failed" for each failed call in DISK_COUNT.failed
 *   DISK_SYNC_MS_MIN, DISK_SYNC_MS_MAX   a sync takes so long (drawn from the call's number)
 * A failed call has done nothing. Built by the harness: gcc -shared -fPIC -O2 -o failing-disk.so failing-disk.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static _Atomic long calls;
static _Atomic long failing_until_ms;

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long number_of(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

static int is_ours(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strstr(path, "cellgate.db") != NULL && strstr(path, "-shm") == NULL;
}

static void put(const char *suffix, int flags, const char *text) {
  const char *base = getenv("DISK_COUNT");
  char path[4096];
  if (!base) return;
  snprintf(path, sizeof path, "%s%s", base, suffix);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
  if (fd < 0 || syscall(SYS_write, fd, text, strlen(text)) < 0) abort(); /* A count with holes would prove nothing. */
  syscall(SYS_close, fd);
}

/* True when this call must fail; errno is set then. */
static int fails(int fd, const char *kind) {
  const char *only = getenv("DISK_FAIL_ONLY");
  if ((only && strcmp(only, kind) != 0) || !is_ours(fd)) return 0;
  long number = atomic_fetch_add(&calls, 1) + 1;
  char text[64];
  snprintf(text, sizeof text, "%ld", number);
  put("", O_TRUNC, text);
  long first = number_of("DISK_FAIL_AT", 0);
  if (first == 0 || number < first) return 0;
  if (number == first) atomic_store(&failing_until_ms, now_ms() + number_of("DISK_FAIL_MS", 0));
  else if (now_ms() >= atomic_load(&failing_until_ms)) return 0;
  snprintf(text, sizeof text, "%ld %s\n", number, kind);
  put(".failed", O_APPEND, text);
  errno = (int)number_of("DISK_FAIL_ERRNO", EIO);
  return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return fails(fd, "write") ? -1 : syscall(SYS_pwrite64, fd, bytes, length, offset); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }
int ftruncate64(int fd, off64_t length) { return fails(fd, "write") ? -1 : (int)syscall(SYS_ftruncate, fd, length); }
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_of(int fd, long call) {
  long shortest = number_of("DISK_SYNC_MS_MIN", 0), longest = number_of("DISK_SYNC_MS_MAX", 0);
  if (longest > 0 && is_ours(fd)) usleep((useconds_t)((shortest + atomic_load(&calls) * 7919 % (longest - shortest + 1)) * 1000));
  return fails(fd, "sync") ? -1 : (int)syscall(call, fd);
}
int fsync(int fd) { return sync_of(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_of(fd, SYS_fdatasync); }
