// limit load: what clients of RocketMQ ask of a broker, from one thread, in frames of the size and shape of those of
// the Java client 4.9.8. The broker listens on `port` of the loopback; `pid` is its process, for what it takes of CPU
// and memory. Prints one JSON object, whose names are those of bench/peers/java/BrokerLoad.java.
#include "limit.h"
#include "record.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { WINDOW_MOST = 4096, IN_BYTES = 1 << 20, HEADER_MOST = 1024, ENTRY_MOST = 128, SLOWEST = 1000000 };
static const double PATIENCE = 0.005;
#define PUT(at, literal) put_text(at, literal, sizeof literal - 1)

struct connection {
  int fd;
  uint8_t *in, *out;
  size_t in_bytes, out_from, out_bytes;
  // Requests in flight: when each began, or was to begin.
  double* begun;
  uint16_t* free;
  unsigned free_count;
  // Of a reader: its queue, and where it is.
  uint64_t queue, offset;
};

struct answer {
  const uint8_t *header, *body;
  size_t header_bytes, body_bytes;
};

static struct {
  size_t connections, window, body, batch, topics, queues;
  double pace, warm, seconds;
  uint64_t count;
  int port, pid;
} given;

static struct connection* connections;
static uint8_t* bodies;
static size_t frame_most;

static struct {
  uint64_t issued, answered, failed, measured;
  uint32_t latencies[SLOWEST + 1];
  bool timed;
} sums;

// --- Frames

