/**
 * An address space like a SINUMERIK's, with the quirks that clients stumble over: identifiers are paths with an index in
 * them, only the first channel can be browsed, counts are doubles, an unset right is BadUserAccessDenied on that variable
 * alone, alarms are events of the object Sinumerik and are told again only when asked for.
 */
import { nodeset, packages } from "./packages.ts";
import { startServer, type AddressSpace, type ServerOptions, type SimulatedServer } from "./server.ts";

type Namespace = ReturnType<AddressSpace["registerNamespace"]>;
type UAObject = ReturnType<Namespace["addObject"]>;
type UAVariable = ReturnType<Namespace["addVariable"]>;
type Status = NonNullable<Parameters<UAVariable["setValueFromSource"]>[1]>;

type Kind = "UInt16" | "Double" | "String" | "Boolean";
/** Path → type and first value. `[u2, 1]` variables exist too, and are not browsable. */
const VARIABLES: readonly (readonly [path: string, kind: Kind, first: string | number | boolean])[] = [
  ["/Channel/State/progStatus", "UInt16", 5], ["/Channel/State/chanStatus", "UInt16", 0], ["/Bag/State/opMode", "UInt16", 2],
  ["/Channel/ProgramInfo/workPandProgName", "String", ""], ["/Channel/ProgramInfo/progName", "String", ""], ["/Channel/ProgramInfo/actBlock", "String", ""], ["/Channel/ProgramInfo/msg", "String", ""],
  ["/Channel/State/actParts", "Double", 0], ["/Channel/State/totalParts", "Double", 0], ["/Channel/State/reqParts", "Double", 0],
  ["/Channel/State/actTNumber", "UInt16", 0], ["/Channel/State/feedRateIpoOvr", "Double", 100], ["/Channel/State/rapFeedRateOvr", "Double", 100],
  ["/Channel/Spindle/actSpeed", "Double", 0], ["/Channel/Spindle/speedOvr", "Double", 100], ["/Nck/Spindle/driveLoad", "Double", 0], ["/Nck/Spindle/driveLoad[u1, 4]", "Double", 0],
  ["/Channel/State/progStatus[u2, 1]", "UInt16", 5], ["/Channel/State/chanStatus[u2, 1]", "UInt16", 0], ["/Bag/State/opMode[u2, 1]", "UInt16", 2], ["/Channel/ProgramInfo/workPandProgName[u2, 1]", "String", ""],
  ["/Plc/DB10.DBX106.1", "Boolean", false], ["/Plc/DB2.DBD4:REAL", "Double", 20],
];

export interface SimulatedSinumerik extends SimulatedServer {
  /** `at`: the control's stamp; default: now. */
  set(path: string, value: string | number | boolean, at?: Date): void;
  /** The variable loses its value, or gets it back with the next `set`. */
  spoil(path: string, status: string): void;
  /** The variable goes, as after a program was loaded. */
  remove(path: string): void;
  add(path: string, kind: Kind, value: string | number | boolean): void;
  alarm(code: string, text: string, severity: number, active: boolean): void;
  /** `silent`: takes a ConditionRefresh and tells nothing, as servers do that have none. */
  readonly refreshing: { silent: boolean };
}

