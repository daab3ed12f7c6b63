// limit sync: the bare loop of a synchronous store — one record, one fdatasync — in the four ways a file can take it.
//   extend     the file grows with each record
//   unwritten  fallocate first: blocks are there, the extent tree still changes
//   zeroed     written with zeros and synced first: nothing but data changes
//   mapped     the same, copied into a mapping
// And what a program pays whose event loop stays free meanwhile:
//   threads    zeroed; the writer hands over to a second thread, which syncs and wakes it through an eventfd in its
//   epoll
// With turns=N a line of standard input starts each N-th of the messages (bench/turns.mjs).
#include "limit.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

struct loop {
  int fd;
  bool mapped;
  uint8_t *base, *bodies;
  size_t record, next;
  void (*sync)(struct loop*);
  // threads
  pthread_mutex_t mutex;
  pthread_cond_t handed_over;
  bool wanted;
  int woken, epoll;
};

static void sync_here(struct loop* loop) {
  if (fdatasync(loop->fd) != 0) fail("fdatasync: %s", strerror(errno));
}

static void* sync_there(void* argument) {
  struct loop* loop = argument;
  const uint64_t one = 1;
  for (;;) {
    pthread_mutex_lock(&loop->mutex);
    while (!loop->wanted) pthread_cond_wait(&loop->handed_over, &loop->mutex);
    loop->wanted = false;
    pthread_mutex_unlock(&loop->mutex);
    sync_here(loop);
    if (write(loop->woken, &one, sizeof one) != sizeof one) fail("eventfd: %s", strerror(errno));
  }
  return NULL;
}

static void hand_over(struct loop* loop) {
  pthread_mutex_lock(&loop->mutex);
  loop->wanted = true;
  pthread_cond_signal(&loop->handed_over);
  pthread_mutex_unlock(&loop->mutex);
  struct epoll_event event;
  while (epoll_wait(loop->epoll, &event, 1, -1) != 1) {
  }
  uint64_t times;
  if (read(loop->woken, &times, sizeof times) != sizeof times) fail("eventfd: %s", strerror(errno));
}

static void start_thread(struct loop* loop) {
  pthread_mutex_init(&loop->mutex, NULL);
  pthread_cond_init(&loop->handed_over, NULL);
  loop->woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  loop->epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->woken, &event) != 0) fail("epoll: %s", strerror(errno));
  pthread_t thread;  // ends with the process
  pthread_create(&thread, NULL, sync_there, loop);
  loop->sync = hand_over;
}

static void append(struct loop* loop, size_t count) {
  for (size_t end = loop->next + count; loop->next < end; loop->next++) {
    const uint8_t* body = loop->bodies + (loop->next % BODIES) * loop->record;
    if (loop->mapped)
      memcpy(loop->base + loop->next * loop->record, body, loop->record);
    else
      write_all(loop->fd, body, loop->record, (off_t)(loop->next * loop->record));
    loop->sync(loop);
  }
}

static void time_append(struct loop* loop, size_t count) {
  double cpu = cpu_seconds(), started = now();
  append(loop, count);
  double seconds = now() - started;
  print_rate((double)count, seconds, cpu_seconds() - cpu, (double)(count * loop->record));
}

int run_sync(void) {
  const char *dir = option("dir", NULL), *way = option("way", "extend");
  size_t count = (size_t)number("count", 2000), turns = (size_t)number("turns", 0);
  if (dir == NULL) fail("sync needs dir=");
  bool extend = strcmp(way, "extend") == 0, threads = strcmp(way, "threads") == 0;
  struct loop loop = {
      .record = (size_t)number("body", 1024) + 105, .sync = sync_here, .mapped = strcmp(way, "mapped") == 0};
  // There is room for twice the messages, for turns that do not count.
  size_t bytes = 2 * count * loop.record;
  loop.bodies = random_bodies(loop.record);
  loop.fd = create_file(dir, "log", extend ? 0 : bytes);
  if (!extend && posix_fallocate(loop.fd, 0, (off_t)bytes) != 0) fail("posix_fallocate of %zu bytes", bytes);
  if (threads || loop.mapped || strcmp(way, "zeroed") == 0) {
    uint8_t* zeros = calloc(1, MIB);
    for (size_t at = 0; at < bytes; at += MIB)
      write_all(loop.fd, zeros, bytes - at < MIB ? bytes - at : MIB, (off_t)at);
  }
  fsync(loop.fd);
  if (loop.mapped) loop.base = map_file(loop.fd, bytes);
  if (threads) start_thread(&loop);

  if (turns == 0) {
    time_append(&loop, count);
    return 0;
  }
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    if ((loop.next + count / turns) * loop.record > bytes) fail("more turns than there is room for");
    time_append(&loop, count / turns);
    fflush(stdout);
  }
  return 0;
}