static uint8_t* put_decimal(uint8_t* at, uint64_t value) {
  char digits[20];
  size_t length = 0;
  do digits[length++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  while (length > 0) *at++ = (uint8_t)digits[--length];
  return at;
}

static uint8_t* put_hex(uint8_t* at, uint64_t value, int digits) {
  for (int i = digits - 1; i >= 0; i--) *at++ = (uint8_t) "0123456789ABCDEF"[value >> 4 * i & 15];
  return at;
}

// As the Java client makes one: address, process, class loader, milliseconds, a counter.
static uint8_t* put_unique_key(uint8_t* at) {
  static uint64_t counter;
  at = put_hex(put_hex(put_hex(at, 0x7F000001, 8), (uint64_t)getpid(), 4), 0x18B4AAC2, 8);
  return put_hex(put_hex(at, (uint64_t)wall_ms(), 8), counter++, 4);
}

static uint8_t* put_topic(uint8_t* at, uint64_t queue) {
  if (given.topics == 1) return PUT(at, TOPIC);
  *at = 't';
  for (uint64_t number = queue % given.topics, i = 4; i > 0; i--, number /= 10) at[i] = (uint8_t)('0' + number % 10);
  return at + 5;
}

static uint8_t* put_fields_end(uint8_t* at, uint32_t opaque) {
  at = put_decimal(PUT(at, "\"},\"flag\":0,\"language\":\"JAVA\",\"opaque\":"), opaque);
  return PUT(at, ",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":409}");
}

// The lengths before a frame whose header ends at `body`.
static uint8_t* put_lengths(uint8_t* frame, const uint8_t* body, size_t body_bytes) {
  put32(put32(frame, (uint32_t)((size_t)(body - frame) - 4 + body_bytes)), (uint32_t)(body - frame - 8));
  return frame;
}

static uint8_t* put_entry(uint8_t* at, const uint8_t* body) {
  uint8_t* p = put_text(put32(at + 16, (uint32_t)given.body), (const char*)body, given.body) + 2;
  uint8_t* properties = p;
  p = PUT(put_unique_key(PUT(p, "UNIQ_KEY\1")), "\2WAIT\1true\2TAGS\1tagA");
  put16(properties - 2, (uint16_t)(p - properties));
  memset(at + 4, 0, 12);
  put32(at, (uint32_t)(p - at));
  return p;
}

// SEND_MESSAGE_V2, or with a batch SEND_BATCH_MESSAGE, of the messages from number `n` on.
static uint8_t* put_send(uint8_t* frame, uint32_t opaque, uint64_t n) {
  bool batch = given.batch > 1;
  uint64_t queue = n / given.batch % (given.topics * given.queues);
  uint8_t* p = put_decimal(PUT(frame + 8, "{\"code\":"), batch ? 320 : 310);
  p = PUT(p, ",\"extFields\":{\"a\":\"p_bench\",\"b\":\"");
  p = PUT(put_topic(p, queue), "\",\"c\":\"TBW102\",\"d\":\"4\",\"e\":\"");
  p = PUT(put_decimal(p, queue / given.topics), "\",\"f\":\"0\",\"g\":\"");
  p = PUT(put_decimal(p, (uint64_t)wall_ms()), "\",\"h\":\"0\",\"i\":\"");
  if (!batch) p = PUT(put_unique_key(PUT(p, "UNIQ_KEY\\u0001")), "\\u0002");
  p = PUT(p, "WAIT\\u0001true");
  if (!batch) p = PUT(p, "\\u0002TAGS\\u0001tagA");
  p = PUT(p, "\",\"j\":\"0\",\"k\":\"false\",\"m\":\"");
  p = put_fields_end(PUT(batch ? PUT(p, "true") : PUT(p, "false"), "\",\"n\":\"broker-a"), opaque);
  uint8_t* body = p;
  for (uint64_t i = n; i < n + given.batch; i++) {
    const uint8_t* bytes = bodies + i % BODIES * given.body;
    p = batch ? put_entry(p, bytes) : put_text(p, (const char*)bytes, given.body);
  }
  put_lengths(frame, body, (size_t)(p - body));
  return p;
}

// PULL_MESSAGE; `suspend_ms` is how long it may be held.
static uint8_t* put_pull(uint8_t* frame, uint32_t opaque, uint64_t queue, uint64_t offset, uint64_t suspend_ms) {
  uint8_t* p = PUT(frame + 8, "{\"code\":11,\"extFields\":{\"queueId\":\"");
  p = PUT(put_decimal(p, queue / given.topics), "\",\"maxMsgNums\":\"32\",\"sysFlag\":\"");
  p = PUT(put_decimal(p, suspend_ms > 0 ? 6 : 4), "\",\"suspendTimeoutMillis\":\"");
  p = PUT(put_decimal(p, suspend_ms),
          "\",\"commitOffset\":\"0\",\"subscription\":\"*\",\"bname\":\"broker-a\",\"topic\":\"");
  p = PUT(put_topic(p, queue), "\",\"queueOffset\":\"");
  p = PUT(put_decimal(p, offset), "\",\"expressionType\":\"TAG\",\"subVersion\":\"");
  p = put_fields_end(PUT(put_decimal(p, (uint64_t)wall_ms()), "\",\"consumerGroup\":\"g_bench"), opaque);
  put_lengths(frame, p, 0);
  return p;
}

// The number behind a name in a header, quoted or not.
static int64_t number_of(const struct answer* answer, const char* name) {
  const uint8_t *found = memmem(answer->header, answer->header_bytes, name, strlen(name)), *end = answer->body;
  if (found == NULL) fail("no %s in %.*s", name, (int)answer->header_bytes, (const char*)answer->header);
  found += strlen(name);
  if (*found == '"') found++;
  int64_t value = 0;
  while (found < end && *found >= '0' && *found <= '9') value = value * 10 + *found++ - '0';
  return value;
}

static int64_t code_of(const struct answer* answer) { return number_of(answer, "\"code\":"); }

static void complain(const struct answer* answer) {
  fprintf(stderr, "limit load: %.*s\n", (int)answer->header_bytes, (const char*)answer->header);
}

// --- Connections

static int connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof address) != 0) fail("connect: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void open_connections(size_t in_bytes) {
  connections = calloc(given.connections, sizeof *connections);
  for (size_t i = 0; i < given.connections; i++) {
    struct connection* c = connections + i;
    c->fd = connect_to(given.port);
    c->in = malloc(in_bytes);
    c->out = malloc(given.window * frame_most);
    c->begun = calloc(given.window, sizeof *c->begun);
    c->free = calloc(given.window, sizeof *c->free);
    while (c->free_count < given.window) c->free[c->free_count] = (uint16_t)c->free_count, c->free_count++;
    c->queue = i % (given.topics * given.queues);
  }
}

static void flush(struct connection* c) {
  while (c->out_from < c->out_bytes) {
    ssize_t sent = send(c->fd, c->out + c->out_from, c->out_bytes - c->out_from, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) fail("send: %s", strerror(errno));
    if (sent < 0) break;
    c->out_from += (size_t)sent;
  }
  memmove(c->out, c->out + c->out_from, c->out_bytes -= c->out_from);
  c->out_from = 0;
}

