/** One look over the network: which hosts at which ports, what was found and what was said of it, and how it is printed. */
import type { Ports } from "../../contract/ports.ts";
import type { HeldSource } from "../../runtime/health/held-sources.ts";
import { UsageError } from "../arguments.ts";
import { write, type Io } from "../terminal.ts";
import { addressesOf, type Holders } from "./holders.ts";
import { plain } from "./plain.ts";
import { addressOf, isPrivate, type Target } from "./ranges.ts";
import type { Attempt, Endpoint, Host, Oddity } from "./scan.ts";
import { stanzas, type Stanza } from "./stanza.ts";

const SAY_EVERY_MS = 5_000;
/** A network that answers everything (a proxy) fills no memory. */
const MOST_ODDITIES = 500;

export interface Searching {
  readonly io: Io;
  readonly ports: Ports;
  readonly holders: Holders;
  readonly total: number;
}

export class Search {
  readonly #searching: Searching;
  readonly #found: Endpoint[] = [];
  readonly #oddities: Oddity[] = [];
  readonly #held = new Map<HeldSource, string>();
  #done = 0;
  #more = 0;
  #saidMs: number;

  constructor(searching: Searching) {
    this.#searching = searching;
    this.#saidMs = searching.ports.network.now().monoMs;
  }

  /** What a running agent reads is left out. Names are resolved here, and only what they stand for is connected to. */
  async hosts(targets: readonly Target[], attemptsOf: (target: Target) => readonly Attempt[]): Promise<Iterable<Host>> {
    const named = new Map<Target, readonly string[]>();
    for (const target of targets) {
      if (target.hosts.kind !== "name") continue;
      const addresses = await addressesOf(target.hosts.name);
      const strange = addresses.find((address) => !isPrivate(address));
      if (strange !== undefined) throw new UsageError(`${target.text}: ${strange === target.hosts.name ? "the name is not known" : `the name stands for ${strange}, which is no private address`}`);
      named.set(target, addresses.slice(0, 1));
    }
    const heldAt = await this.#searching.holders.places();
    return this.#each(targets, attemptsOf, { named, heldAt });
  }

  *#each(targets: readonly Target[], attemptsOf: (target: Target) => readonly Attempt[], { named, heldAt }: { readonly named: ReadonlyMap<Target, readonly string[]>; readonly heldAt: (host: string, port: number) => HeldSource | null }): Generator<Host> {
    const seen = new Set<string>();
    for (const target of targets) {
      for (const host of eachOf(target, named.get(target) ?? [])) {
        const free = attemptsOf(target).filter(({ port, kind }) => {
          const held = heldAt(host, port);
          if (held !== null) this.#held.set(held, placeOf({ at: { host, port } }));
          const key = `${kind} ${host} ${port}`;
          const isNew = !seen.has(key);
          if (targets.length > 1) seen.add(key);
          return held === null && isNew;
        });
        if (free.length > 0) yield { host, attempts: free };
        else this.#done++;
      }
    }
  }

  /** Serial ports that the running agent does not read. */
  async freePorts(paths: readonly string[]): Promise<readonly string[]> {
    const free: string[] = [];
    for (const path of paths) {
      const held = await this.#searching.holders.of({ serial: path });
      if (held === null) free.push(path);
      else this.#held.set(held, path);
    }
    return free;
  }

  listeners(): { readonly onFound: (endpoint: Endpoint) => void; readonly onOddity: (oddity: Oddity) => void; readonly onHost: () => void } {
    const { io } = this.#searching;
    return {
      onFound: (endpoint) => {
        this.#found.push(endpoint);
        void write(io.stderr, `${this.#clear()}${endpoint.kind} at ${placeOf(endpoint)}: ${plain(endpoint.found.words)}\n`);
      },
      onOddity: (oddity) => {
        if (this.#oddities.length < MOST_ODDITIES) this.#oddities.push(oddity);
        else this.#more++;
      },
      onHost: () => {
        this.#done++;
        this.#progress();
      },
    };
  }

  /** A terminal's line that changes; elsewhere a line now and then. */
  #progress(): void {
    const { io, ports, total } = this.#searching;
    const nowMs = ports.network.now().monoMs;
    if (nowMs - this.#saidMs < (io.errorIsTerminal ? 200 : SAY_EVERY_MS)) return;
    this.#saidMs = nowMs;
    void write(io.stderr, `${this.#clear()}${this.#done} of ${total} addresses, ${this.#found.length} found${io.errorIsTerminal ? "" : "\n"}`);
  }

  #clear(): string {
    return this.#searching.io.errorIsTerminal ? "\r\u001b[K" : "";
  }

  async end(): Promise<void> {
    const { io, total } = this.#searching;
    await write(io.stderr, `${this.#clear()}${Math.min(this.#done, total)} of ${total} addresses looked at, ${this.#found.length} found\n`);
  }

  json(serial: readonly Stanza[]): string {
    return `${JSON.stringify({
      found: this.#sorted().map(({ kind, at, found }) => ({ kind, ...at, words: found.words, facts: found.facts ?? {}, notes: found.notes ?? [], source: { type: kind, ...found.keys } })),
      held: [...this.#held].map(([{ machine, kind, link }, at]) => ({ machine, kind, at, link })),
      others: this.#oddities.map(({ kind, at, message }) => ({ kind, ...at, message })),
      serial: serial.map(({ kind, keys }) => ({ type: kind, ...keys })),
      addresses: { looked: this.#done, of: this.#searching.total },
    }, null, 2)}\n`;
  }

  words(serial: readonly Stanza[]): string {
    const found = this.#sorted();
    const all = [...found.map((endpoint) => this.#stanza(endpoint)), ...serial];
    const said = [
      ...[...this.#held].map(([{ machine, kind }, at]) => `# ${at} is read by the running agent: machine ${plain(machine)} (${plain(kind)}); more: cellgate probe ${plain(machine)}`),
      ...this.#oddities.map(({ kind, at, message }) => `# ${placeOf({ at })} takes connections, but not as ${kind}: ${plain(message)}`),
      ...(this.#more === 0 ? [] : [`# and ${this.#more} ports more that take connections and are none of these`]),
    ].map((line) => `${line}\n`).join("");
    return `${all.length === 0 ? "# nothing was found: are the controls switched on, and their interfaces enabled (docs/finding-controls.md)?\n" : stanzas(all)}${said}`;
  }

  #stanza(endpoint: Endpoint): Stanza {
    const { kind, at, found } = endpoint;
    const others = [...new Set(this.#found.filter((other) => other !== endpoint && other.at.host === at.host && other.kind !== kind).map((other) => other.kind))];
    const both = others.length === 0 ? [] : [`the same host also answers as ${others.join(", ")}: one source is enough for a machine`];
    return { kind, keys: found.keys, where: at.host, isSure: true, comments: [`${placeOf(endpoint)}: ${found.words}`, ...(found.notes ?? []), ...both] };
  }

  #sorted(): readonly Endpoint[] {
    const order = ({ at, kind }: Endpoint): string => `${at.host.split(".").map((part) => part.padStart(3, "0")).join(".")} ${String(at.port).padStart(5, "0")} ${kind}`;
    return this.#found.toSorted((one, other) => (order(one) < order(other) ? -1 : 1));
  }
}

const placeOf = ({ at: { host, port } }: Pick<Endpoint, "at">): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

function* eachOf({ hosts }: Target, named: readonly string[]): Generator<string> {
  if (hosts.kind === "one") yield hosts.host;
  else if (hosts.kind === "name") yield* named;
  else for (let value = hosts.first; value <= hosts.last; value++) yield addressOf(value);
}
