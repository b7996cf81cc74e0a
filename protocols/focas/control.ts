/**
 * Who answers: series, paths, axes, language (focas.md §2.7, §5.1, §9). Everything but the system information may be
 * refused; what is not told is left open.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import { isOlderSeries } from "./alarms.ts";
import { statusInWords, type Answer } from "./blocks.ts";
import type { FocasConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import { decodeAxisNames, decodeSystem, decodeU16, type System } from "./decode.ts";
import { ask } from "./functions.ts";
import { Item } from "./item.ts";
import { askFor } from "./plan.ts";
import { parameterWays } from "./point-ways.ts";
import { pageOfLanguage, type CodePage } from "./text.ts";

export interface Control {
  readonly system: System;
  /** "FANUC 31i-B M (G31Z 10.0)". */
  readonly name: string;
  readonly isOlder: boolean;
  /** Its status has the words of the table. Series 15 has others, and of a wire EDM of the 16i class the sources disagree (§7.2, §7.3). */
  readonly isStatusKnown: boolean;
  readonly page: CodePage;
  readonly paths: readonly { readonly path: number; readonly axes: readonly string[] }[];
  /** The control has further paths than the one read. */
  readonly hasSeveral: boolean;
}

/** For people. */
export const factsOf = ({ system: { type, isI, model, machine, series, version }, paths }: Control): Readonly<Record<string, string>> => ({
  model: `FANUC ${type}${isI ? "i" : ""}${model === "" ? "" : `-${model}`}`, machine: MACHINES[machine] ?? machine, software: `${series} ${version}`,
  ...Object.fromEntries(paths.map(({ path, axes }) => [paths.length === 1 ? "axes" : `axes of path ${path}`, axes.join(" ")])),
});
const MACHINES: Readonly<Record<string, string>> = { M: "machining centre (M)", T: "lathe (T)", MM: "machining centre, several paths (MM)", TT: "lathe, several paths (TT)", MT: "lathe with milling (MT)", P: "punch press (P)", L: "laser (L)", W: "wire EDM (W)" };

/** More than any control has. */
const MOST_PATHS = 15;
/** Nothing answers for this path, or the control does not look at the path asked for. */
const NO_PATH = 64;
const LANGUAGE = 3281;

export async function identify(connection: Connection, config: FocasConfig, signal: AbortSignal): Promise<Control> {
  const one = async (block: ReturnType<typeof ask>): Promise<Answer | undefined> => (await connection.ask([block], signal))[0];
  const told = await one(ask("system", config.path ?? 1));
  const system = told?.status === 0 ? decodeSystem(told.data) : null;
  if (system === null) {
    const why = told?.status === 0 ? `${told.data.length} bytes of system information` : statusInWords(told?.status ?? 0);
    throw new LinkError("unsupported", "backoff", `${connection.where} does not say what it is (${why})${config.path === undefined ? "" : `: has it a path ${config.path}?`}`);
  }
  const isOlder = isOlderSeries(system.type, system.model);
  const numbers = config.path === undefined ? await pathsOf(connection, signal) : [config.path];
  const paths = [];
  for (const path of numbers) paths.push({ path, axes: await axesOf(connection, path, system, signal) });
  return {
    system, isOlder, isStatusKnown: system.type !== "15" && !(isOlder && system.machine === "W"), paths, hasSeveral: numbers.length > 1,
    name: `FANUC ${system.type}${system.isI ? "i" : ""}${system.model === "" ? "" : `-${system.model}`} ${system.machine} (${system.series} ${system.version})`.replaceAll(/ +/gu, " "),
    page: config.text === "auto" ? await languageOf(connection, { path: numbers[0] ?? 1, isOlder }, signal) : config.text,
  };
}

/**
 * A path that answers for itself counts; where any number is answered, or another path answers, the control does not look
 * at the number and has one. No bytes of a second path are published: who cuts the connection over it is told the way out.
 */
async function pathsOf(connection: Connection, signal: AbortSignal): Promise<readonly number[]> {
  const exists = async (path: number): Promise<boolean> => {
    try {
      return (await connection.ask([ask("system", path)], signal))[0]?.status === 0;
    } catch (cause) {
      if (!(cause instanceof LinkError)) throw cause;
      if (cause.fault === "protocol") return false;
      throw new LinkError(cause.fault, cause.retry, `${cause.message}. It was asked for a path ${path}: if it has one path, say path: 1`, { cause });
    }
  };
  const found = [1];
  while (found.length < MOST_PATHS && await exists(found.length + 1)) {
    if (found.length === 1 && await exists(NO_PATH)) return found;
    found.push(found.length + 1);
  }
  return found;
}

/** Names where the control tells them, else numbers; as many as it controls. */
async function axesOf(connection: Connection, path: number, system: System, signal: AbortSignal): Promise<readonly string[]> {
  const [counted, named] = await connection.ask([ask("count", path, 0), ask("axisNames", path)], signal);
  const names = named?.status === 0 ? decodeAxisNames(named.data) : [];
  const count = counted?.status === 0 ? decodeU16(counted.data) : null;
  return Array.from({ length: Math.min(count ?? (names.length || (system.axes ?? 0)), 32) }, (_, index) => names[index] || String(index + 1));
}

async function languageOf(connection: Connection, { path, isOlder }: { readonly path: number; readonly isOlder: boolean }, signal: AbortSignal): Promise<CodePage> {
  const ways = parameterWays(LANGUAGE, path, isOlder);
  const item = new Item("language", ways);
  for (let tries = 0; tries < ways.length && !item.isSettled; tries++) await askFor(connection, [item], signal);
  return pageOfLanguage(item.value);
}