// Calls `take` for each whole answer that has come. False where nothing more can come.
static bool receive(struct connection* c, int flags, void (*take)(struct connection*, const struct answer*)) {
  size_t room = IN_BYTES - c->in_bytes, at = 0;
  ssize_t got = recv(c->fd, c->in + c->in_bytes, room, flags);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  c->in_bytes += (size_t)got;
  while (c->in_bytes - at >= 8) {
    const uint8_t* frame = c->in + at;
    size_t length = 4 + get32(frame), header_bytes = get32(frame + 4) & 0xFFFFFF;
    if (length > IN_BYTES) fail("an answer of %zu bytes", length);
    if (c->in_bytes - at < length) break;
    take(c, &(struct answer){frame + 8, frame + 8 + header_bytes, header_bytes, length - 8 - header_bytes});
    at += length;
  }
  memmove(c->in, c->in + at, c->in_bytes -= at);
  return (size_t)got < room || receive(c, flags | MSG_DONTWAIT, take);
}

static void must_be_good(struct connection* c, const struct answer* answer) {
  if (code_of(answer) != 0) complain(answer), exit(1);
  c->free_count++;
}

// Waits for the answer to what has been put into `out`.
static void ask(struct connection* c) {
  c->free_count = 0;
  flush(c);
  while (c->free_count == 0) {
    if (!receive(c, 0, must_be_good)) fail("the broker has closed a connection");
  }
}

// UPDATE_AND_CREATE_TOPIC for each.
static void make_topics(void) {
  uint8_t out[HEADER_MOST], *in = malloc(IN_BYTES);
  struct connection c = {.fd = connect_to(given.port), .in = in, .out = out};
  for (uint64_t topic = 0; topic < given.topics; topic++) {
    uint8_t* p =
        PUT(out + 8, "{\"code\":17,\"extFields\":{\"defaultTopic\":\"TBW102\",\"order\":\"false\",\"perm\":\"6\",");
    p = put_decimal(PUT(p, "\"readQueueNums\":\""), given.queues);
    p = put_decimal(PUT(p, "\",\"writeQueueNums\":\""), given.queues);
    p = PUT(p, "\",\"topicFilterType\":\"SINGLE_TAG\",\"topicSysFlag\":\"0\",\"topic\":\"");
    p = put_fields_end(put_topic(p, topic), 1);
    put_lengths(out, p, 0);
    c.out_bytes = (size_t)(p - out);
    ask(&c);
  }
  close(c.fd);
  free(in);
}

// --- What is measured

// User and system seconds of the broker, and what it has in memory that lies in no file, page tables included.
static double broker_cpu(void) {
  char path[64], text[2048];
  snprintf(path, sizeof path, "/proc/%d/stat", given.pid);
  FILE* file = given.pid > 0 ? fopen(path, "r") : NULL;
  if (file == NULL) return 0;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  unsigned long user = 0, system = 0;
  sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double broker_memory(void) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", given.pid);
  FILE* file = given.pid > 0 ? fopen(path, "r") : NULL;
  unsigned long sum = 0, kilobytes;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "RssAnon: %lu", &kilobytes) == 1 || sscanf(line, "VmPTE: %lu", &kilobytes) == 1) sum += kilobytes;
  }
  if (file != NULL) fclose(file);
  return (double)sum * 1024;
}

static void count_latency(double seconds) {
  double microseconds = seconds * 1e6;
  sums.latencies[microseconds < 0 ? 0 : microseconds > SLOWEST ? SLOWEST : (uint32_t)microseconds]++;
}

static uint64_t latencies_until(double share, uint64_t total) {
  uint64_t before = total > 0 ? (uint64_t)(share * (double)(total - 1)) : 0, seen = 0, at = 0;
  while (at < SLOWEST && (seen += sums.latencies[at]) <= before) at++;
  return at;
}

