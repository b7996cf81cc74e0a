/**
 * SINUMERIK 840D sl, 828D and ONE by their own server (opcua.md §1): needs no list of nodes. Only the first channel is
 * browsable, so the identifiers are made, not found; variables that a machine does not have are optional.
 */
import type { Execution, Reading } from "../../agent/contract/observation.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Address } from "./address.ts";
import type { OpcuaConfig } from "./config.ts";
import type { Change, Profile, Translator, Wanted } from "./profile.ts";
import { driveLoad, EXECUTION_VARIABLES, SINUMERIK_NAMESPACE, SINUMERIK_ROWS, type SinumerikRow } from "./signals.ts";
import { INITIAL_PICTURE, told, type ChannelPicture } from "./sinumerik-execution.ts";
import { marks, readingOf } from "./translate.ts";
import type { Sample } from "./values.ts";

type Settings = Pick<OpcuaConfig, "channels" | "drive">;

const node = (id: string): Address => ({ by: "id", node: { namespace: SINUMERIK_NAMESPACE, id: `s=${id}` } });
/** The first channel's variables carry no index: that is how they are browsable. */
const identifierOf = (identifier: string, channel: number): string => identifier.replace("%", channel === 1 ? "" : `[u${channel}, 1]`);
const keyOf = (key: string, channel: number): string => `${key}#${channel}`;
const STOPPED = 2;
const ENDED = 5;

export function sinumerik(config: Settings): Profile {
  const rows = [...SINUMERIK_ROWS, ...(config.drive === undefined ? [] : [driveLoad(config.drive)])];
  return {
    name: "SINUMERIK",
    // Its number on some versions (§1.3).
    alarms: [node("Sinumerik"), { by: "id", node: { namespace: SINUMERIK_NAMESPACE, id: "i=1" } }],
    find: () => Promise.resolve(config.channels.flatMap((channel) => wantedOf(rows, channel))),
    translator: () => new SinumerikTranslator(rows, config.channels),
  };
}

const wantedOf = (rows: readonly SinumerikRow[], channel: number): readonly Wanted[] => [...EXECUTION_VARIABLES, ...rows].map((variable) => ({
  key: keyOf(variable.key, channel), address: node(identifierOf(variable.identifier, channel)), pace: variable.pace, optional: variable.optional,
  ...("evidence" in variable && variable.evidence && { onDemand: true }),
}));

const lastStatus = (changes: readonly Change[], channel: number): Change | undefined => changes.findLast(({ key }) => key === keyOf("progStatus", channel));

interface Channel {
  readonly number: number;
  readonly path: number | undefined;
  picture: ChannelPicture;
  parts: number | null;
  said: Execution | null | undefined;
}

class SinumerikTranslator implements Translator {
  readonly #rows: ReadonlyMap<string, SinumerikRow>;
  readonly #channels: readonly Channel[];

  constructor(rows: readonly SinumerikRow[], channels: readonly number[]) {
    this.#rows = new Map(rows.map((row) => [row.key, row]));
    this.#channels = channels.map((number) => ({ number, path: channels.length > 1 ? number : undefined, picture: INITIAL_PICTURE, parts: null, said: undefined }));
  }

  wants(changes: readonly Change[]): readonly string[] {
    return this.#channels.flatMap(({ number }) => {
      const status = lastStatus(changes, number)?.sample.raw;
      return status === STOPPED || status === ENDED ? [keyOf("actBlock", number)] : [];
    });
  }

  take(changes: readonly Change[], evidence: readonly Change[]): readonly Reading[] {
    return changes.flatMap((change) => {
      const [key = "", number] = change.key.split("#");
      const channel = this.#channels.find((one) => String(one.number) === number);
      if (channel === undefined) return [];
      // What was read belongs to the last status, not to one that has passed.
      if (change === lastStatus(changes, channel.number)) for (const read of evidence) if (read.key === keyOf("actBlock", channel.number)) note(channel, "actBlock", read);
      return this.#one(channel, key, change);
    });
  }

  #one(channel: Channel, key: string, change: Change): readonly Reading[] {
    const row = this.#rows.get(key);
    const direct = row === undefined ? [] : [readingOf(row, { ...change, sample: whole(row, change.sample) }, channel.path === undefined ? {} : { path: channel.path })];
    return note(channel, key, change) ? [...direct, ...execution(channel, change)] : direct;
  }
}

/** Counts are doubles on the wire (§1.4): 411.9999999 parts are 412. */
const whole = ({ signal }: SinumerikRow, sample: Sample): Sample => (signal.startsWith("part_count") && typeof sample.raw === "number" ? { ...sample, raw: Math.round(sample.raw) } : sample);

/** Keeps what execution is told by. True when it may have changed. */
function note(channel: Channel, key: string, { sample: { raw, at }, initial }: Change): boolean {
  const number = typeof raw === "number" ? raw : null;
  switch (key) {
    case "progStatus": channel.picture = { ...channel.picture, program: number, ...(initial && { under: number !== null && number < ENDED }) }; return true;
    case "chanStatus": channel.picture = { ...channel.picture, channel: number }; return true;
    case "actBlock": channel.picture = { ...channel.picture, block: typeof raw === "string" ? raw : null }; return false;
    case "actParts": return counted(channel, number, initial ? undefined : at);
    default: return false;
  }
}

function counted(channel: Channel, parts: number | null, at: UnixMs | undefined): boolean {
  const rose = parts !== null && channel.parts !== null && at !== undefined && Math.round(parts) > Math.round(channel.parts);
  channel.parts = parts ?? channel.parts;
  if (rose) channel.picture = { ...channel.picture, stepped: at };
  return rose;
}

/** Execution is as good as the status it comes of; it is told when it changed. */
function execution(channel: Channel, { sample, initial }: Change): readonly Reading[] {
  const [picture, said] = told(channel.picture, sample.at ?? null);
  channel.picture = picture;
  if (said === channel.said) return [];
  const first = channel.said === undefined;
  channel.said = said;
  const common = { kind: "reading", signal: "execution", ...marks(sample, initial || first), ...(channel.path !== undefined && { path: channel.path }) } as const;
  return [said === null ? { ...common, quality: "UNAVAILABLE", value: null } : { ...common, quality: sample.quality === "UNCERTAIN" ? "UNCERTAIN" : "GOOD", value: said }];
}
