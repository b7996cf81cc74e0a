/**
 * A stored record as CloudEvents 1.0 structured JSON, by joining texts: the body was made JSON once, when it was
 * stored, and is never read again on the way out. What depends on the run (epoch, seq, prev, bootid, observedat,
 * publishedat, late, clock, replay) travels as extension attributes and never in `data` (design.md P1).
 */
import type { AgentIdentity } from "../../agent/contract/destination.ts";
import type { StoredRecord } from "../../agent/contract/outbox.ts";
import type { RecordType } from "../../agent/contract/record.ts";
import { rfc3339, type UnixMs } from "../../agent/contract/time.ts";

/** Of the MQTT 5 Content Type property: says that the payload is a whole event. */
export const CONTENT_TYPE = "application/cloudevents+json; charset=utf-8";
/** Major version of each record type: `cycle/1`, `io.cellgate.cycle.v1`. */
export const MAJOR = 1;
export const eventType = (type: RecordType): string => `io.cellgate.${type}.v${MAJOR}`;

export interface Sending {
  readonly publishedAt: UnixMs;
  /** True when it may have been sent before: then it comes out of order, and says so. */
  readonly replay: boolean;
}

/** `source` gives a machine's topic path. The parts that repeat are made once per machine and type. */
export function eventWriter(identity: Pick<AgentIdentity, "epoch" | "bootId">, source: (machine: string | null) => string): (record: StoredRecord, sending: Sending) => string {
  const fixed = new Map<string, string>();
  const run = `,"epoch":${JSON.stringify(identity.epoch)},"bootid":${JSON.stringify(identity.bootId)}`;
  const head = (record: StoredRecord): string => {
    const key = `${record.type} ${record.machine ?? ""}`;
    let text = fixed.get(key);
    if (text === undefined) {
      text = `","source":${JSON.stringify(source(record.machine))},"type":"${eventType(record.type)}","datacontenttype":"application/json"${run}`;
      fixed.set(key, text);
    }
    return text;
  };
  const [started, observed, published] = [instantWriter(), instantWriter(), instantWriter()];
  return (record, { publishedAt, replay }) =>
    `{"specversion":"1.0","id":"${record.id}:${record.rev}${head(record)},"time":"${started(record.start)}"`
    + `,"seq":${record.seq},"prev":${record.prev},"observedat":"${observed(record.observedAt)}","publishedat":"${published(publishedAt)}"`
    + `${record.late ? ',"late":true' : ""}${record.clock === null ? "" : `,"clock":"${record.clock}"`}${replay ? ',"replay":true' : ""}`
    + `,"data":{"schema":"${record.type}/${MAJOR}","recordId":"${record.id}","rev":${record.rev}${inner(record.context)}${inner(record.body)}}}`;
}

/** `rfc3339`, but the text down to the second is kept: neighbours in a backlog mostly share it, and making it costs most of the envelope. */
function instantWriter(): (at: UnixMs) => string {
  let second = Number.NaN;
  let text = "";
  return (at) => {
    const own = Math.floor(at / 1_000);
    if (own !== second) {
      second = own;
      text = rfc3339(at).slice(0, -4);
    }
    return `${text}${String(at - own * 1_000).padStart(3, "0")}Z`;
  };
}

/** `{"a":1}` → `,"a":1`; `{}` → nothing. */
const inner = (object: string): string => (object.length > 2 ? `,${object.slice(1, -1)}` : "");
