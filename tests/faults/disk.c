/*
 * Stands between a process and its disk (LD_PRELOAD), for files whose names end in .db, .db-wal, .db-shm and .acks.
 *
 * DISK_LOG=path  writes down each write, truncation and sync of them, in order, and syncs nothing in truth. A
 *                record is 24 bytes: kind 'w', 't' or 's', file 'd', 'l' or 'a', 6 unused, offset, length;
 *                then what was written. The -shm file is no part of it: nobody relies on it after a power cut.
 * DISK_FULL=path as long as that file exists nothing that is written makes a file grow: ENOSPC.
 * DISK_READONLY=path as long as that file exists nothing is written, nor opened to be written: EROFS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int log_fd = -1;
static const char *full_flag, *readonly_flag;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("DISK_LOG");
  if (path) log_fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  full_flag = getenv("DISK_FULL");
  readonly_flag = getenv("DISK_READONLY");
}

static int is_set(const char *flag) {
  return flag && syscall(SYS_faccessat, AT_FDCWD, flag, F_OK) == 0;
}

static int ends(const char *text, size_t length, const char *ending) {
  size_t size = strlen(ending);
  return length >= size && memcmp(text + length - size, ending, size) == 0;
}

/* 'd' database, 'l' its log, 'm' its shared memory, 'a' what was acknowledged, 0 anything else. */
static char kind_of_path(const char *path, size_t length) {
  if (ends(path, length, ".db")) return 'd';
  if (ends(path, length, ".db-wal")) return 'l';
  if (ends(path, length, ".db-shm")) return 'm';
  return ends(path, length, ".acks") ? 'a' : 0;
}

static char kind_of(int fd) {
  char link[32] = "/proc/self/fd/", path[4096], digits[12];
  int count = 0;
  unsigned number = (unsigned)fd;
  if (fd < 0) return 0;
  do digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  for (size_t at = strlen(link); count; at++) link[at] = digits[--count];
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path);
  return length < 0 ? 0 : kind_of_path(path, length);
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
  if ((flags & O_ACCMODE) != O_RDONLY && readonly(kind_of_path(path, strlen(path)))) return -1;
  return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) __attribute__((alias("open64")));

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  char file = kind_of(fd);
  if (refused(fd, file, offset + (int64_t)length)) return -1;
  ssize_t written = syscall(SYS_pwrite64, fd, data, length, offset);
  if (written > 0) note('w', file, offset, written, data);
  return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
  char file = kind_of(fd);
  int64_t offset = file ? lseek(fd, 0, SEEK_CUR) : 0;
  if (refused(fd, file, offset + (int64_t)length)) return -1;
  ssize_t written = syscall(SYS_write, fd, data, length);
  if (written > 0) note('w', file, offset, written, data);
  return written;
}

int ftruncate64(int fd, off64_t length) {
  if (readonly(kind_of(fd))) return -1;
  /* A hole needs no room. */
  int result = syscall(SYS_ftruncate, fd, length);
  if (result == 0) note('t', kind_of(fd), 0, length, 0);
  return result;
}

int ftruncate(int fd, off_t length) {
  return ftruncate64(fd, length);
}

int fsync(int fd) {
  char file = kind_of(fd);
  note('s', file, 0, 0, 0);
  return file && log_fd >= 0 ? 0 : syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  char file = kind_of(fd);
  note('s', file, 0, 0, 0);
  return file && log_fd >= 0 ? 0 : syscall(SYS_fdatasync, fd);
}
