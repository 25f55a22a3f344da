/* A Modbus server of libmodbus, for tests and benchmarks: what it answers is libmodbus's doing.
 *
 *   server tcp PORT         listens on 127.0.0.1 and prints the port; 0 takes a free one
 *   server rtu DEVICE       serves unit 1 on a serial port (115200 8N1)
 *
 * Holding register n holds n, input register n holds 10000 + n, coil n is n % 3 == 0, discrete input n is n % 5 == 0;
 * addresses 0 to 9999. What is written stays written. Holding registers 3000 to 3013 hold floats and integers.
 *
 * Lines on standard input change how it answers from then on:
 *   none | delay MS | exception CODE | silent | close | split MS | twice | late MS
 */
#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { ADDRESSES = 10000, LONGEST = 512 };

static char mode[32] = "none";
static int argument = 0;

/* The answer that `late` holds back until the next request. */
static unsigned char held[LONGEST];
static int held_length = 0;

static void read_command(void) {
  char line[128];
  if (fgets(line, sizeof line, stdin) == NULL) exit(0);
  argument = 0;
  if (sscanf(line, "%31s %d", mode, &argument) < 1) strcpy(mode, "none");
  held_length = 0;
  printf("mode %s %d\n", mode, argument);
  fflush(stdout);
}

/* libmodbus's answer as bytes: it writes to one end of a pair of sockets, and they are read from the other. */
static int answer_bytes(modbus_t *ctx, const unsigned char *query, int length, modbus_mapping_t *map,
                        unsigned char *answer) {
  int ends[2];
  int real = modbus_get_socket(ctx);
  int got = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 0;
  modbus_set_socket(ctx, ends[0]);
  if (strcmp(mode, "exception") == 0) modbus_reply_exception(ctx, query, argument);
  else modbus_reply(ctx, query, length, map);
  modbus_set_socket(ctx, real);
  struct pollfd ready = {ends[1], POLLIN, 0};
  if (poll(&ready, 1, 100) > 0) got = (int)read(ends[1], answer, LONGEST);
  close(ends[0]);
  close(ends[1]);
  return got;
}

static void put(int out, const unsigned char *bytes, int length) {
  while (length > 0) {
    ssize_t done = send(out, bytes, (size_t)length, MSG_NOSIGNAL);
    if (done < 0 && errno == ENOTSOCK) done = write(out, bytes, (size_t)length);
    if (done <= 0) return;
    bytes += done;
    length -= (int)done;
  }
}

/* Answers one query; false where the connection is to be closed. */
static int answer(modbus_t *ctx, const unsigned char *query, int length, modbus_mapping_t *map) {
  int out = modbus_get_socket(ctx);
  unsigned char bytes[LONGEST];
  int size;
  if (strcmp(mode, "none") == 0) return modbus_reply(ctx, query, length, map) >= 0;
  if (strcmp(mode, "silent") == 0) return 1;
  if (strcmp(mode, "close") == 0) return 0;
  size = answer_bytes(ctx, query, length, map, bytes);
  if (strcmp(mode, "late") == 0) {
    /* Every other answer waits, and comes just before that of the next query. */
    if (held_length == 0) {
      memcpy(held, bytes, (size_t)size);
      held_length = size;
      return 1;
    }
    put(out, held, held_length);
    held_length = 0;
    usleep((useconds_t)argument * 1000);
    put(out, bytes, size);
    return 1;
  }
  if (strcmp(mode, "delay") == 0) usleep((useconds_t)argument * 1000);
  if (strcmp(mode, "split") == 0 && size > 3) {
    put(out, bytes, 3);
    usleep((useconds_t)argument * 1000);
    put(out, bytes + 3, size - 3);
    return 1;
  }
  put(out, bytes, size);
  if (strcmp(mode, "twice") == 0) put(out, bytes, size);
  return 1;
}

static modbus_mapping_t *make_map(void) {
  modbus_mapping_t *map = modbus_mapping_new(ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES);
  if (map == NULL) exit(1);
  for (int i = 0; i < ADDRESSES; i++) {
    map->tab_registers[i] = (uint16_t)i;
    map->tab_input_registers[i] = (uint16_t)(10000 + i);
    map->tab_bits[i] = i % 3 == 0;
    map->tab_input_bits[i] = i % 5 == 0;
  }
  float number = -273.15f;
  int32_t bits;
  memcpy(&bits, &number, sizeof bits);
  MODBUS_SET_INT32_TO_INT16(map->tab_registers, 3000, bits);
  modbus_set_float(number, map->tab_registers + 3002);
  MODBUS_SET_INT32_TO_INT16(map->tab_registers, 3008, -123456789);
  MODBUS_SET_INT64_TO_INT16(map->tab_registers, 3010, -1234567890123456LL);
  return map;
}

static int serve_tcp(int port) {
  modbus_t *ctx = modbus_new_tcp("127.0.0.1", port);
  modbus_mapping_t *map = make_map();
  unsigned char query[MODBUS_TCP_MAX_ADU_LENGTH];
  int listener = modbus_tcp_listen(ctx, 8);
  struct sockaddr_in bound;
  socklen_t size = sizeof bound;
  fd_set known;
  int most;
  if (listener < 0 || getsockname(listener, (struct sockaddr *)&bound, &size) != 0) return 1;
  printf("%d\n", ntohs(bound.sin_port));
  fflush(stdout);
  FD_ZERO(&known);
  FD_SET(listener, &known);
  FD_SET(STDIN_FILENO, &known);
  most = listener;
  for (;;) {
    fd_set ready = known;
    if (select(most + 1, &ready, NULL, NULL, NULL) < 0) return 1;
    for (int s = 0; s <= most; s++) {
      if (!FD_ISSET(s, &ready)) continue;
      if (s == STDIN_FILENO) read_command();
      else if (s == listener) {
        int one = 1;
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        FD_SET(client, &known);
        if (client > most) most = client;
      } else {
        int length;
        modbus_set_socket(ctx, s);
        length = modbus_receive(ctx, query);
        if (length < 0 || !answer(ctx, query, length, map)) {
          close(s);
          FD_CLR(s, &known);
        }
      }
    }
  }
}

static int serve_rtu(const char *device) {
  modbus_t *ctx = modbus_new_rtu(device, 115200, 'N', 8, 1);
  modbus_mapping_t *map = make_map();
  unsigned char query[MODBUS_RTU_MAX_ADU_LENGTH];
  modbus_set_slave(ctx, 1);
  if (modbus_connect(ctx) != 0) {
    fprintf(stderr, "%s: %s\n", device, modbus_strerror(errno));
    return 1;
  }
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    fd_set ready;
    FD_ZERO(&ready);
    FD_SET(STDIN_FILENO, &ready);
    FD_SET(modbus_get_socket(ctx), &ready);
    if (select(modbus_get_socket(ctx) + 1, &ready, NULL, NULL, NULL) < 0) return 1;
    if (FD_ISSET(STDIN_FILENO, &ready)) read_command();
    if (FD_ISSET(modbus_get_socket(ctx), &ready)) {
      int length = modbus_receive(ctx, query);
      if (length > 0) answer(ctx, query, length, map);
      else if (length < 0 && (errno == EBADF || errno == EIO)) return 0;
    }
  }
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "tcp") == 0) return serve_tcp(atoi(argv[2]));
  if (argc == 3 && strcmp(argv[1], "rtu") == 0) return serve_rtu(argv[2]);
  fprintf(stderr, "usage: server tcp PORT | server rtu DEVICE\n");
  return 2;
}
