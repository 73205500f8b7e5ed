/*
 * Wraps the file operations of a process (LD_PRELOAD).
 *
 * The first three apply to files whose names end in .db, .db-wal, .db-shm or .acks:
 * DISK_LOG=path       records each write, truncation and sync, in order, and does not sync. A record is 24 bytes:
 *                     kind 'w', 't' or 's', file 'd', 'l' or 'a', 6 unused, offset, length; then the data.
 *                     The -shm file is not recorded: nothing relies on it after a power cut.
 * DISK_FULL=path      while that file exists, a write that would make a file grow fails with ENOSPC.
 * DISK_READONLY=path  while that file exists, writing and opening for writing fail with EROFS.
 *
 * DISK_KILL=n         kills the process before its nth change of a file in the working directory.
 * DISK_FAIL=n         fails that change, and all later ones, with the error number DISK_ERRNO.
 *
 * DISK_LACKS=what     `hard links`, `locks` or `shared memory`: using them fails with DISK_ERRNO.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int log_fd = -1;
static const char *full_flag, *readonly_flag, *lacking;
static long changes_left = -1;
static int failure;
static char directory[4096];

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("DISK_LOG");
  if (path) log_fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  full_flag = getenv("DISK_FULL");
  readonly_flag = getenv("DISK_READONLY");
  const char *number = getenv("DISK_KILL"), *code = getenv("DISK_ERRNO");
  lacking = getenv("DISK_LACKS");
  if (code) failure = atoi(code);
  if (!number) number = getenv("DISK_FAIL");
  if (number && getcwd(directory, sizeof directory)) changes_left = atol(number);
}

/* Counts a change of the file at `path`. Returns whether it fails. */
static int change(const char *path) {
  if (changes_left <= 0 || strncmp(path, directory, strlen(directory)) != 0) return 0;
  if (changes_left > 1) return changes_left--, 0;
  if (!failure) kill(getpid(), SIGKILL);
  errno = failure;
  return 1;
}

static int lacks(const char *what) {
  if (!lacking || strcmp(lacking, what) != 0) return 0;
  errno = failure;
  return 1;
}

#define FAILS 'x'

static int is_set(const char *flag) {
  return flag && syscall(SYS_faccessat, AT_FDCWD, flag, F_OK) == 0;
}

static int ends(const char *text, size_t length, const char *ending) {
  size_t size = strlen(ending);
  return length >= size && memcmp(text + length - size, ending, size) == 0;
}

/* 'd' database, 'l' write-ahead log, 'm' shared memory, 'a' acknowledgements, 0 another file. */
static char kind_of_path(const char *path, size_t length) {
  if (ends(path, length, ".db")) return 'd';
  if (ends(path, length, ".db-wal")) return 'l';
  if (ends(path, length, ".db-shm")) return 'm';
  return ends(path, length, ".acks") ? 'a' : 0;
}

/* Counts a change of the file `fd`. Returns its kind, or FAILS. */
static char changing(int fd) {
  char link[32] = "/proc/self/fd/", path[4096], digits[12];
  int count = 0;
  unsigned number = (unsigned)fd;
  if (fd < 0) return 0;
  do digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  for (size_t at = strlen(link); count; at++) link[at] = digits[--count];
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return change(path) ? FAILS : kind_of_path(path, length);
}

static void note(char what, char file, int64_t offset, int64_t length, const void *data) {
  if (log_fd < 0 || file == 0 || file == 'm') return;
  char head[24] = {what, file};
  memcpy(head + 8, &offset, 8);
  memcpy(head + 16, &length, 8);
  syscall(SYS_write, log_fd, head, sizeof head);
  for (int64_t done = 0; data && done < length;) {
    ssize_t step = syscall(SYS_write, log_fd, (const char *)data + done, length - done);
    if (step <= 0) abort();
    done += step;
  }
}

static int readonly(char file) {
  if (file == 0 || file == 'a' || !is_set(readonly_flag)) return 0;
  errno = EROFS;
  return 1;
}

static int refused(int fd, char file, int64_t end) {
  struct stat found;
  if (readonly(file)) return 1;
  if (file == 0 || file == 'a' || !is_set(full_flag)) return 0;
  if (fstat(fd, &found) != 0 || end <= found.st_size) return 0;
  errno = ENOSPC;
  return 1;
}

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & (O_CREAT | O_TMPFILE)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if ((flags & O_CREAT) && change(path)) return -1;
  if ((flags & O_ACCMODE) != O_RDONLY && readonly(kind_of_path(path, strlen(path)))) return -1;
  return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) __attribute__((alias("open64")));

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  char file = changing(fd);
  if (file == FAILS) return -1;
  if (refused(fd, file, offset + (int64_t)length)) return -1;
  ssize_t written = syscall(SYS_pwrite64, fd, data, length, offset);
  if (written > 0) note('w', file, offset, written, data);
  return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) __attribute__((alias("pwrite64")));

ssize_t write(int fd, const void *data, size_t length) {
  char file = changing(fd);
  if (file == FAILS) return -1;
  int64_t offset = file ? lseek(fd, 0, SEEK_CUR) : 0;
  if (refused(fd, file, offset + (int64_t)length)) return -1;
  ssize_t written = syscall(SYS_write, fd, data, length);
  if (written > 0) note('w', file, offset, written, data);
  return written;
}

int ftruncate64(int fd, off64_t length) {
  char file = changing(fd);
  if (file == FAILS) return -1;
  if (readonly(file)) return -1;
  /* A hole takes no space. */
  int result = syscall(SYS_ftruncate, fd, length);
  if (result == 0) note('t', file, 0, length, 0);
  return result;
}

int ftruncate(int fd, off_t length) __attribute__((alias("ftruncate64")));

static int sync_file(int fd, long call) {
  char file = changing(fd);
  if (file == FAILS) return -1;
  note('s', file, 0, 0, 0);
  return file && log_fd >= 0 ? 0 : syscall(call, fd);
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }

int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int link(const char *from, const char *to) {
  if (lacks("hard links") || change(to)) return -1;
  return syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path) {
  /* A full disk deletes files. */
  if (change(path) && errno != ENOSPC) return -1;
  return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode) {
  if (change(path)) return -1;
  return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int chmod(const char *path, mode_t mode) {
  if (change(path)) return -1;
  return syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

int fcntl64(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (command == F_SETLK && lacks("locks")) return -1;
  return syscall(SYS_fcntl, fd, command, argument);
}

int fcntl(int fd, int command, ...) __attribute__((alias("fcntl64")));

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  if (fd >= 0 && (flags & MAP_SHARED) && lacks("shared memory")) return MAP_FAILED;
  return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap64")));
