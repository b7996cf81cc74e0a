/**
 * A small agent over HTTP for the driver's tests, written from mtconnect.md §2 to §5 and sharing no code with the
 * driver: one device, a ring of observations, /probe, /current(?at), /sample, streams. It can be restarted, made to
 * refuse what old and odd agents refuse, and counts what it was asked.
 */
import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

export interface TinyItem {
  readonly id: string;
  readonly type: string;
  readonly category: "SAMPLE" | "EVENT" | "CONDITION";
}
export interface TinyObservation {
  readonly id: string;
  /** Text of a value; for a condition "Level|code|text". */
  readonly value: string;
  /** ms. */
  readonly at: number;
}
interface Kept extends TinyObservation {
  readonly sequence: number;
}

export interface Habits {
  ring: number;
  /** Refuses `path` with INVALID_XPATH. */
  refusesFilter: boolean;
  /** Answers one document instead of a stream. */
  streams: boolean;
  /** MTConnect.NET: `from` beyond the last sequence is out of range. */
  refusesEnd: boolean;
  refusesHeartbeat: boolean;
  knowsAt: boolean;
  packs: boolean;
  firstSequence: number;
  user: string | null;
}

const ITEMS: readonly TinyItem[] = [
  { id: "avail", type: "AVAILABILITY", category: "EVENT" }, { id: "exec", type: "EXECUTION", category: "EVENT" },
  { id: "mode", type: "CONTROLLER_MODE", category: "EVENT" }, { id: "count", type: "PART_COUNT", category: "EVENT" },
  { id: "prog", type: "PROGRAM", category: "EVENT" }, { id: "sys", type: "SYSTEM", category: "CONDITION" },
  { id: "noise", type: "POSITION", category: "SAMPLE" },
];
export const BASE = Date.UTC(2026, 0, 5, 6);

export class TinyAgent implements AsyncDisposable {
  readonly habits: Habits;
  readonly targets: string[] = [];
  readonly methods = new Set<string>();
  instance = 100;
  #kept: Kept[] = [];
  #next: number;
  readonly #streams = new Set<() => void>();
  readonly #server: http.Server;