export async function startSinumerik(options: ServerOptions): Promise<SimulatedSinumerik> {
  const { StatusCodes } = packages().client;
  const now = options.now ?? ((): Date => new Date());
  const refreshing = { silent: false };
  const base = await startServer({ product: "SINUMERIK", ...options, nodesets: [nodeset("cnc"), ...(options.nodesets ?? [])] });
  const namespace = base.space.registerNamespace("SinumerikVarProvider");
  const root = namespace.addObject({ browseName: "Sinumerik", nodeId: "s=Sinumerik", organizedBy: base.space.rootFolder.objects, eventNotifier: 1, eventSourceOf: base.space.rootFolder.objects.server });
  const variables = new Map<string, { readonly node: UAVariable; readonly kind: Kind }>();
  const add = (path: string, kind: Kind, value: string | number | boolean): void => {
    variables.set(path, { kind, node: addVariable(namespace, root, path, { kind, value }) });
  };
  for (const [path, kind, first] of VARIABLES) add(path, kind, first);
  const found = (path: string): { readonly node: UAVariable; readonly kind: Kind } => {
    const one = variables.get(path);
    if (!one) throw new Error(`the simulated SINUMERIK has no ${path}`);
    return one;
  };
  const statuses = StatusCodes as unknown as Readonly<Record<string, (typeof StatusCodes)["Good"]>>;
  return {
    ...base, get sessions() { return base.sessions; }, add,
    set(path, value, at) {
      const { node, kind } = found(path);
      node.setValueFromSource({ dataType: kind, value }, StatusCodes.Good, at ?? now());
    },
    spoil(path, status) {
      const { node, kind } = found(path);
      node.setValueFromSource({ dataType: kind, value: EMPTY[kind] }, statuses[status] ?? StatusCodes.Bad, now());
    },
    remove(path) {
      namespace.deleteNode(found(path).node);
      variables.delete(path);
    },
    refreshing, alarm: alarms(base.space, root, { good: StatusCodes.Good, now, refreshing }),
  };
}

const EMPTY: Readonly<Record<Kind, string | number | boolean>> = { UInt16: 0, Double: 0, String: "", Boolean: false };

function addVariable(namespace: Namespace, root: UAObject, path: string, { kind, value }: { readonly kind: Kind; readonly value: string | number | boolean }): UAVariable {
  const browsable = !path.includes("[") && !path.startsWith("/Plc");
  return namespace.addVariable({
    browseName: path.split("/").at(-1) ?? path, nodeId: `s=${path}`, dataType: kind, accessLevel: "CurrentRead", userAccessLevel: "CurrentRead", minimumSamplingInterval: 50,
    ...(browsable && { componentOf: root }), value: { dataType: kind, value },
  });
}

interface Alarm {
  readonly text: string;
  readonly severity: number;
  readonly since: Date;
}

/** Events of the object Sinumerik, as CNC alarms carry their number; active ones are told again between the brackets of a refresh. */
function alarms(space: AddressSpace, root: UAObject, { good, now, refreshing }: { readonly good: Status; readonly now: () => Date; readonly refreshing: { readonly silent: boolean } }): SimulatedSinumerik["alarm"] {
  const type = space.findEventType("CncAlarmType", space.getNamespaceIndex("http://opcfoundation.org/UA/CNC"));
  const refresh = space.findMethod("i=3875");
  if (!type || !refresh) throw new Error("the nodesets have no CncAlarmType, or no ConditionRefresh");
  const active = new Map<string, Alarm>();
  const tell = (code: string, { text, severity, since }: Alarm, isActive: boolean): void => {
    root.raiseEvent(type, {
      sourceName: { dataType: "String", value: "Sinumerik" }, time: { dataType: "DateTime", value: since }, message: { dataType: "LocalizedText", value: { text } }, severity: { dataType: "UInt16", value: severity },
      conditionName: { dataType: "String", value: `Alarm${code}` }, retain: { dataType: "Boolean", value: isActive }, "activeState.id": { dataType: "Boolean", value: isActive }, alarmIdentifier: { dataType: "String", value: code },
    });
  };
  refresh.bindMethod((_input, _context, answer) => {
    if (!refreshing.silent) {
      root.raiseEvent("RefreshStartEventType", {});
      for (const [code, alarm] of active) tell(code, alarm, true);
      root.raiseEvent("RefreshEndEventType", {});
    }
    answer(null, { statusCode: good });
  });
  return (code, text, severity, isActive) => {
    const alarm = { text, severity, since: now() };
    if (isActive) active.set(code, alarm);
    else active.delete(code);
    tell(code, alarm, isActive);
  };
}