static void print_measured(double seconds, double cpu, double own_cpu) {
  uint64_t total = 0, under = 0;
  for (size_t i = 0; i <= SLOWEST; i++) total += sums.latencies[i];
  for (size_t i = 0; i < 1000; i++) under += sums.latencies[i];
  double messages = (double)sums.measured, most = messages > 0 ? messages : 1;
  printf(
      "{\"count\":%.0f,\"rate\":%.0f,\"cpuMicroseconds\":%.4f,\"loadCpuMicroseconds\":%.4f,\"seconds\":%.4f,"
      "\"failed\":%llu,\"bytes\":%.0f,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu,\"shareUnder1ms\":%.6f}\n",
      messages, messages / seconds, cpu * 1e6 / most, own_cpu * 1e6 / most, seconds, (unsigned long long)sums.failed,
      broker_memory(), (unsigned long long)latencies_until(0.5, total),
      (unsigned long long)latencies_until(0.99, total), (unsigned long long)latencies_until(0.999, total),
      (unsigned long long)latencies_until(1, total), total > 0 ? (double)under / (double)total : 0);
}

// --- The two kinds of load

// The slot is in the opaque; so the answer tells when its request began. Eight digits, as a client has them soon.
static void begin(struct connection* c, double begun) {
  unsigned slot = c->free[--c->free_count];
  uint32_t opaque = (uint32_t)((10000 + sums.issued % 10000) * WINDOW_MOST + slot);
  uint8_t *frame = c->out + c->out_bytes, *end;
  c->begun[slot] = begun;
  if (given.body > 0) {
    end = put_send(frame, opaque, sums.issued);
    sums.issued += given.batch;
  } else {
    end = put_pull(frame, opaque, c->queue, c->offset, 0);
    sums.issued++;
  }
  c->out_bytes += (size_t)(end - frame);
}

static uint64_t records_in(const struct answer* answer) {
  uint64_t records = 0;
  for (size_t at = 0; at < answer->body_bytes; at += get32(answer->body + at), records++) {
    if (get32(answer->body + at + 4) != 0xDAA320A7) fail("no record at %zu of a pull", at);
  }
  return records;
}

static double received_at;

static void take(struct connection* c, const struct answer* answer) {
  unsigned slot = (unsigned)(number_of(answer, "\"opaque\":") % WINDOW_MOST);
  int64_t code = code_of(answer);
  uint64_t messages = given.batch;
  c->free[c->free_count++] = (uint16_t)slot;
  if (given.body == 0 && code != 0) {
    if (code != 19 || c->offset == 0) complain(answer), exit(1);
    c->offset = 0;  // it has read all, and begins again
    return;
  }
  if (code != 0) {
    if (sums.failed < 3 * messages) complain(answer);
    sums.failed += messages;
    return;
  }
  if (given.body == 0) {
    messages = records_in(answer);
    c->offset = (uint64_t)number_of(answer, "\"nextBeginOffset\":");
  }
  sums.answered += messages;
  if (!sums.timed) return;
  sums.measured += messages;
  count_latency(received_at - c->begun[slot]);
}

static bool more_to_begin(void) { return given.count == 0 || given.body == 0 || sums.issued < given.count; }

// With a pace each request goes to any connection that has room, and one that finds none waits: its time runs. Gives
// the seconds until there is something to do.
static double begin_due(double started) {
  static size_t next;
  static uint64_t due;
  static bool anew;
  if (sums.timed && !anew) {
    anew = true;  // what the warm-up has put off is not the timed part's
    uint64_t by_now = (uint64_t)((now() - started) * given.pace);
    if (due < by_now) due = by_now;
  }
  for (;; due++) {
    double intended = started + (double)due / given.pace, at = now();
    if (intended > at) return intended - at;
    size_t tried = 0;
    while (connections[next].free_count == 0 && tried++ < given.connections) next = (next + 1) % given.connections;
    if (connections[next].free_count == 0) return PATIENCE;
    begin(connections + next, intended);
    flush(connections + next);
    next = (next + 1) % given.connections;
  }
}

static void begin_all(struct connection* c) {
  double at = now();
  while (given.pace == 0 && c->free_count > 0 && more_to_begin()) begin(c, at);
  flush(c);
}

