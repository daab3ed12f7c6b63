// limit send, receive: a file's bytes over TCP to another process, by sendfile or by sendmsg from a mapping.
#include "limit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { HEAD = 100, RECORDS = 32, QUEUES = 4 };

// Reads until the other end has no more to say.
static void drain(int fd) {
  uint8_t* buffer = malloc(256 * KIB);
  ssize_t got;
  while ((got = read(fd, buffer, 256 * KIB)) > 0) {
  }
  if (got < 0) fail("read: %s", strerror(errno));
  close(fd);
}

static int to_port(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof address) != 0) fail("connect: %s", strerror(errno));
  return fd;
}

// port=: connects there and reads until the end.
int run_receive(void) {
  drain(to_port((int)number("port", 0)));
  return 0;
}

static void send_memory(int fd, struct iovec* pieces, int count, int flags) {
  while (count > 0) {
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
    ssize_t sent = sendmsg(fd, &message, flags);
    if (sent < 0) fail("sendmsg: %s", strerror(errno));
    while (count > 0 && (size_t)sent >= pieces->iov_len) {
      sent -= (ssize_t)pieces->iov_len;
      pieces++;
      count--;
    }
    if (count > 0) {
      pieces->iov_base = (uint8_t*)pieces->iov_base + sent;
      pieces->iov_len -= (size_t)sent;
    }
  }
}

// what=range: `piece` bytes at a time; page: a head and 32 records that lie together; scattered: a head and 32 records
// of one of four queues that take turns. way=sendfile|writev. `bytes` are sent, of a file of `file` bytes in memory.
int run_send(void) {
  const char *dir = option("dir", NULL), *what = option("what", "range");
  bool by_sendfile = strcmp(option("way", "sendfile"), "sendfile") == 0, scattered = strcmp(what, "scattered") == 0,
       headed = strcmp(what, "range") != 0;
  size_t bytes = (size_t)number("bytes", 8e9), file_bytes = (size_t)number("file", 256e6);
  size_t record = (size_t)number("record", 1129), piece = headed ? RECORDS * record : (size_t)number("piece", 65536);
  if (dir == NULL) fail("send needs dir=");
  uint8_t* data = random_bodies(4 * KIB);
  int file = create_file(dir, "sent", file_bytes);
  for (size_t at = 0; at < file_bytes; at += MIB)
    write_all(file, data, file_bytes - at < MIB ? file_bytes - at : MIB, (off_t)at);
  uint8_t* base = map_file(file, file_bytes);
  uint64_t sum = 0;
  for (size_t page = 0; page < file_bytes; page += 4096) sum += ((volatile const uint8_t*)base)[page];
  if (sum == 1) fail("nothing was read");

  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr*)&address, &length) != 0)
    fail("listen: %s", strerror(errno));
  pid_t receiver = fork();
  if (receiver == 0) {
    drain(to_port(ntohs(address.sin_port)));
    _exit(0);
  }
  int fd = accept(listener, NULL, NULL), on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

  uint8_t head[HEAD] = {1};
  size_t span = scattered ? QUEUES * piece : piece, count = 0, sent = 0, at = 0;
  double cpu = cpu_seconds(), started = now();
  for (size_t n = 0; sent < bytes; n++) {
    if (at + span > file_bytes) at = 0;
    struct iovec pieces[RECORDS + 1];
    int parts = 0;
    if (headed) pieces[parts++] = (struct iovec){head, HEAD};
    size_t first = at + (scattered ? n % QUEUES * record : 0);
    for (size_t i = 0; i < (scattered ? RECORDS : 1); i++)
      pieces[parts++] = (struct iovec){base + first + i * QUEUES * record, scattered ? record : piece};
    if (by_sendfile) {
      for (int i = 0; i < parts; i++) {
        if (headed && i == 0) {
          send_memory(fd, pieces, 1, MSG_MORE);
          continue;
        }
        off_t from = (uint8_t*)pieces[i].iov_base - base;
        for (size_t left = pieces[i].iov_len; left > 0;) {
          ssize_t got = sendfile(fd, file, &from, left);
          if (got <= 0) fail("sendfile: %s", strerror(errno));
          left -= (size_t)got;
        }
      }
    } else {
      send_memory(fd, pieces, parts, 0);
    }
    sent += piece + (headed ? HEAD : 0);
    count++;
    if (!scattered || n % QUEUES == QUEUES - 1) at += span;
  }
  shutdown(fd, SHUT_WR);
  char end;
  if (read(fd, &end, 1) != 0) fail("the receiver said something");
  double seconds = now() - started;
  cpu = cpu_seconds() - cpu;
  waitpid(receiver, NULL, 0);
  print_rate((double)count, seconds, cpu, (double)sent);
  return 0;
}