  constructor(habits: Partial<Habits> = {}, server: (listener: http.RequestListener) => http.Server = (listener) => http.createServer(listener)) {
    this.habits = { ring: 1_000, refusesFilter: false, streams: true, refusesEnd: false, refusesHeartbeat: false, knowsAt: true, packs: false, firstSequence: 1, user: null, ...habits };
    this.#next = this.habits.firstSequence;
    this.#server = server((request, response) => {
      this.#answer(request, response);
    });
    this.#blank();
  }

  async listen(port = 0): Promise<string> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${this.port}`;
  }
  get port(): number { return (this.#server.address() as AddressInfo).port; }
  get next(): number { return this.#next; }
  get first(): number { return Math.max(this.habits.firstSequence, this.#next - this.habits.ring); }

  add(...observations: readonly TinyObservation[]): void {
    for (const one of observations) this.#kept.push({ ...one, sequence: this.#next++ });
    for (const push of this.#streams) push();
  }
  /** New instance, empty buffer, every item unavailable. */
  restart(at = BASE): void {
    this.instance += 1;
    this.#kept = [];
    this.#next = 1;
    this.#blank(at);
    this.cut();
  }
  #blank(at = BASE): void {
    this.add(...ITEMS.map(({ id, category }) => ({ id, value: category === "CONDITION" ? "Unavailable||" : "UNAVAILABLE", at })));
  }
  /** Ends every open connection. */
  cut(): void {
    this.#streams.clear();
    this.#server.closeAllConnections();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://tiny");
    this.targets.push(`${url.pathname}${decodeURIComponent(url.search)}`);
    this.methods.add(request.method ?? "");
    const { user } = this.habits;
    if (user !== null && request.headers.authorization !== `Basic ${Buffer.from(user).toString("base64")}`) return void response.writeHead(401).end("no");
    const kind = url.pathname.split("/").at(-1);
    if (kind === "probe") return this.#send(response, 200, this.#probe());
    if (url.searchParams.has("path") && this.habits.refusesFilter) return this.#send(response, 400, this.#error("INVALID_XPATH", "The path could not be parsed"));
    if (kind === "current") return this.#current(url.searchParams, response);
    if (kind === "sample") return this.#sample(url.searchParams, response);
    this.#send(response, 404, this.#error("INVALID_URI", "nothing here"));
  }

  #send(response: http.ServerResponse, status: number, body: string): void {
    const packed = this.habits.packs ? gzipSync(body) : Buffer.from(body);
    response.writeHead(status, { "Content-Type": "text/xml", ...(this.habits.packs && { "Content-Encoding": "gzip" }) }).end(packed);
  }

  #current(query: URLSearchParams, response: http.ServerResponse): void {
    const at = query.get("at");
    if (at !== null && !this.habits.knowsAt) return this.#send(response, 200, this.#error("INVALID_REQUEST", "at is not supported"));
    if (at !== null && (Number(at) < this.first || Number(at) >= this.#next)) return this.#send(response, 400, this.#error("OUT_OF_RANGE", "'at' is out of range"));
    const through = at === null ? this.#next - 1 : Number(at);
    const latest = new Map<string, Kept[]>();
    for (const one of this.#kept) {
      if (one.sequence > through) break;
      const before = latest.get(one.id) ?? [];
      // A condition's current state is the list of what is active; another item's is its last value.
      const isFault = /^(?:Fault|Warning)/u.test(one.value);
      latest.set(one.id, isFault ? [...before.filter(({ value }) => /^(?:Fault|Warning)/u.test(value) && value.split("|")[1] !== one.value.split("|")[1]), one] : [one]);
    }
    this.#send(response, 200, this.#document([...latest.values()].flat(), this.#next));
  }

  #sample(query: URLSearchParams, response: http.ServerResponse): void {
    const from = Number(query.get("from") ?? this.first);
    const count = Number(query.get("count") ?? 100);
    const { refusesEnd, refusesHeartbeat, ring, streams } = this.habits;
    if (count > ring) return this.#send(response, 400, this.#error("OUT_OF_RANGE", `'count' must be less than ${ring + 1}`));
    if (query.has("heartbeat") && refusesHeartbeat) return this.#send(response, 200, this.#error("QUERY_ERROR", "'heartbeat' must be less than 10"));
    const limit = refusesEnd && !query.has("interval") ? this.#next - 1 : this.#next;
    if (from < this.first || from > limit) return this.#send(response, 404, this.#error("OUT_OF_RANGE", "'from' is out of range"));
    const page = (start: number): { readonly body: string; readonly next: number } => {
      const some = this.#kept.filter(({ sequence }) => sequence >= start).slice(0, count);
      const next = some.length === count ? (some.at(-1)?.sequence ?? 0) + 1 : this.#next;
      return { body: this.#document(some, next), next };
    };
    if (!query.has("interval") || !streams) return this.#send(response, 200, page(from).body);
    this.#stream(response, from, page, Number(query.get("heartbeat") ?? 10_000));
  }

  #stream(response: http.ServerResponse, from: number, page: (start: number) => { readonly body: string; readonly next: number }, heartbeat: number): void {
    response.writeHead(200, { "Content-Type": "multipart/x-mixed-replace;boundary=tiny" });
    let position = from;
    const push = (): void => {
      do {
        const { body, next } = page(position);
        response.write(`--tiny\r\nContent-type: text/xml\r\nContent-length: ${Buffer.byteLength(body) + 2}\r\n\r\n${body}\r\n`);
        position = next;
      } while (position < this.#next);
    };
    const beat = setInterval(push, heartbeat);
    this.#streams.add(push);
    response.on("close", () => {
      clearInterval(beat);
      this.#streams.delete(push);
    });
    push();
  }

  #header(next: number): string {
    const newest = this.#kept.at(-1)?.at ?? BASE;
    return `<Header creationTime="${new Date(newest).toISOString()}" instanceId="${this.instance}" version="1.3.0.17" sender="tiny" bufferSize="${this.habits.ring}" firstSequence="${this.first}" lastSequence="${this.#next - 1}" nextSequence="${next}"/>`;
  }
  #document(some: readonly Kept[], next: number): string {
    // Grouped by item, as agents do: not in the order of sequences.
    const groups = ITEMS.flatMap(({ id, type, category }) => {
      const name = type.split("_").map((word) => (word[0] ?? "") + word.slice(1).toLowerCase()).join("");
      return some.filter((one) => one.id === id).map(({ sequence, at, value }) => {
        const stamp = `dataItemId="${id}" sequence="${sequence}" timestamp="${new Date(at).toISOString()}"`;
        const [level = "", code = "", text = ""] = value.split("|");
        return category === "CONDITION" ? `<Condition><${level} ${stamp} type="${type}"${code && ` nativeCode="${code}"`}>${text}</${level}></Condition>` : `<Events><${name} ${stamp}>${value}</${name}></Events>`;
      });
    });
    return `<?xml version="1.0"?><m:MTConnectStreams xmlns:m="urn:mtconnect.org:MTConnectStreams:1.3">${this.#header(next).replace("<Header", "<m:Header")}<Streams><DeviceStream name="M1" uuid="000"><ComponentStream component="Path">${groups.join("")}</ComponentStream></DeviceStream></Streams></m:MTConnectStreams>`;
  }
  #error(code: string, text: string): string {
    return `<MTConnectError><Header creationTime="${new Date(BASE).toISOString()}" instanceId="${this.instance}" version="1.3.0.17" sender="tiny"/><Errors><Error errorCode="${code}">${text}</Error></Errors></MTConnectError>`;
  }
  #probe(): string {
    const items = ITEMS.map(({ id, type, category }) => `<DataItem id="${id}" type="${type}" category="${category}"/>`).join("");
    return `<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.3"><Header instanceId="${this.instance}"/><Devices><Device id="d" name="M1" uuid="000"><Components><Controller id="c"><Components><Path id="p"><DataItems>${items}</DataItems></Path></Components></Controller></Components></Device></Devices></MTConnectDevices>`;
  }
}
