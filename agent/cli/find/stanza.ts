/** What was found, as the machine of a configuration file: YAML to paste under `machines:`. */
import type { Keys } from "../../contract/survey.ts";
import { plain } from "./plain.ts";
import { yamlOf } from "./yaml.ts";

export interface Stanza {
  readonly kind: string;
  readonly keys: Keys;
  /** "10.0.7.31". */
  readonly where: string;
  /** Lines above it: who answers, and what is still to do. */
  readonly comments: readonly string[];
  /** Whether it may be used as it is; else each line is a comment, to be taken out by a person who knows what is there. */
  readonly isSure: boolean;
}

/** A whole `machines:` list. Ids are made of kind and place, each once. */
export function stanzas(all: readonly Stanza[]): string {
  const taken = new Set<string>();
  const parts = all.map((one) => {
    const text = yamlOf([{ id: freshId(one, taken), sources: [{ type: one.kind, ...one.keys }] }]);
    const lines = text.trimEnd().split("\n").map((line) => `  ${one.isSure ? "" : "# "}${line}`);
    return [...one.comments.map((comment) => `  # ${plain(comment)}`), ...lines].join("\n");
  });
  return `machines:\n${parts.join("\n")}\n`;
}

function freshId({ kind, where }: Stanza, taken: Set<string>): string {
  const base = `${kind}-${where.replaceAll(/[^A-Za-z0-9]+/gu, "-").replaceAll(/^-|-$/gu, "")}`.slice(0, 56);
  let id = base;
  for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
  taken.add(id);
  return id;
}
