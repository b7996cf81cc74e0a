/** The YAML keys of a Modbus source: a TCP device or gateway, or a serial bus, with one or more units. Limits: modbus.md §1, §3, §4. */
import { fail, INVALID, optional, withDefault, type Of, type Path, type Problem, type Shape } from "../../agent/contract/shape.ts";
import { duration, durationText, integer, list, object, oneOf, text } from "../../agent/contract/shapes.ts";
import { host } from "../shared/host-shape.ts";
import { SERIAL_LINE_KEYS, SERIAL_PATH, type SerialLine } from "../shared/serial.ts";
import { ORDERS } from "./decode.ts";
import { MODBUS_POINT, type ModbusPoint } from "./point-shape.ts";
import { PROFILE_NAMES, PROFILES, profilePoints, valueNames } from "./profiles/profiles.ts";
import { MOST_REGISTERS } from "./tables.ts";

/** RTU has eight data bits. */
const { data_bits: _, ...LINE_KEYS } = SERIAL_LINE_KEYS;

const DEVICE = object({
  unit: withDefault(integer({ description: "unit id (slave address): 1 to 247 (248: the only PZEM on a line); of a device that is the TCP end itself often 1, 255 or 0", minimum: 0, maximum: 255 }), 1),
  profile: optional(oneOf(PROFILE_NAMES, "a known device: its values become point/NAME")),
  only: optional(list(text({ description: "a value of the profile", maxLength: 64 }), { description: "of the profile, these values alone", minItems: 1, maxItems: 100 })),
  name: optional(text({ description: "put before the names of the profile's values, where a machine has several such devices", pattern: /^[A-Za-z0-9.-]{1,32}$/u, expected: "letters, digits, dots and dashes, at most 32" })),
  group: optional(text({ description: "the profile's values are shown together as point/GROUP, in one message", pattern: /^[A-Za-z0-9._-]{1,64}$/u, expected: "letters, digits, dots, dashes and underscores, at most 64" })),
  points: withDefault(list(MODBUS_POINT, { description: "values by register", maxItems: 2_000 }), []),
  order: optional(oneOf(ORDERS, "order of the bytes of several registers, for points that do not say theirs; default ABCD")),
  interval: optional(duration({ description: "how often this device is read; default: the source's", minimumMs: 10, maximumMs: 3_600_000 })),
  gap: optional(integer({ description: "unused registers that are read along to join two reads; default 16, on a serial line 8; 0 for devices that refuse it", minimum: 0, maximum: MOST_REGISTERS })),
  max_block: optional(integer({ description: "most registers of one read; default 125", minimum: 1, maximum: MOST_REGISTERS })),
}, "one unit");

const KEYS = object({
  host: optional(host("the device or gateway, by TCP")),
  port: optional(integer({ description: "its TCP port; default 502", minimum: 1, maximum: 65_535 })),
  framing: optional(oneOf(["tcp", "rtu"], "rtu: a serial device server that passes the frames of a serial line on as they are; default tcp, which Modbus gateways speak")),
  serial: optional(object({ path: SERIAL_PATH, ...LINE_KEYS }, "an RS-485 or RS-232 line, instead of host")),
  interval: optional(duration({ description: "how often all is read; default 1s", minimumMs: 10, maximumMs: 3_600_000 })),
  timeout: optional(duration({ description: "longest wait for an answer to begin; default 1s, on a serial line 500ms", minimumMs: 20, maximumMs: 60_000 })),
  pause: withDefault(duration({ description: "rest between two requests, for devices that need one; on a serial line at least 3.5 characters are kept", maximumMs: 10_000 }), 0, "0ms"),
  devices: list(DEVICE, { description: "the units to read", minItems: 1, maxItems: 247 }),
});
type Written = Of<typeof KEYS>;

/** Where the bus is. Sources with the same one share its connection. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly framing?: "rtu" }
  | { readonly kind: "serial"; readonly line: SerialLine };
export interface Device {
  readonly unit: number;
  readonly intervalMs: number;
  readonly gap: number;
  readonly maxBlock: number;
  /** Those of the profile and those by register; each says its order. */
  readonly points: readonly ModbusPoint[];
}
export interface ModbusConfig {
  readonly address: Address;
  readonly timeoutMs: number;
  readonly pauseMs: number;
  /** The shortest of the devices'. */
  readonly intervalMs: number;
  readonly devices: readonly Device[];
}

const TCP_PORT = 502;
const INTERVAL_MS = 1_000;
/** 1 to 247, and 248, by which a PZEM answers that is alone on the line (modbus.md §7.2). */
const MOST_RTU_UNIT = 248;

export const MODBUS_SHAPE: Shape<ModbusConfig> = {
  schema: KEYS.schema,
  read(value, path, problems) {
    const before = problems.length;
    const written = KEYS.read(value, path, problems);
    if (written === INVALID) return INVALID;
    checkPlace(written, path, problems);
    for (const [index, device] of written.devices.entries()) checkDevice(device, written, [...path, "devices", index], problems);
    checkSignals(written, path, problems);
    return problems.length > before ? INVALID : configOf(written);
  },
};

