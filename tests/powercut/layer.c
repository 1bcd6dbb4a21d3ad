/* A file layer under the server (LD_PRELOAD): writes down every write, sync, truncation and removal of the store's
 * files, so that the disk after a power cut at any moment can be made, and fails them on demand.
 *
 * LAYER_LOG    the journal; records of `struct record`, each followed by its data
 * LAYER_FAULT  a file whose first byte says what fails: F disk full, W writes, S syncs, D syncs of the database alone
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES = 4096 };
enum { NONE, DATABASE, LOG };

struct __attribute__((packed)) record {
  char what; /* W write, S sync, T truncation to `at`, U removal */
  uint8_t file;
  uint64_t at;
  uint32_t length;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static uint8_t files[FILES];
static int journal = -1, fault = -1;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("LAYER_LOG");
  if (name) journal = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  name = getenv("LAYER_FAULT");
  if (name) fault = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
}

static uint8_t kind(const char *path) {
  size_t length = strlen(path);
  if (length >= 11 && !strcmp(path + length - 11, "beam-mcp.db")) return DATABASE;
  if (length >= 15 && !strcmp(path + length - 15, "beam-mcp.db-wal")) return LOG;
  return NONE;
}

static uint8_t kind_of(int fd) { return fd >= 0 && fd < FILES ? files[fd] : NONE; }

static int fails(uint8_t file, int syncing) {
  char what = 0;
  if (fault < 0 || syscall(SYS_pread64, fault, &what, 1, 0) != 1) return 0;
  if (!syncing) return what == 'F' ? ENOSPC : what == 'W' ? EIO : 0;
  return what == 'S' || (what == 'D' && file == DATABASE) ? EIO : 0;
}

static void note(char what, uint8_t file, uint64_t at, const void *data, uint32_t length) {
  if (journal < 0) return;
  struct record head = {what, file, at, length};
  if (syscall(SYS_write, journal, &head, sizeof head) != sizeof head) abort();
  if (length && syscall(SYS_write, journal, data, length) != (long)length) abort();
}

static int opened(int fd, const char *path) {
  if (fd >= 0 && fd < FILES) files[fd] = kind(path);
  return fd;
}

#define OPEN(NAME)                                                             \
  int NAME(const char *path, int flags, ...) {                                 \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    int mode = va_arg(rest, int);                                              \
    va_end(rest);                                                              \
    return opened(syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);     \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME)                                                           \
  int NAME(int folder, const char *path, int flags, ...) {                     \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    int mode = va_arg(rest, int);                                              \
    va_end(rest);                                                              \
    return opened(syscall(SYS_openat, folder, path, flags, mode), path);       \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  if (fd >= 0 && fd < FILES) files[fd] = NONE;
  return syscall(SYS_close, fd);
}

static ssize_t put(int fd, const void *data, size_t length, off_t at, int placed) {
  uint8_t file = kind_of(fd);
  if (!file) return placed ? syscall(SYS_pwrite64, fd, data, length, at) : syscall(SYS_write, fd, data, length);
  pthread_mutex_lock(&turn);
  if (!placed) at = syscall(SYS_lseek, fd, 0, SEEK_CUR);
  ssize_t written = -1;
  int error = fails(file, 0);
  if (error) errno = error;
  else written = placed ? syscall(SYS_pwrite64, fd, data, length, at) : syscall(SYS_write, fd, data, length);
  if (written > 0) note('W', file, at, data, written);
  pthread_mutex_unlock(&turn);
  return written;
}

ssize_t write(int fd, const void *data, size_t length) { return put(fd, data, length, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return put(fd, data, length, at, 1); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return put(fd, data, length, at, 1); }

static int sync_file(int fd, long call) {
  uint8_t file = kind_of(fd);
  if (!file) return syscall(call, fd);
  pthread_mutex_lock(&turn);
  int error = fails(file, 1), result = -1;
  if (error) errno = error;
  else result = syscall(call, fd);
  if (!result) note('S', file, 0, NULL, 0);
  pthread_mutex_unlock(&turn);
  return result;
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

static int cut(int fd, off_t length) {
  uint8_t file = kind_of(fd);
  pthread_mutex_lock(&turn);
  int result = syscall(SYS_ftruncate, fd, length);
  if (file && !result) note('T', file, length, NULL, 0);
  pthread_mutex_unlock(&turn);
  return result;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

int unlink(const char *path) {
  pthread_mutex_lock(&turn);
  int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (!result && kind(path)) note('U', kind(path), 0, NULL, 0);
  pthread_mutex_unlock(&turn);
  return result;
}