// Until so many are answered, or for so long.
static int run_requests(void) {
  int poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event events[256];
  open_connections(IN_BYTES);
  for (size_t i = 0; i < given.connections; i++) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connections + i};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
  }
  prctl(PR_SET_TIMERSLACK, 1);  // a request of a pace begins when it is due
  double started = now(), timed_from = started + given.warm, until = timed_from + given.seconds, cpu = 0, own = 0;
  for (size_t i = 0; i < given.connections; i++) begin_all(connections + i);
  for (;;) {
    double at = now();
    if (!sums.timed && at >= timed_from) {
      timed_from = at;
      sums.timed = true;
      cpu = broker_cpu();
      own = cpu_seconds();
    }
    if (given.count > 0 ? sums.measured + sums.failed >= given.count : at >= until) break;
    struct timespec patience = {.tv_nsec = (long)(1e9 * (given.pace > 0 ? begin_due(started) : PATIENCE))};
    int ready = epoll_pwait2(poll, events, 256, &patience, NULL);
    received_at = now();
    for (int i = 0; i < ready; i++) {
      struct connection* c = events[i].data.ptr;
      if ((events[i].events & (EPOLLIN | EPOLLHUP)) && !receive(c, MSG_DONTWAIT, take))
        fail("the broker has closed a connection");
      begin_all(c);
    }
  }
  double seconds = now() - timed_from;
  print_measured(seconds, broker_cpu() - cpu, cpu_seconds() - own);
  return 0;
}

// --- Connections and pulls that wait

// Opens the connections and says so; with the next line of standard input it has `pulls` held, and says so once the
// broker has read them all; the end of the input is the end. One that is answered in between is an error.
static int run_hold(void) {
  size_t pulls = (size_t)number("pulls", 0);
  char line[16];
  open_connections(IN_BYTES);
  printf("{\"connections\":%zu}\n", given.connections);
  fflush(stdout);
  if (pulls > 0 && fgets(line, sizeof line, stdin) != NULL) {
    for (size_t i = 0; i < pulls; i++) {
      struct connection* c = connections + i % given.connections;
      uint8_t* end = put_pull(c->out, (uint32_t)(10000000 + i), i % (given.topics * given.queues), 0, 3600000);
      c->out_bytes = (size_t)(end - c->out);
      while (flush(c), c->out_bytes > 0) usleep(100);
    }
    for (size_t i = 0; i < given.connections; i++) {
      struct connection* c = connections + i;
      uint8_t* p = PUT(c->out + 8, "{\"code\":30,\"extFields\":{\"queueId\":\"0\",\"topic\":\"");
      p = put_fields_end(put_topic(p, 0), 1);
      put_lengths(c->out, p, 0);
      c->out_bytes = (size_t)(p - c->out);
      ask(c);
    }
    printf("{\"pulls\":%zu}\n", pulls);
    fflush(stdout);
  }
  while (fgets(line, sizeof line, stdin) != NULL) {
  }
  for (size_t i = 0; i < given.connections; i++) {
    ssize_t got = recv(connections[i].fd, connections[i].in, IN_BYTES, MSG_DONTWAIT);
    if (got >= 0) fail("%s", got == 0 ? "the broker has closed a connection" : "a pull was answered");
  }
  return 0;
}

// mode=send   connections= window= (requests in flight on each) body= batch= topics= queues= warm= seconds=, or count=
//             in place of a time; pace= requests a second, open loop
// mode=pull   connections= (each reads a queue from the beginning, again and again) warm= seconds=
// mode=hold   connections= pulls=
int run_load(void) {
  const char* mode = option("mode", "send");
  bool sends = strcmp(mode, "send") == 0;
  given.port = (int)number("port", 10911);
  given.pid = (int)number("pid", 0);
  given.connections = (size_t)number("connections", 1);
  given.window = sends ? (size_t)number("window", 1) : 1;
  given.body = sends ? (size_t)number("body", 1024) : 0;
  given.batch = sends ? (size_t)number("batch", 1) : 1;
  given.topics = (size_t)number("topics", 1);
  given.queues = (size_t)number("queues", 4);
  given.pace = number("pace", 0);
  given.count = (uint64_t)number("count", 0);
  given.warm = given.count > 0 ? 0 : number("warm", 10);
  given.seconds = number("seconds", 10);
  if (given.window > WINDOW_MOST) fail("window= is at most %d", WINDOW_MOST);
  frame_most = HEADER_MOST + given.batch * (given.body + ENTRY_MOST);
  bodies = random_bodies(given.body + 1);
  if (strcmp(mode, "pull") != 0) make_topics();
  if (strcmp(mode, "hold") == 0) return run_hold();
  return run_requests();
}
