/**
 * One server with a machine tool by OPC 40501 in OPC 40001's list of machines, and a PackML unit by OPC 30050, made from the
 * specifications' own nodesets. Values are set by the way of browse names to them.
 */
import { nodeset, packages } from "./packages.ts";
import { startServer, type AddressSpace, type ServerOptions, type SimulatedServer } from "./server.ts";

const MACHINERY = "http://opcfoundation.org/UA/Machinery/";
const MACHINE_TOOL = "http://opcfoundation.org/UA/MachineTool/";
const PACKML = "http://opcfoundation.org/UA/PackML/";

type Namespace = ReturnType<AddressSpace["registerNamespace"]>;
type UAObject = ReturnType<Namespace["addObject"]>;
type UAVariable = ReturnType<Namespace["addVariable"]>;

export interface SimulatedCompanions extends SimulatedServer {
  /** `path` from the machine: "Production/ActiveProgram/Name". */
  machine(path: string, value: string | number | boolean, at?: Date): void;
  /** A state by its node's number in the model, and its own number where the server has one. */
  machineState(block: "MachineryItemState" | "MachineryOperationMode", node: number): void;
  /** `path` of the unit's state machine: "BaseStateMachine/MachineState". */
  unitState(path: string, node: number, at?: Date): void;
  unitMode(value: number): void;
}

export async function startCompanions(options: ServerOptions): Promise<SimulatedCompanions> {
  const base = await startServer({ product: "umati", ...options, nodesets: (["di", "machinery", "jobs", "machineryJobs", "ia", "machineTool", "packML"] as const).map((name) => nodeset(name)) });
  const { space } = base;
  const { coerceNodeId } = packages().client;
  const namespace = space.registerNamespace("urn:cellgate:simulated:companions");
  const machine = makeMachine(space);
  const unit = makeUnit(space, namespace);
  const now = options.now ?? ((): Date => new Date());
  const setState = (from: UAObject, path: string, state: { readonly uri: string; readonly node: number; readonly at?: Date | undefined }): void => {
    const id = descend(from, `${path}/CurrentState/Id`);
    id.setValueFromSource({ dataType: "NodeId", value: coerceNodeId(`ns=${space.getNamespaceIndex(state.uri)};i=${state.node}`) }, undefined, state.at ?? now());
  };
  return {
    ...base, get sessions() { return base.sessions; },
    machine(path, value, at) {
      const variable = descend(machine, path);
      const dataType = typeof value === "boolean" ? "Boolean" : typeof value === "string" ? "String" : NUMBERS[path.split("/").at(-1) ?? ""] ?? "Double";
      variable.setValueFromSource({ dataType, value }, undefined, at ?? now());
    },
    machineState: (block, node) => { setState(machine, block, { uri: MACHINERY, node }); },
    unitState: (path, node, at) => { setState(unit, path, { uri: PACKML, node, at }); },
    unitMode: (value) => { descend(unit, "Status/UnitModeCurrent").setValueFromSource({ dataType: "Int32", value }, undefined, now()); },
  };
}

/** Enumerations are Int32 on the wire. */
const NUMBERS: Readonly<Record<string, "Int32" | "UInt32">> = { Number: "UInt32", ChannelState: "Int32", ChannelMode: "Int32", OperationMode: "Int32", PartsProducedInLifetime: "UInt32" };

function makeMachine(space: AddressSpace): UAObject {
  const type = space.findObjectType("MachineToolType", space.getNamespaceIndex(MACHINE_TOOL));
  const channel = space.findObjectType("ChannelMonitoringType", space.getNamespaceIndex(MACHINE_TOOL));
  const itemState = space.findObjectType("MachineryItemState_StateMachineType", space.getNamespaceIndex(MACHINERY));
  const operationMode = space.findObjectType("MachineryOperationModeStateMachineType", space.getNamespaceIndex(MACHINERY));
  const machines = space.findNode(`ns=${space.getNamespaceIndex(MACHINERY)};i=1001`);
  if (!type || !channel || !itemState || !operationMode || !machines) throw new Error("the nodesets have no machine tools");
  const machine = type.instantiate({ browseName: "VMC-3", organizedBy: machines, optionals: ["Production.Statistics", "Production.Statistics.PartsProducedInLifetime", "Monitoring.MachineTool"] });
  const monitoring = machine.getChildByName("Monitoring") as UAObject;
  channel.instantiate({ browseName: "Kanal 1", componentOf: monitoring, optionals: ["RapidOverride"] });
  itemState.instantiate({ browseName: { name: "MachineryItemState", namespaceIndex: space.getNamespaceIndex(MACHINERY) }, componentOf: machine });
  operationMode.instantiate({ browseName: { name: "MachineryOperationMode", namespaceIndex: space.getNamespaceIndex(MACHINERY) }, componentOf: machine });
  return machine;
}

function makeUnit(space: AddressSpace, namespace: Namespace): UAObject {
  const type = space.findObjectType("PackMLBaseObjectType", space.getNamespaceIndex(PACKML));
  if (!type) throw new Error("the nodesets have no PackML unit");
  const line = namespace.addObject({ browseName: "Line 4", organizedBy: space.rootFolder.objects });
  return type.instantiate({ browseName: "Filler", componentOf: line });
}

function descend(from: UAObject, path: string): UAVariable {
  const [name = "", ...rest] = path.split("/");
  const next = from.getChildByName(name);
  if (!next) throw new Error(`there is no ${name}; there are ${from.getComponents().map((one) => one.browseName.name).join(", ")}`);
  return rest.length === 0 ? next as UAVariable : descend(next as UAObject, rest.join("/"));
}
