/**
 * The OPC UA driver does what every driver must, against the simulated SINUMERIK; or, with OPCUA_ENDPOINT, against a server of
 * another make on this machine that has the SINUMERIK variables of the fact sheet and lets a client write them:
 *
 *   OPCUA_ENDPOINT=opc.tcp://127.0.0.1:4841 npm run vitest -- run test/protocols/opcua/conformance.test.ts
 */
import { AttributeIds, DataType, OPCUAClient, StatusCodes, type DataValueOptions } from "node-opcua-client";
import { afterAll, beforeAll, describe } from "vitest";
import { startSinumerik, type SimulatedSinumerik } from "../../../agent/simulate/opcua/sinumerik.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import type { Driver } from "../../../agent/contract/source.ts";
import { opcua } from "../../../protocols/opcua/driver.ts";
import { driverConformance, type DriverPeer } from "../../conformance/driver.ts";
import { tcpWay } from "../../conformance/tcp-peer.ts";
import { freePort } from "../../support/free-port.ts";
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
