// What the programs of this folder share: sockets on loopback. C, so that floor.c can include it.
#ifndef CPPX_BENCH_NATIVE_SOCKETS_H
#define CPPX_BENCH_NATIVE_SOCKETS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// These programs measure: what goes wrong with a socket of ours ends them.
static inline int must(int result, const char* what) {
  if (result >= 0) return result;
  perror(what);
  exit(1);
}

static inline struct sockaddr_in loopback(int port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)port);
  return address;
}

static inline void no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static inline int listen_on_loopback(int port) {
  const int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const struct sockaddr_in address = loopback(port);
  must(bind(fd, (const struct sockaddr*)&address, sizeof(address)), "bind");
  must(listen(fd, 4096), "listen");
  return fd;
}

// `op` is one of EPOLL_CTL_*, `data` comes back with each event of `fd`.
static inline void watch(int epoll, int op, int fd, uint32_t events, void* data) {
  struct epoll_event event;
  memset(&event, 0, sizeof(event));
  event.events = events;
  event.data.ptr = data;
  must(epoll_ctl(epoll, op, fd, &event), "epoll_ctl");
}

#endif
