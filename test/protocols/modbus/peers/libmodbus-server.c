/*
 * One unit that libmodbus serves, over TCP or on a serial line, with the values that peers.test.ts expects: holding
 * registers 0 to 199 hold their own address, coils 0 to 99 are on where 3 divides their number.
 *
 * usage: libmodbus-server tcp PORT | serial PATH BAUD PARITY
 * Prints "ready" when it answers, and "write" for every request that is no read.
 */
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void answer(modbus_t *link, modbus_mapping_t *map, int header) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  for (;;) {
    int length = modbus_receive(link, query);
    if (length < 0) return;
    if (length == 0) continue;
    if (query[header] > 4) { printf("write\n"); fflush(stdout); }
    if (modbus_reply(link, query, length, map) < 0) return;
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  modbus_mapping_t *map = modbus_mapping_new(100, 100, 200, 200);
  if (map == NULL) return 1;
  for (int address = 0; address < 200; address++) map->tab_registers[address] = (uint16_t)address;
  for (int address = 0; address < 100; address++) map->tab_bits[address] = address % 3 == 0;

  if (strcmp(argv[1], "tcp") == 0) {
    modbus_t *link = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
    if (link == NULL) return 1;
    int listening = modbus_tcp_listen(link, 1);
    if (listening < 0) return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
      if (modbus_tcp_accept(link, &listening) < 0) return 1;
      answer(link, map, modbus_get_header_length(link));
      modbus_close(link);
    }
  }
  if (argc < 5) return 2;
  modbus_t *link = modbus_new_rtu(argv[2], atoi(argv[3]), argv[4][0], 8, 1);
  if (link == NULL || modbus_set_slave(link, 1) < 0 || modbus_connect(link) < 0) return 1;
  printf("ready\n");
  fflush(stdout);
  for (;;) answer(link, map, modbus_get_header_length(link));
}
