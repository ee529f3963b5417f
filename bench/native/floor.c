// The floor: what it costs to copy bytes between a client and a backend, and nothing else. No HTTP
// is looked at, no field is added. A proxy that does its work cannot be cheaper.
//
//   floor LISTEN:UPSTREAM[:reuse]...    ports on loopback
//
// Each client connection has one upstream connection, made when its first bytes come. With `reuse`
// an upstream connection whose client has gone is given to the next one, as a proxy's pool does:
// right only for clients that leave when they have all of their response. One thread, one epoll,
// one read and one write for what arrives; both directions share a buffer of 64 KiB.
#define _GNU_SOURCE  // accept4
#include <errno.h>

#include "bench/native/sockets.h"

enum { kBufferBytes = 64 * 1024, kEvents = 512 };

struct pair;

// One end of a pair. `unsent` is what could not be written to it yet; the other end is not read
// until it is.
struct end {
  struct pair* pair;
  int fd;
  char* unsent;
  size_t begin, size;
};

struct pair {
  struct end client, upstream;
  struct listener* listener;
  struct pair* next;  // of the idle ones, or of those to be freed
  int closed;
  int answered;  // the last bytes went to the client
};

// Its address differs from those of all ends: that tells the events apart.
struct listener {
  int fd, upstream_port, reuse;
  struct pair* idle;
};

static int epoll_fd;
static char buffer[kBufferBytes];
static struct pair* to_free;  // after the batch: a later event of it may still name them
static struct listener listeners[16];
static int listener_count;

static struct end* other(struct end* end) {
  return end == &end->pair->client ? &end->pair->upstream : &end->pair->client;
}

static void close_end(struct end* end) {
  if (end->fd >= 0) close(end->fd);
  end->fd = -1;
  free(end->unsent);
  end->unsent = NULL;
}

static void close_pair(struct pair* pair) {
  if (pair->closed) return;
  pair->closed = 1;
  close_end(&pair->client);
  close_end(&pair->upstream);
  for (struct pair** at = &pair->listener->idle; *at != NULL; at = &(*at)->next) {
    if (*at != pair) continue;
    *at = pair->next;
    break;
  }
  pair->next = to_free;
  to_free = pair;
}

static void client_gone(struct pair* pair) {
  if (!pair->listener->reuse || !pair->answered || pair->client.unsent || pair->upstream.unsent) {
    close_pair(pair);
    return;
  }
  close_end(&pair->client);
  pair->next = pair->listener->idle;
  pair->listener->idle = pair;
}

static int connect_upstream(struct pair* pair) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_in address = loopback(pair->listener->upstream_port);
  // Blocks for no longer than loopback takes.
  if (fd < 0 || connect(fd, (const struct sockaddr*)&address, sizeof(address)) < 0) {
    if (fd >= 0) close(fd);
    return 0;
  }
  no_delay(fd);
  pair->upstream.fd = fd;
  watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, &pair->upstream);
  return 1;
}

// False when the connection is broken.
static int write_to(struct end* end, const char* data, size_t size) {
  const ssize_t sent = send(end->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return 0;
  const size_t done = sent < 0 ? 0 : (size_t)sent;
  if (done == size) return 1;
  end->unsent = malloc(size - done);
  if (end->unsent == NULL) return 0;
  memcpy(end->unsent, data + done, size - done);
  end->begin = 0;
  end->size = size - done;
  watch(epoll_fd, EPOLL_CTL_MOD, other(end)->fd, 0, other(end));
  watch(epoll_fd, EPOLL_CTL_MOD, end->fd, EPOLLOUT, end);
  return 1;
}

static void writable(struct end* end) {
  const ssize_t sent =
      send(end->fd, end->unsent + end->begin, end->size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) {
    close_pair(end->pair);
    return;
  }
  end->begin += sent < 0 ? 0 : (size_t)sent;
  end->size -= sent < 0 ? 0 : (size_t)sent;
  if (end->size > 0) return;
  free(end->unsent);
  end->unsent = NULL;
  watch(epoll_fd, EPOLL_CTL_MOD, end->fd, EPOLLIN, end);
  watch(epoll_fd, EPOLL_CTL_MOD, other(end)->fd, EPOLLIN, other(end));
}

static void readable(struct end* end) {
  struct pair* pair = end->pair;
  const ssize_t got = recv(end->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  const int from_client = end == &pair->client;
  if (got <= 0) {
    if (from_client)
      client_gone(pair);
    else
      close_pair(pair);
    return;
  }
  // Bytes of a backend that has no client: what an abandoned request was answered with.
  if (!from_client && pair->client.fd < 0) {
    close_pair(pair);
    return;
  }
  if ((from_client && pair->upstream.fd < 0 && !connect_upstream(pair)) ||
      !write_to(other(end), buffer, (size_t)got)) {
    close_pair(pair);
    return;
  }
  pair->answered = !from_client;
}

static void accept_all(struct listener* listener) {
  int fd;
  while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    no_delay(fd);
    struct pair* pair = listener->idle;
    if (pair != NULL) {
      listener->idle = pair->next;
    } else {
      pair = calloc(1, sizeof(*pair));
      if (pair == NULL) exit(1);
      pair->listener = listener;
      pair->client.pair = pair->upstream.pair = pair;
      pair->upstream.fd = -1;
    }
    pair->client.fd = fd;
    pair->next = NULL;
    pair->answered = 0;
    watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, &pair->client);
  }
}

static void add_listener(const char* argument) {
  int port = 0, upstream = 0;
  char word[8] = "";
  if (listener_count == 16 || sscanf(argument, "%d:%d:%7s", &port, &upstream, word) < 2) {
    fprintf(stderr, "usage: floor LISTEN:UPSTREAM[:reuse]...\n");
    exit(2);
  }
  struct listener* listener = &listeners[listener_count++];
  listener->fd = listen_on_loopback(port);
  listener->upstream_port = upstream;
  listener->reuse = strcmp(word, "reuse") == 0;
  watch(epoll_fd, EPOLL_CTL_ADD, listener->fd, EPOLLIN, listener);
}

static void handle(const struct epoll_event* event) {
  struct listener* listener = event->data.ptr;
  if (listener >= listeners && listener < listeners + listener_count) {
    accept_all(listener);
    return;
  }
  struct end* end = event->data.ptr;
  if (end->pair->closed || end->fd < 0) return;
  if (end->unsent != NULL && (event->events & EPOLLOUT)) {
    writable(end);
  } else if (event->events & EPOLLIN) {
    readable(end);
  } else {
    // A reset while the other end is being waited for.
    close_pair(end->pair);
  }
}

int main(int argc, char** argv) {
  epoll_fd = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  for (int i = 1; i < argc; ++i) add_listener(argv[i]);
  if (argc < 2) add_listener("");
  struct epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(epoll_fd, events, kEvents, -1);
    for (int i = 0; i < count; ++i) handle(&events[i]);
    while (to_free != NULL) {
      struct pair* next = to_free->next;
      free(to_free);
      to_free = next;
    }
  }
}
