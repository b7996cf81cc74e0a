/**
 * A Sparkplug host as a test needs it: an independent MQTT client that reads everything with another decoder (protobufjs,
 * through sparkplug-payload), learns aliases from births as a host does, and writes commands and its own STATE.
 */
import { connectAsync, type MqttClient } from "mqtt";
import { get } from "sparkplug-payload";
import proto from "sparkplug-payload/lib/sparkplugPayloadProto.js";

const codec = get("spBv1.0");
if (codec === null) throw new Error("sparkplug-payload knows no spBv1.0");
export const { encodePayload: encodeByOracle, decodePayload: decodeByOracle } = codec;
const { Payload } = proto.org.eclipse.tahu.protobuf;

export interface SeenMetric {
  /** As sent. */
  readonly name: string | null;
  readonly alias: number | null;
  /** By name, or by the alias of the last birth. */
  readonly known: string;
  readonly timestamp: number | null;
  readonly datatype: number | null;
  readonly historical: boolean;
  readonly isNull: boolean;
  /** Of the value field that was sent, as a number, text, boolean or table; null when there was none. */
  readonly value: unknown;
  readonly quality: number | null;
  readonly unit: string | null;
}
export interface Seen {
  readonly topic: string;
  /** NBIRTH, DDATA, … */
  readonly type: string;
  readonly device: string | null;
  readonly qos: number;
  readonly retain: boolean;
  readonly seq: number | null;
  readonly timestamp: number | null;
  readonly metrics: readonly SeenMetric[];
  readonly bytes: Uint8Array;
  metric(name: string): SeenMetric | undefined;
}

const number = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value));
/** Int64 comes as two's complement in an unsigned field. */
const signed = (value: unknown): number => Number(BigInt.asIntN(64, BigInt(String(value))));

/** Every field that was on the wire, without regard to what the datatype says. */
export function decodeRaw(bytes: Uint8Array, aliases: ReadonlyMap<number, string> = new Map()): Pick<Seen, "seq" | "timestamp" | "metrics"> {
  const payload = Payload.decode(bytes);
  const own = (holder: object, key: string): boolean => Object.hasOwn(holder, key);
  return {
    seq: own(payload, "seq") ? number(payload.seq) : null,
    timestamp: own(payload, "timestamp") ? number(payload.timestamp) : null,
    metrics: payload.metrics.map((metric) => {
      const alias = own(metric, "alias") ? number(metric.alias) : null;
      const name = own(metric, "name") ? (metric.name ?? null) : null;
      const keys = metric.properties?.keys ?? [];
      const property = (key: string) => metric.properties?.values?.[keys.indexOf(key)];
      const value = own(metric, "intValue") ? Number(metric.intValue) | 0
        : own(metric, "longValue") ? signed(metric.longValue)
        : own(metric, "doubleValue") ? metric.doubleValue
        : own(metric, "booleanValue") ? metric.booleanValue
        : own(metric, "stringValue") ? metric.stringValue
        : own(metric, "datasetValue") ? { columns: metric.datasetValue?.columns, types: metric.datasetValue?.types, rows: metric.datasetValue?.rows?.map((row) => row.elements?.map((element) => element.stringValue)) }
        : null;
      return {
        name, alias, known: name ?? aliases.get(alias ?? -1) ?? `alias ${alias}`,
        timestamp: own(metric, "timestamp") ? number(metric.timestamp) : null,
        datatype: own(metric, "datatype") ? number(metric.datatype) : null,
        historical: metric.isHistorical === true, isNull: metric.isNull === true, value,
        quality: number(property("Quality")?.intValue), unit: property("engUnit")?.stringValue ?? null,
      };
    }),
  };
}

export interface Host extends AsyncDisposable {
  readonly client: MqttClient;
  readonly seen: readonly Seen[];
  of(type: string, device?: string): readonly Seen[];
  until(condition: (seen: readonly Seen[]) => boolean, what: string, timeoutMs?: number): Promise<void>;
  /** Retained STATE of this host. */
  state(online: boolean, timestamp: number, id?: string): Promise<void>;
  command(topic: string, metrics: readonly { readonly name: string; readonly type: "Boolean" | "String" | "Int32"; readonly value: boolean | string | number }[]): Promise<void>;
}

export const REBIRTH = [{ name: "Node Control/Rebirth", type: "Boolean", value: true }] as const;

export async function startHost(port: number, hostId = "scada-1"): Promise<Host> {
  const client = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", protocolVersion: 5, reconnectPeriod: 0, clientId: `host-${port}-${Math.random().toString(36).slice(2)}` });
  const seen: Seen[] = [];
  const aliases = new Map<number, string>();
  const looks = new Set<() => void>();
  client.on("error", () => undefined);
  client.on("message", (topic, bytes, packet) => {
    const [, , type = "", , device = null] = topic.split("/");
    if (topic.startsWith("spBv1.0/STATE/") || type.endsWith("CMD")) return;
    const decoded = decodeRaw(bytes, aliases);
    if (type.endsWith("BIRTH")) for (const { name, alias } of decoded.metrics) if (alias !== null && name !== null) aliases.set(alias, name);
    seen.push({ topic, type, device, qos: packet.qos, retain: packet.retain, bytes, ...decoded, metric: (name) => decoded.metrics.find(({ known }) => known === name) });
    for (const look of looks) look();
  });
  // At QoS 1, so that what was published at QoS 0 shows as such; retain as published.
  await client.subscribeAsync("spBv1.0/#", { qos: 1, rap: true });
  return {
    client, seen,
    of: (type, device) => seen.filter((one) => one.type === type && (device === undefined || one.device === device)),
    until(condition, what, timeoutMs = 10_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          looks.delete(look);
          reject(new Error(`not within ${timeoutMs} ms: ${what}; seen: ${seen.map(({ type, device, seq }) => `${type} ${device ?? ""} ${seq}`).join(", ")}`));
        }, timeoutMs);
        const look = (): void => {
          if (!condition(seen)) return;
          clearTimeout(timer);
          looks.delete(look);
          resolve();
        };
        looks.add(look);
        look();
      });
    },
    async state(online, timestamp, id = hostId) {
      await client.publishAsync(`spBv1.0/STATE/${id}`, JSON.stringify({ online, timestamp }), { qos: 1, retain: true });
    },
    async command(topic, metrics) {
      await client.publishAsync(topic, Buffer.from(encodeByOracle({ timestamp: 1, metrics: metrics.map((metric) => ({ ...metric })) })), { qos: 0 });
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
