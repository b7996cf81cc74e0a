/*
 * Preloaded into the process under test: writes down, in one order, what reaches *.db, *.db-wal and *.db-tail (writes,
 * truncations, removals), when a sync of them began and ended, and the application's marks (what it writes to *.marks). Syncs are not
 * passed on, for speed; they take a moment, so that writes fall between their begin and end as on a real card.
 * POWER_CUT_LOG names the log, POWER_CUT_SYNC_US says how long a sync may take. Record: op, file, u64 offset or sync number, u64 length, bytes (test/power-cut/replay.ts).
 * Built by the test: gcc -shared -fPIC -O2 -o recorder.so recorder.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { DATABASE = 0, LOG = 1, TAIL = 2, MARKS = 3, OTHER = 4 };

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static int based[3];
static uint64_t syncs;

static int ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static int file_of_path(const char *path) {
  if (ends_with(path, ".db")) return DATABASE;
  if (ends_with(path, ".db-wal")) return LOG;
  if (ends_with(path, ".db-tail")) return TAIL;
  if (ends_with(path, ".marks")) return MARKS;
  return OTHER;
}

/* The name a descriptor was opened under, as it is now; empty when it has none. */
static void path_of(int fd, char path[4096]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, 4095);
  path[length > 0 ? length : 0] = 0;
}

static int file_of(int fd) {
  char path[4096];
  path_of(fd, path);
  return file_of_path(path);
}

static void put(const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t done = syscall(SYS_write, log_fd, at, length);
    if (done <= 0) abort(); /* A log with a hole would prove nothing. */
    at += done;
    length -= (size_t)done;
  }
}

static void note(char op, int file, uint64_t offset, const void *bytes, uint64_t length) {
  unsigned char head[18];
  if (log_fd < 0) {
    const char *path = getenv("POWER_CUT_LOG");
    if (!path) abort();
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) abort();
  }
  head[0] = (unsigned char)op;
  head[1] = (unsigned char)file;
  memcpy(head + 2, &offset, 8);
  memcpy(head + 10, &length, 8);
  put(head, sizeof head);
  if (bytes && length) put(bytes, length);
}

/* What the file held before we first saw it written: taken as durable. Read by the same descriptor, because closing another one would drop SQLite's locks. */
static void base(int fd, int file) {
  struct stat state;
  if (based[file]) return;
  based[file] = 1;
  if (file == LOG && !based[DATABASE]) {
    /* The database exists before its log is written. The descriptor is left open on purpose: see above. */
    char path[4096];
    path_of(fd, path);
    path[strlen(path) - strlen("-wal")] = 0;
    int database = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (database < 0) abort();
    base(database, DATABASE);
  }
  if (fstat(fd, &state) != 0) abort();
  char *bytes = malloc((size_t)state.st_size + 1);
  if (!bytes || pread(fd, bytes, (size_t)state.st_size, 0) != state.st_size) abort();
  note('B', file, 0, bytes, (uint64_t)state.st_size);
  free(bytes);
}

static ssize_t record_write(int fd, const void *bytes, size_t length, off64_t offset) {
  int file = file_of(fd);
  if (file > TAIL) return syscall(SYS_pwrite64, fd, bytes, length, offset);
  pthread_mutex_lock(&order);
  base(fd, file);
  ssize_t done = syscall(SYS_pwrite64, fd, bytes, length, offset);
  if (done > 0) note('W', file, (uint64_t)offset, bytes, (uint64_t)done);
  pthread_mutex_unlock(&order);
  return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return record_write(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return record_write(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
  if (file_of(fd) != MARKS) return syscall(SYS_write, fd, bytes, length);
  pthread_mutex_lock(&order);
  ssize_t done = syscall(SYS_write, fd, bytes, length);
  if (done > 0) note('M', MARKS, 0, bytes, (uint64_t)done);
  pthread_mutex_unlock(&order);
  return done;
}

static int record_truncate(int fd, off64_t length) {
  int file = file_of(fd);
  if (file > TAIL) return (int)syscall(SYS_ftruncate, fd, length);
  pthread_mutex_lock(&order);
  base(fd, file);
  int result = (int)syscall(SYS_ftruncate, fd, length);
  if (result == 0) note('T', file, (uint64_t)length, NULL, 0);
  pthread_mutex_unlock(&order);
  return result;
}
int ftruncate(int fd, off_t length) { return record_truncate(fd, length); }
int ftruncate64(int fd, off64_t length) { return record_truncate(fd, length); }

static int record_sync(int fd, long number) {
  int file = file_of(fd);
  if (file > TAIL) return (int)syscall(number, fd);
  pthread_mutex_lock(&order);
  base(fd, file);
  uint64_t sync = ++syncs;
  note('S', file, sync, NULL, 0);
  pthread_mutex_unlock(&order);
  const char *longest = getenv("POWER_CUT_SYNC_US");
  usleep(300 + (useconds_t)(sync * 7919 % (uint64_t)(longest ? atoi(longest) : 2000)));
  pthread_mutex_lock(&order);
  note('E', file, sync, NULL, 0);
  pthread_mutex_unlock(&order);
  return 0;
}
int fsync(int fd) { return record_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return record_sync(fd, SYS_fdatasync); }

int unlink(const char *path) {
  int file = file_of_path(path);
  if (file > TAIL) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  pthread_mutex_lock(&order);
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (result == 0) note('U', file, 0, NULL, 0);
  pthread_mutex_unlock(&order);
  return result;
}
