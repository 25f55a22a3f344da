/* Reads a range of holding registers over and over with libmodbus: client PORT QUANTITY READS; prints reads a second. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  uint16_t registers[MODBUS_MAX_READ_REGISTERS];
  if (argc != 4) return 2;
  int quantity = atoi(argv[2]);
  int reads = atoi(argv[3]);
  modbus_t *ctx = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
  if (modbus_connect(ctx) != 0) {
    fprintf(stderr, "%s\n", modbus_strerror(errno));
    return 1;
  }
  double from = now_s();
  for (int i = 0; i < reads; i++) {
    int address = (i * 7) % 1000;
    if (modbus_read_registers(ctx, address, quantity, registers) != quantity || registers[0] != address) {
      fprintf(stderr, "read %d: %s\n", i, modbus_strerror(errno));
      return 1;
    }
  }
  printf("%.0f\n", reads / (now_s() - from));
  return 0;
}
