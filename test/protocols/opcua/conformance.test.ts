/**
 * The OPC UA driver does what every driver must, against the simulated SINUMERIK; or, with OPCUA_ENDPOINT, against a server of
 * another make on this machine that has the SINUMERIK variables of the fact sheet and lets a client write them:
 *
 *   OPCUA_ENDPOINT=opc.tcp://127.0.0.1:4841 npm run vitest -- run test/protocols/opcua/conformance.test.ts
 */
import { AttributeIds, DataType, OPCUAClient, StatusCodes, type DataValueOptions } from "node-opcua-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSinumerik, type SimulatedSinumerik } from "../../../agent/simulate/opcua/sinumerik.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import type { Driver } from "../../../agent/contract/source.ts";
import { opcua } from "../../../protocols/opcua/driver.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import { driverConformance, type DriverPeer } from "../../conformance/driver.ts";
import { tcpWay } from "../../conformance/tcp-peer.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts } from "../../support/ports.ts";
import { startProxy } from "../../support/proxy.ts";
import { seeded } from "../../support/seeded.ts";
import { AGENT, config, temporaryFolder, type Folder } from "./support.ts";

/** What changes the server's values, and what it has counted. */
interface Far {
  readonly port: number;
  parts(count: number): void;
  spoil(): void;
  readonly writes: number;
  close(): Promise<void>;
}
const ENDPOINT = process.env["OPCUA_ENDPOINT"];
let folder: Folder;
let far: Far;
beforeAll(async () => {
  folder = temporaryFolder("opcua-conformance");
  far = ENDPOINT === undefined ? simulated(await startSinumerik({ port: await freePort(), folder: `${folder.path}/server`, sessions: 50 })) : await foreign(ENDPOINT);
}, 60_000);
afterAll(async () => {
  await far.close();
  folder[Symbol.dispose]();
});

const simulated = (control: SimulatedSinumerik): Far => ({
  port: Number(new URL(control.url.replace("opc.tcp", "http")).port),
  parts: (count) => { control.set("/Channel/State/actParts", count); },
  spoil: () => { control.spoil("/Channel/State/actParts", "BadOutOfService"); },
  get writes() { return control.counts.writes + control.counts.calls; },
  close: () => control.close(),
});

/** Another make's: its values are written by a client of ours, in order. */
async function foreign(endpoint: string): Promise<Far> {
  const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 1 } });
  await client.connect(endpoint);
  const session = await client.createSession();
  const index = (await session.readNamespaceArray()).indexOf("SinumerikVarProvider");
  let writing: Promise<unknown> = Promise.resolve();
  const write = (value: DataValueOptions): void => {
    writing = writing.then(() => session.write({ nodeId: `ns=${index};s=/Channel/State/actParts`, attributeId: AttributeIds.Value, value }));
  };
  return {
    port: Number(new URL(endpoint.replace("opc.tcp", "http")).port), writes: 0,
    parts: (count) => { write({ value: { dataType: DataType.Double, value: count } }); },
    spoil: () => { write({ statusCode: StatusCodes.BadOutOfService, value: { dataType: DataType.Double, value: 0 } }); },
    async close() {
      await writing;
      await session.close();
      await client.disconnect();
    },
  };
}

let count = 1_000;
async function peer(): Promise<DriverPeer> {
  const way = await tcpWay(far.port);
  const before = far.writes;
  return {
    driver: (ports) => driver(way.port, ports),
    change() {
      count += 1;
      far.parts(count);
      return { signal: "part_count", value: count };
    },
    blank() {
      far.spoil();
      return "part_count";
    },
    die: way.die, stall: way.stall, babble: way.babble,
    async flood() {
      const taken = way.taken;
      for (let turn = 0; turn < 300; turn++) {
        far.parts(++count);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return { taken: way.taken - taken, most: 1_000_000 };
    },
    get connections() { return way.connections; },
    get writes() { return far.writes - before; },
    [Symbol.asyncDispose]: () => way[Symbol.asyncDispose](),
  };
}
const driver = (port: number, ports: Ports): Driver => opcua.create(config({ url: `opc.tcp://127.0.0.1:${port}`, profile: "sinumerik", timeout: "5s", session: "10s" }), ports, { agentId: AGENT, dataDir: folder.path });

describe("as every driver", () => {
  driverConformance(peer, async (ports) => driver(await freePort(), ports), { polled: false, haste: 4, waits: 60 });
});

describe("damage in what the server says", () => {
  // By hand with FUZZ_ROUNDS=20000; each round is a connection with some of its pieces damaged.
  const rounds = Number(process.env["FUZZ_ROUNDS"] ?? 24);
  it("ends in a LinkError or in nothing, never in a crash or a hang", async () => {
    const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_127);
    const random = seeded(seed);
    let damaged = 0;
    const damage = (piece: Buffer): Buffer => {
      if (random() < 0.6) return piece;
      damaged++;
      const copy = Buffer.from(piece);
      const way = random();
      if (way < 0.15) return copy.subarray(0, Math.trunc(random() * copy.length));
      if (way < 0.3) return Buffer.concat([copy, copy]);
      for (let left = 1 + random() * 4; left > 0; left--) copy[Math.trunc(random() * copy.length)] = Math.trunc(random() * 256);
      return copy;
    };
    await using proxy = await startProxy(far.port);
    proxy.set({ garbles: damage });
    const strangers: unknown[] = [];
    const round = async (): Promise<void> => {
      const stop = new AbortController();
      const timer = setTimeout(() => { stop.abort(new Error("enough")); }, 250);
      try {
        const session = await driver(proxy.port, testPorts()).connect(stop.signal);
        try {
          for await (const { items } of session.read(null, stop.signal)) if (items.length > 0) far.parts(++count);
        } finally {
          await session.close();
        }
      } catch (cause) {
        if (!(cause instanceof LinkError) && cause !== stop.signal.reason) strangers.push(cause);
      } finally {
        clearTimeout(timer);
      }
    };
    for (let turn = 0; turn < rounds; turn += 6) await Promise.all(Array.from({ length: 6 }, round));
    expect({ seed, strangers }).toEqual({ seed, strangers: [] });
    expect(damaged).toBeGreaterThan(rounds / 2);
  }, 30_000 + rounds * 1_000);
});