/** The bus as people name it. */
export const busName = (address: Address): string => (address.kind === "tcp" ? `${address.host}:${address.port}` : address.line.path);

function checkPlace({ host: name, port, framing, serial }: Written, path: Path, problems: Problem[]): void {
  if (name === undefined && serial === undefined) fail(problems, { path, on: "key", found: "neither host nor serial", expected: "host: ADDRESS for Modbus TCP, or serial: {path: …} for a serial line" });
  if (name !== undefined && serial !== undefined) fail(problems, { path: [...path, "serial"], on: "key", found: "host together with serial", expected: "one of them: two buses are two sources" });
  if (port !== undefined && serial !== undefined) fail(problems, { path: [...path, "port"], on: "key", found: "a TCP port of a serial line", expected: "serial: {path: …} alone" });
  if (framing !== undefined && serial !== undefined) fail(problems, { path: [...path, "framing"], on: "key", found: "framing of a serial line", expected: "serial: {path: …} alone: its frames are always rtu" });
}

function checkDevice({ unit, profile, only, name, group, points }: Written["devices"][number], { serial, framing }: Written, path: Path, problems: Problem[]): void {
  const known = profile === undefined ? undefined : PROFILES[profile];
  if ((serial !== undefined || framing === "rtu") && (unit < 1 || unit > MOST_RTU_UNIT)) fail(problems, { path: [...path, "unit"], on: "value", found: `the unit ${unit} on a serial line`, expected: `1 to ${MOST_RTU_UNIT}: 0 calls all and is answered by none` });
  if (known === undefined && points.length === 0) fail(problems, { path, on: "key", found: "a device without values", expected: "a profile, or points" });
  for (const [key, given] of [["only", only], ["name", name], ["group", group]] as const) if (given !== undefined && known === undefined) fail(problems, { path: [...path, key], on: "key", found: `${key} without a profile`, expected: "profile: NAME beside it" });
  const names = known === undefined ? [] : valueNames(known);
  for (const [index, word] of (known === undefined ? [] : only ?? []).entries()) if (!names.includes(word)) fail(problems, { path: [...path, "only", index], on: "value", found: `the value ${JSON.stringify(word)}`, expected: `one of ${names.join(", ")}` });
}

/** Two points of one name would take turns. Alarms are sets, one for each code. */
function checkSignals(written: Written, path: Path, problems: Problem[]): void {
  const seen = new Set<string>();
  for (const [index, device] of written.devices.entries()) {
    for (const { signal, alarm } of pointsOf(device)) {
      const name = alarm === undefined ? signal : `${signal} ${alarm.code}`;
      if (seen.has(name)) fail(problems, { path: [...path, "devices", index], on: "value", found: `${name} for the second time`, expected: "another signal, another code of the alarm, or another name beside the profile" });
      seen.add(name);
    }
  }
}

function pointsOf({ profile, only, name, group, points, order = "ABCD" }: Written["devices"][number]): readonly ModbusPoint[] {
  const known = profile === undefined ? undefined : PROFILES[profile];
  const named = known === undefined ? [] : profilePoints(known, { prefix: `${group === undefined ? "" : `${group}:`}${name === undefined ? "" : `${name}_`}`, ...(only !== undefined && { only }) });
  return [...named, ...points.map((point) => ({ ...point, order: point.order ?? order }))];
}

function configOf({ host: name = "", port = TCP_PORT, framing, serial, interval = INTERVAL_MS, timeout, pause, devices }: Written): ModbusConfig {
  const address: Address = serial === undefined ? { kind: "tcp", host: name, port, ...(framing === "rtu" && { framing }) }
    : { kind: "serial", line: { path: serial.path, baud: serial.baud, parity: serial.parity, stopBits: serial.stop_bits === "2" ? 2 : 1, dataBits: 8 } };
  const read = devices.map((device): Device => {
    const known = device.profile === undefined ? undefined : PROFILES[device.profile];
    return {
      unit: device.unit, intervalMs: device.interval ?? interval, points: pointsOf(device),
      gap: device.gap ?? known?.gap ?? (address.kind === "tcp" ? 16 : 8), maxBlock: device.max_block ?? known?.maxBlock ?? MOST_REGISTERS,
    };
  });
  return { address, timeoutMs: timeout ?? (address.kind === "tcp" ? 1_000 : 500), pauseMs: pause, intervalMs: Math.min(...read.map(({ intervalMs }) => intervalMs)), devices: read };
}

/** For people: "10.0.7.40:502, unit 1: 12 values, every 1s". */
export const summaryOf = ({ address, devices }: ModbusConfig): string =>
  `${busName(address)}${devices.slice(0, 4).map(({ unit, points, intervalMs }) => `, unit ${unit}: ${points.length} value${points.length === 1 ? "" : "s"} every ${durationText(intervalMs)}`).join("")}${devices.length > 4 ? `, and ${devices.length - 4} units more` : ""}`;
