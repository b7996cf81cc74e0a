/** Peers that share no code with us: pymodbus and libmodbus, over TCP and on a serial line (pseudo-terminals). */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../../support/free-port.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { serialCable } from "../../support/pty.ts";
import { open, words, type Keys } from "./reading.ts";

const PEERS = join(import.meta.dirname, "peers");

interface Peer extends AsyncDisposable {
  /** What it said after "ready". */
  readonly lines: readonly string[];
}
/** Resolves when it says that it answers. */
async function peer(command: string, args: readonly string[]): Promise<Peer> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  const lines: string[] = [];
  let errors = "";
  child.stderr.on("data", (bytes: Buffer) => { errors = (errors + bytes.toString()).slice(-2_000); });
  const output = createInterface({ input: child.stdout });
  const ready = once(output, "line");
  output.on("line", (line) => void lines.push(line));
  const first = await Promise.race([ready, ended.then(([code]) => { throw new Error(`${command} ended with ${String(code)}: ${errors}`); })]);
  expect(first).toEqual(["ready"]);
  lines.length = 0;
  return {
    lines,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** A place for the driver and, beside it, what the peer is started with. */
const PLACES: readonly (readonly [string, () => Promise<{ readonly keys: Keys; readonly args: readonly string[] } & AsyncDisposable>])[] = [
  ["over TCP", async () => {
    const port = await freePort();
    return { keys: { host: "127.0.0.1", port, timeout: "5s" }, args: ["tcp", String(port)], [Symbol.asyncDispose]: () => Promise.resolve() };
  }],
  ["on a serial line", async () => {
    const cable = await serialCable();
    return { keys: { serial: { path: cable.near, baud: 19_200 }, timeout: "3s" }, args: ["serial", cable.far, "19200", "N"], [Symbol.asyncDispose]: () => cable[Symbol.asyncDispose]() };
  }],
];

const coils = [0, 1, 3, 17, 98, 99].map((address) => ({ table: "coil", address, signal: `point/c${address}` }));
const registers = [...words([0, 1, 2, 60, 124, 125, 199]), { address: 10, type: "u32", signal: "point/u32" }, { address: 10, type: "u32", order: "CDAB", signal: "point/swapped" }];
const EXPECTED = {
  "point/p0": 0, "point/p1": 1, "point/p2": 2, "point/p60": 60, "point/p124": 124, "point/p125": 125, "point/p199": 199, "point/u32": 0x000a_000b, "point/swapped": 0x000b_000a,
  "point/c0": true, "point/c1": false, "point/c3": true, "point/c17": false, "point/c98": false, "point/c99": true,
};

describeNeeding(["pymodbus", "socat"], "pymodbus", () => {
  it.each(PLACES)("%s: two units, all tables, and what it refuses", async (_, make) => {
    await using place = await make();
    await using server = await peer("/usr/bin/python3", [join(PEERS, "pymodbus-server.py"), ...place.args]);
    const ports = testPorts();
    await using source = await open({ ...place.keys, interval: "10ms", devices: [
      { unit: 1, gap: 125, points: [...registers, ...coils, { address: 300, signal: "point/beyond" }, { address: 310, signal: "point/none" }, { table: "input", address: 0, signal: "point/input" }, { table: "discrete", address: 1, signal: "point/discrete" }] },
      { unit: 2, points: [{ table: "input", address: 0, type: "f32", signal: "point/volts" }, { table: "input", address: 2, type: "f32", signal: "point/amperes" }] },
    ] }, ports);
    await source.next();
    expect(Object.fromEntries(source.values)).toEqual({ ...EXPECTED, "point/beyond": 0x1234, "point/none": null, "point/input": 7, "point/discrete": true, "point/volts": 230.5, "point/amperes": -12.25 });
    expect(ports.lines.filter(({ sentence }) => sentence.includes("refuses a value")).map(({ fields }) => [fields["address"], fields["exception"]])).toEqual([[310, 2]]);
    for (let turn = 0; turn < 20; turn++) await source.next();
    expect(source.batches.slice(1).every(({ items, caughtUp }) => items.length === 0 && caughtUp)).toBe(true);
    expect(server.lines).toEqual([]);
  });
});

describeNeeding(["gcc", "libmodbus", "socat"], "libmodbus", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cellgate-libmodbus-"));
    const { status, stderr } = spawnSync("gcc", ["-O1", "-Wall", "-o", join(folder, "server"), join(PEERS, "libmodbus-server.c"), "-lmodbus"], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(PLACES)("%s: its values, and not one write", async (_, make) => {
    await using place = await make();
    await using server = await peer(join(folder, "server"), place.args);
    const source = await open({ ...place.keys, interval: "10ms", devices: [{ unit: 1, gap: 125, points: [...registers, ...coils] }] });
    for (let turn = 0; turn < 30; turn++) await source.next();
    expect(Object.fromEntries(source.values)).toEqual(EXPECTED);
    await source[Symbol.asyncDispose]();
    // It takes one client at a time: the slot was given back.
    await using again = await open({ ...place.keys, interval: "10ms", devices: [{ unit: 1, gap: 125, points: registers }] });
    await again.next();
    expect(again.values.get("point/u32")).toBe(0x000a_000b);
    expect(server.lines).toEqual([]);
  });
});
