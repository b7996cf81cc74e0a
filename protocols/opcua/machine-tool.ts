/**
 * Machine tools as OPC 40501 describes them (umati), within OPC 40001's list of machines (opcua.md §2.1, §2.2). Everything
 * is found by browse name, since numbers of nodes differ from server to server; what hangs under Monitoring has free
 * names, and is known by the members that its type must have. A server of version 1.00 has only some of it.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Address } from "./address.ts";
import { decodeNodeId, inSession } from "./address.ts";
import { hostOf, type OpcuaConfig } from "./config.ts";
import { walk } from "./nodes.ts";
import { OBJECTS, type Explorer, type Profile, type Reference, type Wanted } from "./profile.ts";
import { MachineToolTranslator, type FoundChannel } from "./machine-tool-words.ts";

const MACHINERY = "http://opcfoundation.org/UA/Machinery/";
/** Machinery: the folder of all machines, a node every such server has. */
const MACHINES = { namespace: MACHINERY, id: "i=1001" } as const;

type Settings = Pick<OpcuaConfig, "machine" | "url">;

export function machineTool(config: Settings): Profile {
  let namespaces: readonly string[] = [];
  let channels: readonly FoundChannel[] = [];
  return {
    name: "machine tool (umati)",
    alarms: [],
    async find(explorer) {
      namespaces = explorer.namespaces;
      const machine = await chooseMachine(explorer, config);
      const found = await look(explorer, machine.nodeId);
      channels = found.channels;
      return found.wanted;
    },
    translator: () => new MachineToolTranslator(channels, namespaces),
  };
}

/** Where they are organized, or where a server without the list has them: under Objects. */
async function chooseMachine(explorer: Explorer, { machine, url }: Settings): Promise<Reference> {
  const listed = inSession(MACHINES, explorer.namespaces);
  const folder = listed === null ? await walk(explorer, OBJECTS, [{ namespace: null, name: "Machines" }]) : listed;
  const machines = (folder === null ? [] : await explorer.children(folder)).filter(({ type }) => type !== "");
  const named = machine === undefined ? machines : machines.filter(({ name }) => name === machine);
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const known = machines.map(({ name }) => JSON.stringify(name)).join(", ");
  const wrong = machines.length === 0 ? "it has no machines: is it a machine tool's server by OPC 40501 (umati)?" : machine === undefined ? `it has several machines; name one under machine: ${known}` : `it has no machine ${JSON.stringify(machine)}; it has ${known}`;
  throw new LinkError("unsupported", { afterMs: 60_000 }, `OPC UA server at ${hostOf({ url })}: ${wrong}`);
}

const at = (nodeId: string): Address | null => {
  const node = decodeNodeId(nodeId);
  return node === null ? null : { by: "id", node };
};

interface Found {
  readonly wanted: readonly Wanted[];
  readonly channels: readonly FoundChannel[];
}

async function look(explorer: Explorer, machine: string): Promise<Found> {
  const wanted: Wanted[] = [];
  const want = async (from: string, path: readonly string[], key: string, as: Pick<Wanted, "pace" | "optional">): Promise<void> => {
    const nodeId = await walk(explorer, from, path.map((name) => ({ namespace: null, name })));
    const address = nodeId === null ? null : at(nodeId);
    if (address !== null) wanted.push({ key, address, ...as });
  };
  const state = { pace: "state", optional: true } as const;
  const measure = { pace: "measure", optional: true } as const;
  await want(machine, ["Production", "ActiveProgram", "Name"], "programName", { pace: "state", optional: false });
  await want(machine, ["Production", "ActiveProgram", "State", "CurrentState", "Number"], "programState", { pace: "state", optional: false });
  await want(machine, ["Production", "Statistics", "PartsProducedInLifetime"], "parts", state);
  await want(machine, ["Monitoring", "MachineTool", "OperationMode"], "operationMode", state);
  // Directly at the machine, or among its building blocks (§2.1): both are seen.
  for (const under of [[], ["MachineryBuildingBlocks"]]) for (const block of ["MachineryItemState", "MachineryOperationMode"]) for (const part of ["Id", "Number"])
    if (!wanted.some(({ key }) => key === block + part)) await want(machine, [...under, block, "CurrentState", part], block + part, state);
  const channels: FoundChannel[] = [];
  const monitoring = await walk(explorer, machine, [{ namespace: null, name: "Monitoring" }]);
  for (const element of monitoring === null ? [] : await explorer.children(monitoring)) {
    const members = new Set((await explorer.children(element.nodeId)).map(({ name }) => name));
    if (members.has("ChannelState")) {
      const number = channels.length + 1;
      channels.push({ number, name: element.name });
      for (const [name, as] of [["ChannelState", state], ["ChannelMode", state], ["FeedOverride", measure], ["RapidOverride", measure]] as const) await want(element.nodeId, [name], `${name}#${number}`, as);
    } else if (members.has("IsRotating") && !wanted.some(({ key }) => key === "spindleOverride")) await want(element.nodeId, ["Override"], "spindleOverride", measure);
  }
  return { wanted, channels };
}
